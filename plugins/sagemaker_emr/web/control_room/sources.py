"""AWS as the control room reads it: our hooks, with a reader's patience instead of a task's."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from typing import Any

from botocore.config import Config

from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.resource_groups_tagging import ResourceGroupsTaggingHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker_studio import SageMakerStudioHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook

PATIENCE = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
"""Seconds. A person waits, and what is known already can be shown meanwhile."""

KEPT_SECONDS = 600.0
"""How long clients are used, until a changed connection is noticed."""


class Sources:
    """The hooks over the connection ``aws_default``, each with one client for all threads."""

    def __init__(self) -> None:
        own = AwsHook(client_type="sts").conn_config.botocore_config
        self._connection: dict[str, Any] = {"config": own.merge(PATIENCE) if own else PATIENCE}

    @cached_property
    def stacks(self) -> CloudFormationHook:
        return CloudFormationHook(**self._connection)

    @cached_property
    def studio(self) -> SageMakerStudioHook:
        return SageMakerStudioHook(**self._connection)

    @cached_property
    def catalog(self) -> ServiceCatalogHook:
        return ServiceCatalogHook(**self._connection)

    @cached_property
    def emr(self) -> EmrHook:
        return EmrHook(**self._connection)

    @cached_property
    def tagging(self) -> ResourceGroupsTaggingHook:
        return ResourceGroupsTaggingHook(**self._connection)

    @cached_property
    def s3(self) -> ArtifactsHook:
        return ArtifactsHook(**self._connection)


class _Kept:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[float, Sources] | None = None

    def get(self) -> Sources:
        with self._lock:
            now = time.monotonic()
            if self._made is None or now - self._made[0] > KEPT_SECONDS:
                self._made = now, Sources()
            return self._made[1]

    def forget(self) -> None:
        with self._lock:
            self._made = None


_kept = _Kept()


def sources() -> Sources:
    """The hooks of this process.

    :raises AirflowException: there is no such connection.
    """
    return _kept.get()


def forget() -> None:
    """Make clients anew: the connection was changed."""
    _kept.forget()
