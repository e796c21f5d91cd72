"""Waiting for a cluster that others wait for too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Context

from sagemaker_emr.exceptions import ClusterFailed
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LeaseStore
from sagemaker_emr.sensors.emr import EmrClusterReadySensor


class SharedClusterReadySensor(EmrClusterReadySensor):
    """Waits for the cluster of a lease; where it is lost before it could be lent, its lease goes on.

    In all else it is a :class:`EmrClusterReadySensor`. A cluster that never started has no successor, which
    would not start either.

    :param lease: the lease's name.
    :param generation: this provider's.
    """

    template_fields: Sequence[str] = (*EmrClusterReadySensor.template_fields, "lease", "generation")

    def __init__(
        self, *, environment: str, bucket: str, lease: str, generation: int | str, **kwargs: Any
    ) -> None:
        super().__init__(environment=environment, bucket=bucket, **kwargs)
        self.lease = lease
        self.generation = generation

    def execute(self, context: Context) -> Any:
        with self._lease_going_on():
            return super().execute(context)

    def execute_complete(
        self, context: Context, event: dict[str, Any], carry: dict[str, Any] | None = None
    ) -> Any:
        with self._lease_going_on():
            return super().execute_complete(context, event, carry)

    @contextmanager
    def _lease_going_on(self) -> Iterator[None]:
        try:
            yield
        except ClusterFailed as lost:
            s3 = ArtifactsHook(**self._hook_parameters)
            store = LeaseStore(s3, str(self.bucket), str(self.environment), self.lease)
            reason = f"{lost.what}: {lost.reason}"
            store.change(lambda lease: lease.succeed(int(self.generation), reason))
            raise
