"""Links to an EMR cluster in the console."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class EmrClusterLink(BaseAwsLink):
    """A cluster's details."""

    name = "EMR cluster"
    key = "sagemaker_emr_cluster"
    format_str = BASE_AWS_CONSOLE_LINK + "/emr/home?region={region_name}#/clusterDetails/{cluster_id}"


class EmrSparkUiLink(EmrClusterLink):
    """The page from which a cluster's Spark UI is opened: *Applications*, also 30 days after its end.

    The persistent UI's own address is presigned (GetPersistentAppUIPresignedURL) and lets its bearer in, so
    no link holds it: the console makes it for whoever may.
    https://docs.aws.amazon.com/emr/latest/ManagementGuide/app-history-spark-UI.html
    """

    name = "Spark UI (Applications)"
    key = "sagemaker_emr_spark_ui"


LINKS = (EmrClusterLink(), EmrSparkUiLink())
