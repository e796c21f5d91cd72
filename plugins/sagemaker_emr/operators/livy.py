"""Running a Spark job through Livy on an EMR cluster."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from requests import exceptions as requests_exceptions

from sagemaker_emr import names
from sagemaker_emr.costs.budget import end_of
from sagemaker_emr.exceptions import BatchLost, InvalidInput, ResourceConflict
from sagemaker_emr.hooks.livy import ENDED_STATES, LIVY_PORT, LivyClient, LivyHook, unreachable
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.links.emr import EmrSparkUiLink
from sagemaker_emr.links.livy import LivyBatchLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.base import WaitTrigger
from sagemaker_emr.triggers.livy import LivyBatchTrigger

PLACEHOLDER = "{batch_name}"
REGION_PLACEHOLDER = "{region}"
SUBMITTED_SUFFIX = ".submitted"
MAX_LOSSES = 5
"""Of batches in one try; more than that, and the job itself may be what brings Livy or its cluster down."""

_LOSSES = "losses"
"""The key under which they are carried through a deferral."""


class LivyRunBatchOperator(AwsWaitingOperator[LivyHook]):
    """Runs a Spark job as one Livy batch, however often the task is tried.

    The batch's name is derived from the run. In every try: where a completion manifest exists, the work is
    done; a batch that runs is attached to; only past one that has ended, was killed or vanished, or whose
    cluster is another, is the next generation submitted. Beside each completion manifest a small
    ``.submitted`` object tells on which cluster a generation is used, and whether Livy had its batch: Livy
    forgets an ended batch after ten minutes, and a killed one at once, while what it wrote remains. A name
    that Livy never had is submitted again, for another try may be about to submit it just now, and Livy lets
    only one of us.

    A batch that is lost, for Livy was restarted, costs no try of the task where Livy answers again: the next
    generation is submitted at once, up to ``MAX_LOSSES`` times and before the try's deadline. What Livy lost
    may be running still, as after a try that was killed; only one of them commits.

    :param cluster_id: an EMR cluster with Livy.
    :param file: the job's ``s3://`` address.
    :param args: its arguments; ``{batch_name}`` and ``{region}`` are replaced. boto3 on an EMR node knows no
        Region by itself.
    :param completion_manifest: ``s3://`` address of the object that the job writes last, with
        ``{batch_name}`` in its key.
    :param purpose: the readable start of the batch's name.
    :param batch_name_key: what the name stands for; by default environment, DAG and run.
    :param final_errors: names of the job's own exceptions that the same input brings about again, so that
        the task is not tried again.
    :param conf: Spark configuration, of the keys in ``allowed_conf`` only.
    :return: ``batch_name``, ``batch_id``, ``app_id``, the completion manifest's JSON as ``completion``, and
        its ``seconds``, where the job tells them, as ``batch_seconds``.
    """

    aws_hook_class = LivyHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment",
        "cluster_id",
        "file",
        "args",
        "py_files",
        "conf",
        "completion_manifest",
        "batch_name_key",
        "purpose",
    )
    operator_extra_links = (LivyBatchLink(), EmrSparkUiLink())

    def __init__(
        self,
        *,
        environment: str,
        cluster_id: str,
        file: str,
        completion_manifest: str,
        args: Sequence[str] = (),
        py_files: Sequence[str] = (),
        conf: dict[str, str] | None = None,
        allowed_conf: Sequence[str] = (),
        purpose: str = "prepare-features",
        batch_name_key: Sequence[str] | None = None,
        final_errors: Sequence[str] = (),
        livy_port: int = LIVY_PORT,
        timeout_seconds: float = 2 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment
        self.cluster_id = cluster_id
        self.file = file
        self.args = args
        self.py_files = py_files
        self.conf = conf
        self.allowed_conf = allowed_conf
        self.completion_manifest = completion_manifest
        self.purpose = purpose
        self.batch_name_key = batch_name_key
        self.final_errors = final_errors
        self.livy_port = livy_port
        self._losses = 0

    def execute(self, context: Context) -> Any:
        """Attach to the run's batch, or submit it.

        :raises BatchLost: it was lost more often than ``MAX_LOSSES``.
        :raises ClusterFailed: the cluster has ended.
        :raises LivyUnreachable: no Livy answers on it.
        :raises SparkJobFailed: the job failed.
        :raises SparkJobRejected: it failed with one of ``final_errors``.
        :raises StagedFileGone: it failed, and its code is gone from S3.
        """
        return self._despite_losses(context, partial(self._begin, context))

    def execute_complete(
        self, context: Context, event: dict[str, Any], carry: dict[str, Any] | None = None
    ) -> Any:
        """As :meth:`execute`, from where the task deferred."""
        self._losses = (carry or {}).get(_LOSSES, 0)
        return self._despite_losses(context, partial(super().execute_complete, context, event, carry))

    def wait_for(self, context: Context, trigger: WaitTrigger, carry: dict[str, Any] | None = None) -> Any:
        carried = {**(carry or {}), _LOSSES: self._losses} if self._losses else carry
        return super().wait_for(context, trigger, carried)

    def _despite_losses(self, context: Context, work: Callable[[], Any]) -> Any:
        """Do it; where its batch is lost, begin anew."""
        while True:
            try:
                return work()
            except BatchLost as lost:
                self._count_loss(context, lost)
            work = partial(self._begin, context)

    def _count_loss(self, context: Context, lost: BatchLost) -> None:
        """:raises BatchLost: nothing is to be submitted any more."""
        ends_at = end_of(self.trigger_parameters["deadline_at"], self.budget(context))
        if self._killed or time.time() >= ends_at:
            raise lost
        if self._losses >= MAX_LOSSES:
            raise type(lost)(
                lost.what,
                reason=f"{lost.reason}. {self._losses} were lost before it in this try: "
                "the job may be what brings Livy or its cluster down",
                next_step=lost.next_step,
            ) from lost
        self._losses += 1
        self.log.warning("%s\nSubmitting again: loss %d of %d", lost, self._losses, MAX_LOSSES)

    def _begin(self, context: Context) -> Any:
        generations = self._generations(context)
        return self._completed(context, generations) or self._run_on_cluster(context, generations)

    def _generations(self, context: Context) -> _Generations:
        key = self.batch_name_key or (self.environment, context["ti"].dag_id, context["ti"].run_id)
        s3 = ArtifactsHook(**self._hook_parameters)
        return _Generations(s3, self.completion_manifest, self.purpose, key)

    def _completed(self, context: Context, generations: _Generations) -> Any:
        """What the task returns where the work is done already, else None."""
        done = generations.completed()
        if done is None:
            return None
        self.log.info("%s exists: the work is done", generations.manifest(done))
        result = {"batch_name": done, "batch_id": None, "app_id": None}
        return self.complete(context, {**result, "completion": generations.completion(done)})

    def _run_on_cluster(self, context: Context, generations: _Generations) -> Any:
        """Attach to the batch on ``cluster_id``, or submit it; then wait for it."""
        livy_url = self.livy_url()
        try:
            trigger, batch_id = self._ensure_batch(LivyClient(livy_url), generations)
        except requests_exceptions.RequestException as error:
            raise unreachable(livy_url, error) from error
        where = context, self, self.hook.conn_region_name, self.hook.conn_partition
        LivyBatchLink.persist(*where, livy_url=livy_url, batch_id=batch_id)
        EmrSparkUiLink.persist(*where, cluster_id=self.cluster_id)
        return self.wait_for(context, trigger)

    def livy_url(self) -> str:
        """Where the Livy of ``cluster_id`` listens.

        :raises ClusterFailed: the cluster has ended.
        """
        url: str = self.hook.livy_url(self.cluster_id, self.livy_port)
        return url

    def batch_trigger(self, **parameters: Any) -> LivyBatchTrigger:
        """The wait for one batch."""
        return LivyBatchTrigger(**parameters, **self.trigger_parameters)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        completion = result["completion"]
        result = {name: value for name, value in result.items() if name != _LOSSES}
        seconds = completion.get("seconds") if isinstance(completion, dict) else None
        return {**result, "batch_seconds": seconds}

    def _ensure_batch(self, livy: LivyClient, generations: _Generations) -> tuple[LivyBatchTrigger, int]:
        """The wait for the batch that runs, submitted now where none does; and the batch's id.

        Livy is asked before the mark is read, and again where the mark tells of a batch. So whatever another
        try does in between (submit a batch and mark it; mark an ended one and delete it) is noticed. Where
        the marks vanished, Livy's own list tells of the generation that runs.
        """
        for generation in count(max(generations.latest(), generations.latest_of(livy.batches()))):
            name = generations.name(generation)
            # Before the batch may be there: a kill must find what to stop.
            self._trigger = trigger = self.batch_trigger(
                cluster_id=self.cluster_id,
                livy_url=livy.base_url,
                batch_name=name,
                completion_manifest=generations.manifest(name),
                files=[self.file, *self.py_files],
                final_errors=self.final_errors,
            )
            batch = livy.get_batch(name)
            mark = generations.mark(generation, self.cluster_id)
            if batch is None and mark.cluster_id == self.cluster_id:
                if mark.batch_id is None:
                    batch = self._submit(livy, name)
                    generations.tell_batch(mark, batch["id"])
                    return trigger, batch["id"]
                batch = livy.get_batch(name)
            if batch:
                generations.tell_batch(mark, batch["id"])
                if batch["state"] not in ENDED_STATES:
                    self.log.info("Attached to Livy batch %s (%s)", name, batch["state"])
                    return trigger, batch["id"]
                livy.delete_batch(batch["id"])
            found = f"is {batch['state']}" if batch else "is gone"
            self.log.info("Livy batch %s of %s %s", name, mark.cluster_id, found)
        raise AssertionError("count never ends")

    def _fill_in(self, argument: str, batch_name: str) -> str:
        return argument.replace(PLACEHOLDER, batch_name).replace(
            REGION_PLACEHOLDER, str(self.hook.conn_region_name)
        )

    def _submit(self, livy: LivyClient, name: str) -> dict[str, Any]:
        try:
            batch = livy.submit_batch(
                name=name,
                file=self.file,
                args=[self._fill_in(str(arg), name) for arg in self.args],
                py_files=self.py_files,
                conf=self.conf,
                allowed_conf=self.allowed_conf,
            )
        except requests_exceptions.RequestException as error:
            self.log.warning("The answer to the submission was lost (%s): looking for %s", error, name)
            batch = None
        batch = batch or livy.get_batch(name)
        if batch is None:
            raise requests_exceptions.ConnectionError(f"{name} was not submitted")
        self.log.info("Livy batch %s has id %d on %s", name, batch["id"], livy.base_url)
        return batch


def completed_batch(
    s3: ArtifactsHook, completion_manifest: str, purpose: str, batch_name_key: Sequence[str]
) -> str | None:
    """The address of the completion manifest of work that is done; None where it is not.

    The parameters are those of :class:`LivyRunBatchOperator`.

    :raises InvalidInput: the manifest's key doesn't contain ``{batch_name}`` once.
    """
    generations = _Generations(s3, completion_manifest, purpose, batch_name_key)
    name = generations.completed()
    return generations.manifest(name) if name else None


@dataclass(frozen=True)
class _Mark:
    """That a generation's name is used, on which cluster, and the batch Livy had of it, if it had one."""

    uri: str
    etag: str
    batch: str
    cluster_id: str
    batch_id: int | None


