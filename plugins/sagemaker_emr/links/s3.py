"""The console page of a report in S3."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class PlatformReportLink(BaseAwsLink):
    """The report of a platform's diagnosis, in the artifacts bucket; *Open* there shows the page."""

    name = "Report"
    key = "platform_report"
    format_str = BASE_AWS_CONSOLE_LINK + "/s3/object/{bucket}?region={region_name}&prefix={object_key}"
