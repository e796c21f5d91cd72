"""Running a Spark job through Livy on an EMR cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from requests import exceptions as requests_exceptions

from sagemaker_emr import names
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.livy import ENDED_STATES, LIVY_PORT, LivyClient, LivyHook, unreachable
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.links.livy import LivyBatchLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.livy import LivyBatchTrigger

PLACEHOLDER = "{batch_name}"
REGION_PLACEHOLDER = "{region}"
SUBMITTED_SUFFIX = ".submitted"


class LivyRunBatchOperator(AwsWaitingOperator[LivyHook]):
    """Runs a Spark job as one Livy batch, however often the task is tried.

    The batch's name is derived from the run. In every try: where a completion manifest exists, the work is
    done; a batch that runs is attached to; only past one that has ended, was killed or vanished is the next
    generation submitted. Beside each completion manifest a small ``.submitted`` object tells that a
    generation was used: Livy forgets an ended batch after ten minutes, and a killed one at once, while what
    it wrote remains.

    :param cluster_id: an EMR cluster with Livy.
    :param file: the job's ``s3://`` address.
    :param args: its arguments; ``{batch_name}`` and ``{region}`` are replaced. boto3 on an EMR node knows no
        Region by itself.
    :param completion_manifest: ``s3://`` address of the object that the job writes last, with
        ``{batch_name}`` in its key.
    :param purpose: the readable start of the batch's name.
    :param batch_name_key: what the name stands for; by default environment, DAG and run.
    :param conf: Spark configuration, of the keys in ``allowed_conf`` only.
    :return: ``batch_name``, ``batch_id``, ``app_id`` and the completion manifest's JSON as ``completion``.
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
    )
    operator_extra_links = (LivyBatchLink(),)

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
        self.livy_port = livy_port

    def execute(self, context: Context) -> Any:
        """Attach to the run's batch, or submit it.

        :raises ClusterFailed: the cluster has ended.
        :raises LivyUnreachable: no Livy answers on it.
        :raises SparkJobFailed: the job failed.
        """
        s3 = ArtifactsHook(**self._hook_parameters)
        key = self.batch_name_key or (self.environment, context["ti"].dag_id, context["ti"].run_id)
        generations = _Generations(s3, self.completion_manifest, self.purpose, key)
        if done := generations.completed():
            self.log.info("%s exists: the work is done", generations.manifest(done))
            completion, _ = s3.get_json(generations.manifest(done)) or (None, "")
            return {"batch_name": done, "batch_id": None, "app_id": None, "completion": completion}
        livy_url = self.hook.livy_url(self.cluster_id, self.livy_port)

        def trigger_for(batch_name: str) -> LivyBatchTrigger:
            return LivyBatchTrigger(
                cluster_id=self.cluster_id,
                livy_url=livy_url,
                batch_name=batch_name,
                completion_manifest=generations.manifest(batch_name),
                **self.trigger_parameters,
            )

        try:
            batch_name, batch_id = self._ensure_batch(LivyClient(livy_url), generations, trigger_for)
        except requests_exceptions.RequestException as error:
            raise unreachable(livy_url, error) from error
        LivyBatchLink.persist(
            context,
            self,
            self.hook.conn_region_name,
            self.hook.conn_partition,
            livy_url=livy_url,
            batch_id=batch_id,
        )
        return self.wait_for(context, trigger_for(batch_name))

    def _ensure_batch(
        self,
        livy: LivyClient,
        generations: _Generations,
        trigger_for: Callable[[str], LivyBatchTrigger],
    ) -> tuple[str, int]:
        """Name and id of the batch that runs, submitted now where none does."""
        predecessor = generations.latest_submitted()
        if predecessor:
            batch = livy.get_batch(predecessor)
            if batch and batch["state"] not in ENDED_STATES:
                self.log.info("Attached to Livy batch %s (%s)", predecessor, batch["state"])
                return predecessor, batch["id"]
            self.log.info("Livy batch %s %s", predecessor, f"is {batch['state']}" if batch else "is gone")
            if batch:
                livy.delete_batch(batch["id"])
        name = generations.take_next()
        self._trigger = trigger_for(name)  # before the batch is there, so that a kill in between deletes it
        return self._submit(livy, name)

    def _fill_in(self, argument: str, batch_name: str) -> str:
        return argument.replace(PLACEHOLDER, batch_name).replace(
            REGION_PLACEHOLDER, str(self.hook.conn_region_name)
        )

    def _submit(self, livy: LivyClient, name: str) -> tuple[str, int]:
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
        return name, batch["id"]


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
        stem = before + self._name(1).removesuffix("1")
        pattern = re.compile(
            re.escape(stem) + r"(\d+)" + re.escape(after) + f"({re.escape(SUBMITTED_SUFFIX)})?"
        )
        found = [match for k in s3.keys(self._bucket, stem) if (match := pattern.fullmatch(k))]
        self._completed = {int(match[1]) for match in found if not match[2]}
        self._submitted = {int(match[1]) for match in found if match[2]}

    def _name(self, generation: int) -> str:
        return names.derive(self._purpose, *self._key, generation=generation)

    def manifest(self, batch_name: str) -> str:
        return f"s3://{self._bucket}/{self._template.replace(PLACEHOLDER, batch_name)}"

    def completed(self) -> str | None:
        return self._name(max(self._completed)) if self._completed else None

    def latest_submitted(self) -> str | None:
        return self._name(max(self._submitted)) if self._submitted else None

    def take_next(self) -> str:
        """The next generation's name, marked as used before anything is submitted under it.

        A mark that is there already comes from a write of ours whose answer was lost, or from another try
        just now: Livy lets only one of us submit the name, and the other attaches.
        """
        name = self._name(max(self._submitted, default=0) + 1)
        self._s3.put_json_if_absent(self.manifest(name) + SUBMITTED_SUFFIX, {"batch": name})
        return name
