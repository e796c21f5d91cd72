"""Every cluster of the catalog is seen and can be ended, whoever launched it.

On the embedded Service Catalog with a product that makes a bucket, which takes no cluster's time; and with
scripted answers where a cluster is needed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sagemaker_emr.catalog_clusters import catalog_clusters
from sagemaker_emr.exceptions import DeadlineExceeded, InvalidInput, UnknownState
from sagemaker_emr.operators.catalog_clusters import (
    ServiceCatalogListClustersOperator,
    ServiceCatalogTerminateClusterOperator,
)
from tests.local_aws.conftest import client, make_client
from tests.local_aws.sagemaker.test_projects import create, wait_while
from tests.local_aws.servicecatalog.conftest import bare_catalog, catalog, launch_role, template_url
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error

__all__ = ["bare_catalog", "catalog", "client", "launch_role", "make_client", "template_url"]

both = pytest.mark.parametrize("deferrable", [True, False])
PRODUCT = "prod-emr"
ENDED = {"cluster_id": None, "state": "NEVER_STARTED", "cluster_seconds": 0.0}


def product(name, tags, status="AVAILABLE", of=PRODUCT):
    return {
        "Name": name,
        "Id": f"pp-{name}",
        "Status": status,
        "ProductId": of,
        "CreatedTime": datetime.now(UTC) - timedelta(hours=3),
        "UserArn": "arn:aws:iam::123456789012:user/ana",
        "LastProvisioningRecordId": f"rec-{name}",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def script(aws, *products):
    aws.on("SearchProvisionedProducts", {"ProvisionedProducts": list(products)})
    aws.on(
        "DescribeRecord",
        lambda request: {
            "RecordDetail": {"RecordId": request["Id"], "Status": "SUCCEEDED"},
            "RecordOutputs": [{"OutputKey": "ClusterId", "OutputValue": "j-1"}],
        },
    )
    aws.on("DescribeCluster", {"Cluster": {"Id": "j-1", "Status": {"State": "WAITING"}}})


def test_each_cluster_tells_who_launched_it_its_age_and_its_state(aws):
    script(
        aws,
        product("from-studio", {"sagemaker:project-name": "churn"}),
        product(
            "ours", {"sagemaker-emr:dag": "train", "sagemaker-emr:run": "r1", "sagemaker-emr:owner": "me"}
        ),
        product("by-hand", {}),
        product("another", {}, of="prod-2"),
    )
    found = {cluster.product_name: cluster for cluster in catalog_clusters(PRODUCT, {"aws_conn_id": None})}
    assert set(found) == {"from-studio", "ours", "by-hand"}
    assert found["from-studio"].launched_by == "SageMaker project churn"
    assert found["ours"].launched_by == "Airflow train r1"
    assert (found["ours"].owner, found["by-hand"].owner) == ("me", "arn:aws:iam::123456789012:user/ana")
    assert {(cluster.cluster_id, cluster.cluster_state) for cluster in found.values()} == {("j-1", "WAITING")}
    assert {cluster.age_hours for cluster in found.values()} == {3.0}


def terminate(product_id, name, deferrable=True, **more):
    return ServiceCatalogTerminateClusterOperator(
        task_id="terminate",
        product_id=product_id,
        provisioned_product=name,
        deferrable=deferrable,
        aws_conn_id=None,
        **more,
    )


def test_a_product_of_another_catalog_is_not_ended(aws, run_task):
    script(aws, product("another", {}, of="prod-2"))
    with pytest.raises(InvalidInput, match=PRODUCT):
        run_task(lambda: terminate(PRODUCT, "another"))


@pytest.mark.local_aws
@both
def test_a_project_of_studio_is_listed_and_ended_with_its_product(run_task, local_aws, catalog, deferrable):
    sagemaker = local_aws("sagemaker")
    create(sagemaker, catalog)
    wait_while(sagemaker, "CreateInProgress")
    [listed] = run_task(
        lambda: ServiceCatalogListClustersOperator(
            task_id="list", product_id=catalog.product_id, aws_conn_id=None
        )
    )
    assert (listed["project"], listed["product_status"]) == ("churn", "AVAILABLE")

    def end():
        return terminate(catalog.product_id, listed["product_name"], deferrable)

    assert run_task(end) == ENDED
    assert sagemaker.describe_project(ProjectName="churn")["ProjectStatus"] == "DeleteCompleted"
    assert catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"] == []
    assert run_task(end) == ENDED


@pytest.mark.local_aws
def test_a_product_without_a_project_is_ended_too(run_task, local_aws, catalog):
    record = catalog.provision("by-hand", Purpose="logs")
    catalog.ended(record["RecordId"])
    assert run_task(lambda: terminate(catalog.product_id, "by-hand")) == ENDED
    assert catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"] == []


class Project:
    """A cluster's project in some state, which is gone once its deletion is asked for."""

    def __init__(self, aws, status):
        self.aws, self.status = aws, status
        script(aws, product("from-studio", {"sagemaker:project-name": "churn"}))
        aws.on("DescribeProject", self._describe)
        aws.on("DeleteProject", lambda request: setattr(self, "status", None) or {})
        aws.on("ListRecordHistory", {"RecordDetails": []})
        aws.on("DescribeProvisionedProduct", aws_error("ResourceNotFoundException"))

    def _describe(self, request):
        if self.status is None:
            return aws_error("ValidationException", "Project churn does not exist.")
        return {
            "ProjectArn": "arn:aws:sagemaker:us-east-1:123456789012:project/churn",
            "ProjectName": "churn",
            "ProjectId": "p-1",
            "ProjectStatus": self.status,
            "CreationTime": datetime.now(UTC),
        }


@pytest.mark.parametrize("status", [*aws_enums.PROJECT, None])
def test_from_each_state_a_project_is_deleted_or_waited_for_or_does_not_keep_its_cluster(
    run_task, aws, status
):
    Project(aws, status)
    if status == "Pending" or str(status).endswith("InProgress"):
        with pytest.raises(DeadlineExceeded, match="project churn") as late:
            run_task(lambda: terminate(PRODUCT, "from-studio", timeout_seconds=0.05))
        assert status in late.value.reason
        assert not aws.requests("DeleteProject")
        return
    assert run_task(lambda: terminate(PRODUCT, "from-studio")) == ENDED
    assert aws.requests("DescribeProvisionedProduct") == [{"Name": "from-studio"}]
    ended = status in ("DeleteFailed", "DeleteCompleted", None)
    assert len(aws.requests("DeleteProject")) == (0 if ended else 1)


def test_a_project_in_a_state_from_the_future_is_named_once_its_deletion_is_asked_for(run_task, aws):
    Project(aws, "Hibernated")
    with pytest.raises(UnknownState, match="Hibernated"):
        run_task(lambda: terminate(PRODUCT, "from-studio"))
    assert aws.requests("DeleteProject") == [{"ProjectName": "churn"}]
