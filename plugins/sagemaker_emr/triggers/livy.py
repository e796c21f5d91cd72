"""Waiting for a Livy batch, with its log in the task log while it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from requests import exceptions as requests_exceptions

from sagemaker_emr.exceptions import (
    NEW_CLUSTER,
    BatchLost,
    ClusterFailed,
    SageMakerEmrError,
    SparkJobFailed,
    SparkJobRejected,
)
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.livy import ENDED_STATES, LivyClient, LivyHook, unreachable
from sagemaker_emr.hooks.livy_log import LogTail, diagnostics, exception_name, failure_reason, output
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.triggers.base import WaitTrigger

SILENCE_SECONDS = 300.0
"""How long Livy may not answer on a cluster that is alive."""

LAST_LINES_TRIES = 3
LAST_LINES_SECONDS = 0.5
"""Livy reads a driver's last lines in a thread of its own, just after it has seen it end."""

REASON_LINES_WITHOUT_EXCEPTION = 15

MEND_INPUT = "Mend what the job says, then clear the run; until then a retry would find the same."


class LivyBatchTrigger(WaitTrigger):
    """Waits until a batch succeeded and its completion manifest is there.

    :param livy_url: the server's address.
    :param completion_manifest: the S3 object that the job writes last.
    :param files: the staged files that the batch runs.
    :param owned: whether the batch is ours: its log is shown and it is deleted when the wait is killed.
    :param final_errors: names of the job's exceptions that the same input brings about again.
    :param log_seen: how many lines of the log were written already when the wait began. It is stored once:
        a triggerer that takes over from another begins there, so the task log repeats what the other wrote.
    :param log_tail: the last of them.
    """

    hook_class: ClassVar[type[AwsHook]] = LivyHook
    waits_for = "a Livy batch"

    def __init__(
        self,
        *,
        cluster_id: str,
        livy_url: str,
        batch_name: str,
        completion_manifest: str,
        files: Sequence[str] = (),
        owned: bool = True,
        final_errors: Sequence[str] = (),
        log_seen: int = 0,
        log_tail: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster_id = cluster_id
        self.livy_url = livy_url
        self.batch_name = batch_name
        self.completion_manifest = completion_manifest
        self.files = list(files)
        self.owned = owned
        self.final_errors = list(final_errors)
        self.log_seen = log_seen
        self.log_tail = log_tail or []
        self._diagnostics = ""
        self._silent_since: float | None = None

    @cached_property
    def livy(self) -> LivyClient:
        return LivyClient(self.livy_url)

    def describe(self) -> str:
        return f"Livy batch {self.batch_name} on {self.cluster_id}"

    def look(self) -> dict[str, Any] | None:
        """Look once.

        :raises SparkJobFailed: the batch failed, or left no completion manifest.
        :raises BatchLost: it vanished.
        :raises StagedFileGone: it failed, and its code is gone from S3.
        :raises ClusterFailed: its cluster has ended.
        :raises LivyUnreachable: Livy has not answered for minutes though the cluster is alive.
        """
        try:
            batch = self.livy.get_batch(self.batch_name)
            if batch is None:
                return self._vanished()
            lines = self.livy.batch_log_lines(batch["id"])
        except requests_exceptions.RequestException as error:
            self._check_silence(error)
            raise
        self._silent_since = None
        self._show(lines)
        self.report(f"Livy batch {self.batch_name} is {batch['state']}")
        if batch["state"] not in ENDED_STATES:
            return None
        if batch["state"] == "success":
            return self._completed(batch)
        raise self._failed(batch, lines)

    def stop(self) -> None:
        """Delete the batch, which kills it and frees its name; with its cluster it has ended anyway."""
        if not self.owned:
            return
        try:
            self.livy.delete_batch(self.batch_name)
        except requests_exceptions.RequestException:
            if not self._cluster_has_ended():
                raise
            self.log.info("Livy batch %s ended with its cluster", self.batch_name)
        else:
            self.log.info("Deleted Livy batch %s", self.batch_name)

    def _cluster_has_ended(self) -> bool:
        try:
            self.hook.check_cluster(self.cluster_id)
        except ClusterFailed:
            return True
        return False

    def _check_silence(self, error: Exception) -> None:
        """:raises ClusterFailed: Livy is silent since its cluster has ended."""
        self.hook.check_cluster(self.cluster_id)
        now = time.time()
        self._silent_since = self._silent_since or now
        if now - self._silent_since >= SILENCE_SECONDS:
            raise unreachable(self.livy_url, error)

    def _completion(self) -> Any:
        found = ArtifactsHook(**self.connection).get_json(self.completion_manifest)
        return found[0] if found else None

    def _result(self, batch: dict[str, Any], completion: Any) -> dict[str, Any]:
        return {
            "batch_name": self.batch_name,
            "batch_id": batch.get("id"),
            "app_id": batch.get("appId"),
            "completion": completion,
        }

    def _completed(self, batch: dict[str, Any]) -> dict[str, Any]:
        completion = self._completion()
        if completion is None:
            raise SparkJobFailed(
                f"Livy batch {self.batch_name} ended as a success, but without its completion manifest",
                reason=f"{self.completion_manifest} does not exist, so its output may be partial",
                next_step=f"Look in the log above for what the job did last. {NEW_CLUSTER}",
            )
        return self._result(batch, completion)

    def _vanished(self) -> dict[str, Any]:
        """Livy restarted, or someone deleted the batch: what it left in S3 decides."""
        completion = self._completion()
        if completion is None:
            raise BatchLost(
                f"Livy batch {self.batch_name} vanished",
                reason="Livy no longer knows it (it was restarted, or the batch was deleted), and it left "
                f"no completion manifest at {self.completion_manifest}",
                next_step=f"The next try submits it again; after the last one: {NEW_CLUSTER}"
                if self.owned
                else "Clear the task that submits it, and this one.",
            )
        return self._result({}, completion)

    def _failed(self, batch: dict[str, Any], lines: list[str]) -> SageMakerEmrError:
        reason = failure_reason(lines)
        for _ in range(LAST_LINES_TRIES):
            if reason:
                break
            time.sleep(LAST_LINES_SECONDS)
            lines = self.livy.batch_log_lines(batch["id"])
            self._show(lines)
            reason = failure_reason(lines)
        final = exception_name(reason) in self.final_errors
        hint = self.hook.log_hint(self.cluster_id, batch.get("appId"))
        failure = (SparkJobRejected if final else SparkJobFailed)(
            f"Livy batch {self.batch_name} is {batch['state']}",
            reason=reason or "\n".join(output(lines)[-REASON_LINES_WITHOUT_EXCEPTION:]) or None,
            next_step=f"{MEND_INPUT if final else NEW_CLUSTER} {hint}",
        )
        ArtifactsHook(**self.connection).check_staged(self.files, failure)
        return failure

    def _show(self, lines: list[str]) -> None:
        if not self.owned:
            return
        tail = LogTail(self.log_seen, self.log_tail)
        added = tail.new(output(lines))
        if tail.lost:
            self.log.warning("Lines are missing here: Livy keeps the last %d only", len(added))
        for line in added:
            self.log.info("%s", line)
        self.log_seen, self.log_tail = tail.seen, tail.tail
        told = diagnostics(lines)
        if told and told != self._diagnostics:
            self._diagnostics = told
            self.log.info("YARN: %s", told)