class _Generations:
    """What S3 tells of the generations of one batch: submitted, completed."""

    def __init__(self, s3: ArtifactsHook, completion_manifest: str, purpose: str, key: Sequence[str]) -> None:
        self._s3 = s3
        self._bucket, template = split_uri(completion_manifest)
        if template.count(PLACEHOLDER) != 1:
            raise InvalidInput(
                f"{completion_manifest} can't be a completion manifest",
                reason=f"its key must contain {PLACEHOLDER} once, so that each batch has its own",
            )
        self._template = template
        self._purpose, self._key = purpose, key
        before, after = template.split(PLACEHOLDER)
        stem = before + self.name(1).removesuffix("1")
        pattern = re.compile(
            re.escape(stem) + r"(\d+)" + re.escape(after) + f"({re.escape(SUBMITTED_SUFFIX)})?"
        )
        found = [match for k in s3.keys(self._bucket, stem) if (match := pattern.fullmatch(k))]
        self._completed = {int(match[1]) for match in found if not match[2]}
        self._submitted = {int(match[1]) for match in found if match[2]}

    def name(self, generation: int) -> str:
        return names.derive(self._purpose, *self._key, generation=generation)

    def manifest(self, batch_name: str) -> str:
        return f"s3://{self._bucket}/{self._template.replace(PLACEHOLDER, batch_name)}"

    def completed(self) -> str | None:
        return self.name(max(self._completed)) if self._completed else None

    def completion(self, batch_name: str) -> Any:
        found = self._s3.get_json(self.manifest(batch_name))
        return found[0] if found else None

    def latest(self) -> int:
        """The last generation that is marked, or the first."""
        return max(self._submitted, default=1)

    def latest_of(self, batches: Iterable[Mapping[str, Any]]) -> int:
        """The last generation that is among Livy's batches, or the first."""
        stem = self.name(1).removesuffix("1")
        found = [str(batch.get("name")).removeprefix(stem) for batch in batches]
        return max((int(rest) for rest in found if rest.isdecimal()), default=1)

    def mark(self, generation: int, cluster_id: str) -> _Mark:
        """A generation's mark, written now where there is none, before anything is submitted under its name.

        One that is there comes from an earlier try, from another one just now, or from a write of ours whose
        answer was lost.
        """
        name = self.name(generation)
        uri = self.manifest(name) + SUBMITTED_SUFFIX
        content = {"batch": name, "cluster_id": cluster_id, "batch_id": None}
        if etag := self._s3.put_json_if_absent(uri, content):
            return _Mark(uri, etag, **content)  # type: ignore[arg-type]
        found = self._s3.get_json(uri)
        if found is None:
            raise ResourceConflict(f"{uri} vanished while it was read", next_step="The next try writes it.")
        return _Mark(uri, found[1], **found[0])

    def tell_batch(self, mark: _Mark, batch_id: int) -> None:
        """Note that Livy has a batch of this name; of two who note it, one is enough."""
        if mark.batch_id is None:
            content = {"batch": mark.batch, "cluster_id": mark.cluster_id, "batch_id": batch_id}
            self._s3.put_json_if_match(mark.uri, content, mark.etag)
