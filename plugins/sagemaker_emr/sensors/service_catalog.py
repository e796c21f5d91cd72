"""Sensors for Service Catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.sensors.base import AwsWaitSensor
from sagemaker_emr.triggers.service_catalog import ServiceCatalogRecordSucceededTrigger


class ServiceCatalogRecordSucceededSensor(AwsWaitSensor[ServiceCatalogHook]):
    """Waits until a record has SUCCEEDED.

    :return: ``record_id`` and the record's ``outputs``.
    :raises ProvisioningFailed: the record FAILED; with the reasons of its stack and cluster.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields("record_id")

    def __init__(self, *, record_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.record_id = record_id

    def trigger(self) -> ServiceCatalogRecordSucceededTrigger:
        return ServiceCatalogRecordSucceededTrigger(record_id=self.record_id, **self.trigger_parameters)
