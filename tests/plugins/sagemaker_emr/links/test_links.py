from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest
from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from airflow.sdk import BaseOperator

from sagemaker_emr import operators, sensors
from sagemaker_emr.links import livy, sagemaker, sagemaker_studio
from sagemaker_emr.links.cloud_formation import CloudFormationStackLink
from sagemaker_emr.links.emr import EmrClusterLink, EmrSparkUiLink
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
    EmrSparkUiLink: ("cluster_id", "j-1", "#/clusterDetails/j-1"),
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


MAKES = {
    "CloudFormationDeployStackOperator": {"CloudFormation stack"},
    "SageMakerDeployUserProfileOperator": {"CloudFormation stack"},
    "SageMakerDeployFirstUserProfileOperator": {"CloudFormation stack"},
    "ServiceCatalogProvisionProductOperator": {"Provisioned product"},
    "EmrClusterReadySensor": {"EMR cluster"},
    "SharedClusterReadySensor": {"EMR cluster"},
    "SharedClusterLendOperator": {"EMR cluster"},
    "LivyRunBatchOperator": {"Livy batch", "Spark UI (Applications)"},
    "SharedClusterRunBatchOperator": {"Livy batch", "Spark UI (Applications)"},
    "SageMakerTrainModelOperator": {"Training job", "CloudWatch log"},
    "SageMakerDeployEndpointOperator": {"Endpoint", "CloudWatch log"},
    "SageMakerOpenStudioOperator": {"Open Studio"},
    "CheckPlatformOperator": {"Report"},
    "ReportOrphansOperator": {"Report"},
}
"""What makes something that AWS has a page for, or brings it up, and the links to it."""

MAKES_NOTHING_WITH_A_PAGE = {
    *("AwsWaitingOperator", "AwsWaitSensor", "_LeaseHolder"),  # bases
    # They write documents of ours to S3: claims, leases, staged code, a notebook.
    *("ServiceCatalogClaimProductOperator", "S3StageFilesOperator", "SageMakerConnectNotebookOperator"),
    *("SharedClusterJoinOperator", "SharedClusterLeaveOperator", "SharedClusterSettleLeaseOperator"),
    # The model registry has pages in Studio alone, which no console address leads to.
    *("SageMakerRegisterModelOperator", "SageMakerEvaluateModelOperator"),
    "SageMakerEnableServiceCatalogPortfolioOperator",  # a switch of the account
    "RefuseUnapprovedOperator",  # it only fails
    # They look, or wait for what others made.
    *("PlatformPlanOperator", "CloudFormationReadOutputsOperator", "ServiceCatalogListClustersOperator"),
    *("SageMakerListStudioOperator", "SageMakerSmokeTestEndpointOperator", "FindOrphanedClustersOperator"),
    *("S3PartitionCompleteSensor", "LivyBatchFinishedSensor", "ServiceCatalogRecordSucceededSensor"),
    *("EmrClusterTerminatedSensor", "ReportLeftoversOperator"),
    # They end things.
    *("ServiceCatalogTerminateProductOperator", "ServiceCatalogTerminateClusterOperator"),
    *("EndOrphanOperator", "EndLeftoversOperator", "SageMakerStopTrainingJobOperator"),
    *("CloudFormationDeleteStackOperator", "CloudFormationDeleteStacksOperator", "DeleteBucketsOperator"),
    *("SageMakerDeleteUserProfileOperator", "SageMakerEmptyDomainOperator", "SageMakerDeleteSpacesOperator"),
    *("SageMakerRemoveDomainLeftoversOperator", "RevokeRulesOfEmrOperator"),
    *("ServiceCatalogEndProductsOperator", "SageMakerDeleteEndpointsOperator"),
}


def operator_classes():
    """Every operator and sensor of the package, by name."""
    found = {}
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(import_module(module.name)).items():
                ours = inspect.isclass(value) and value.__module__ == module.name
                if ours and issubclass(value, BaseOperator):
                    found[name] = value
    return found


def test_every_operator_that_makes_something_names_its_link():
    found = operator_classes()
    assert set(found) == {*MAKES, *MAKES_NOTHING_WITH_A_PAGE}
    for name, links in MAKES.items():
        assert {link.name for link in found[name].operator_extra_links} == links, name


def test_every_link_of_an_operator_is_registered():
    registered = {type(link) for link in SageMakerEmrPlugin.operator_extra_links}
    used = {type(link) for cls in operator_classes().values() for link in cls.operator_extra_links}
    assert used <= registered
