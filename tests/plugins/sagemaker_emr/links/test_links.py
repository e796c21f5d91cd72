from __future__ import annotations

import pytest
from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink

from sagemaker_emr.links import livy, sagemaker, sagemaker_studio
from sagemaker_emr.links.cloud_formation import CloudFormationStackLink
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.links.s3 import PlatformReportLink
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink
from sagemaker_emr_plugin import SageMakerEmrPlugin

PARTITIONS = {
    "aws": ("us-east-1", "https://console.aws.amazon.com/"),
    "aws-cn": ("cn-north-1", "https://console.amazonaws.cn/"),
    "aws-us-gov": ("us-gov-west-1", "https://console.amazonaws-us-gov.com/"),
}
LINKS = {
    CloudFormationStackLink: ("stack_id", "arn:aws:cloudformation:r:1:stack/s/1", "%3Astack%2Fs%2F1"),
    ServiceCatalogProvisionedProductLink: ("provisioned_product_id", "pp-1", "provisioned-products/pp-1"),
    EmrClusterLink: ("cluster_id", "j-1", "#/clusterDetails/j-1"),
    PlatformReportLink: ("object_key", "reports/dev/platform.html", "&prefix=reports/dev/platform.html"),
}


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.__name__)
def test_a_link_leads_to_the_console_of_its_partition(link, partition):
    region, console = PARTITIONS[partition]
    key, value, shown = LINKS[link]
    url = link().format_link(
        aws_domain=BaseAwsLink.get_aws_domain(partition),
        region_name=region,
        bucket="artifacts",
        **{key: value},
    )
    assert url.startswith(console)
    assert f"region={region}" in url
    assert url.endswith(shown)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.__name__)
def test_nothing_to_link_to_is_no_link(link):
    assert link().format_link(aws_domain="aws.amazon.com", region_name="us-east-1") == ""


def test_the_plugin_registers_every_link():
    registered = {type(link) for link in SageMakerEmrPlugin.operator_extra_links}
    links = (*livy.LINKS, *sagemaker.LINKS, *sagemaker_studio.LINKS)
    assert registered == {*LINKS, *map(type, links)}
