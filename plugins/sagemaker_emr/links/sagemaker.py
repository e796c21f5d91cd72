"""Links to SageMaker in the console."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink

from sagemaker_emr.links import logs

_CONSOLE = BASE_AWS_CONSOLE_LINK + "/sagemaker/home?region={region_name}#"


class SageMakerTrainingJobLink(BaseAwsLink):
    """A training job."""

    name = "Training job"
    key = "sagemaker_training_job"
    format_str = _CONSOLE + "/jobs/{job_name}"


class SageMakerEndpointLink(BaseAwsLink):
    """An endpoint."""

    name = "Endpoint"
    key = "sagemaker_endpoint"
    format_str = _CONSOLE + "/endpoints/{endpoint_name}"


LINKS = (SageMakerTrainingJobLink(), SageMakerEndpointLink(), *logs.LINKS)
