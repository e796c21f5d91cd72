"""The end of a run's training, whatever became of the task that waited for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.hooks.sagemaker import JobState, SageMakerHook
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.sagemaker_training import (
    SageMakerTrainingJobEndedTrigger,
    SageMakerTrainingJobTrigger,
)

STOP_TIMEOUT_SECONDS = 1800.0
"""StopTrainingJob gives the container two minutes; what it wrote is uploaded after that."""


class SageMakerStopTrainingJobOperator(AwsWaitingOperator[SageMakerHook]):
    """Stops the run's training job where one still runs, and waits for its end.

    The teardown of :class:`~sagemaker_emr.operators.sagemaker_training.SageMakerTrainModelOperator`, whose
    ``environment`` and ``purpose`` it takes. A kill stops the job too, but nobody calls ``on_kill`` where the
    worker or the triggerer died, or the task was killed before a triggerer had taken over its wait.

    :return: the name of the job that was stopped; None where none ran.
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields("environment", "purpose")

    def __init__(
        self,
        *,
        environment: str,
        purpose: str = "train-model",
        timeout_seconds: float = STOP_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment
        self.purpose = purpose

    def execute(self, context: Context) -> Any:
        ti = context["ti"]
        name, state = self.hook.latest_training_job(self.purpose, self.environment, ti.dag_id, ti.run_id)
        if state not in (JobState.ATTACH, JobState.ENDING):
            self.log.info("No training job of this run is running")
            return None
        if state is JobState.ATTACH:
            SageMakerTrainingJobTrigger(job_name=name, **self.trigger_parameters).stop()
        return self.wait_for(
            context, SageMakerTrainingJobEndedTrigger(job_name=name, **self.trigger_parameters)
        )

    def complete(self, context: Context, result: dict[str, Any]) -> str:
        stopped: str = result["ended"]
        return stopped
