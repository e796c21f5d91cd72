"""The console page of an EMR cluster."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class EmrClusterLink(BaseAwsLink):
    """A cluster's details."""

    name = "EMR cluster"
    key = "sagemaker_emr_cluster"
    format_str = BASE_AWS_CONSOLE_LINK + "/emr/home?region={region_name}#/clusterDetails/{cluster_id}"
