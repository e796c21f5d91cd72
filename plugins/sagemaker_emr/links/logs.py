"""Links to CloudWatch Logs in the console."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

from sagemaker_emr.hooks.sagemaker import ENDPOINT_LOG_GROUP, TRAINING_LOG_GROUP


def _escape(text: str) -> str:
    """The console's own escaping in a fragment: URL-quoted twice, with ``$`` for ``%``."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")


class SageMakerTrainingLogLink(BaseAwsLink):
    """The log streams of a training job."""

    name = "CloudWatch log"
    key = "sagemaker_training_log"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/cloudwatch/home?region={region_name}#logsV2:log-groups/log-group/{log_group}"
        + "$3FlogStreamNameFilter$3D{job_name}"
    )

    def format_link(self, **kwargs: Any) -> str:
        return str(super().format_link(**kwargs, log_group=_escape(TRAINING_LOG_GROUP)))


class SageMakerEndpointLogLink(BaseAwsLink):
    """The log group of an endpoint."""

    name = "CloudWatch log"
    key = "sagemaker_endpoint_log"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/cloudwatch/home?region={region_name}#logsV2:log-groups/log-group/{log_group}"
    )

    def format_link(self, **kwargs: Any) -> str:
        group = f"{ENDPOINT_LOG_GROUP}/{kwargs['endpoint_name']}"
        return str(super().format_link(**kwargs, log_group=_escape(group)))


LINKS = (SageMakerTrainingLogLink(), SageMakerEndpointLogLink())
