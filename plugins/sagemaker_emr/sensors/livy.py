"""Waiting for a Livy batch that another task submitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from sagemaker_emr.hooks.livy import LIVY_PORT, LivyHook
from sagemaker_emr.sensors.base import AwsWaitSensor
from sagemaker_emr.triggers.livy import LivyBatchTrigger


class LivyBatchFinishedSensor(AwsWaitSensor[LivyHook]):
    """Waits until a batch succeeded and its completion manifest is there; it never stops the batch.

    :param completion_manifest: ``s3://`` address of the object that the job writes last.
    """

    aws_hook_class = LivyHook
    template_fields: Sequence[str] = aws_template_fields("cluster_id", "batch_name", "completion_manifest")

    def __init__(
        self,
        *,
        cluster_id: str,
        batch_name: str,
        completion_manifest: str,
        livy_port: int = LIVY_PORT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster_id = cluster_id
        self.batch_name = batch_name
        self.completion_manifest = completion_manifest
        self.livy_port = livy_port

    def trigger(self) -> LivyBatchTrigger:
        return LivyBatchTrigger(
            cluster_id=self.cluster_id,
            livy_url=self.hook.livy_url(self.cluster_id, self.livy_port),
            batch_name=self.batch_name,
            completion_manifest=self.completion_manifest.replace("{batch_name}", self.batch_name),
            owned=False,
            **self.trigger_parameters,
        )
