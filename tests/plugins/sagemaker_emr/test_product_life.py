"""A product's whole life on the embedded Service Catalog: claimed, requested, terminated, and once more.

The product makes a bucket, which takes no cluster's time; clusters are in ``tests/system``.
"""

from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import CatalogMisconfigured, ProvisioningFailed, TerminationFailed
from sagemaker_emr.operators.service_catalog import (
    NEVER_STARTED,
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from sagemaker_emr.sensors.service_catalog import ServiceCatalogRecordSucceededSensor
from tests.local_aws.conftest import client, make_client
from tests.local_aws.servicecatalog.conftest import (
    allow_launch,
    bare_catalog,
    catalog,
    launch_role,
    template_url,
)

__all__ = ["bare_catalog", "catalog", "client", "launch_role", "make_client", "template_url"]

pytestmark = pytest.mark.local_aws

both = pytest.mark.parametrize("deferrable", [True, False])
RUN = {"environment": "dev", "bucket": "artifacts", "aws_conn_id": None}


class Life:
    """The tasks of one product's life."""

    def __init__(self, run_task, product_id, deferrable):
        self.run_task, self.product_id = run_task, product_id
        self.waiting = {"aws_conn_id": None, "deferrable": deferrable}

    def claim(self):
        return self.run_task(lambda: ServiceCatalogClaimProductOperator(task_id="claim", **RUN))

    def request(self, purpose="logs"):
        return self.run_task(
            lambda: ServiceCatalogProvisionProductOperator(
                task_id="request",
                product_id=self.product_id,
                parameters={"Purpose": purpose},
                **{**RUN, **self.waiting},
            )
        )

    def wait(self, record_id):
        return self.run_task(
            lambda: ServiceCatalogRecordSucceededSensor(
                task_id="wait", record_id=record_id, timeout=60, **self.waiting
            )
        )

    def terminate(self):
        return self.run_task(
            lambda: ServiceCatalogTerminateProductOperator(
                task_id="terminate", timeout_seconds=60, **{**RUN, **self.waiting}
            )
        )


@pytest.fixture
def life(client, endpoint_url, monkeypatch, run_task):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    client("s3").create_bucket(Bucket="artifacts")

    def make(catalog, deferrable=False):
        return Life(run_task, catalog.product_id, deferrable)

    return make


def buckets(client):
    return {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}


@both
def test_from_claim_to_teardown_and_again(deferrable, life, catalog, client):
    run = life(catalog, deferrable)
    assert run.claim()["generation"] == 1
    requested = run.request()
    assert run.wait(requested["record_id"])["outputs"]["BucketName"] == "catalog-logs-123456789012"
    assert run.request() != requested, "up, but without a cluster that lives: replaced"

    assert run.terminate()["state"] == NEVER_STARTED
    assert "catalog-logs-123456789012" not in buckets(client)
    assert run.terminate()["state"] == NEVER_STARTED, "nothing to do is success"

    cleared = run.claim()
    assert (cleared["generation"], cleared["state"]) == (2, "ended"), "clearing any task claims again"
    assert run.request()["generation"] == 3
    run.terminate()
    ended = run.claim()
    assert [item["state"] for item in ended["predecessors"]] == ["ended", "ended"], (
        "the end of each is proven"
    )
    assert all(item["record_id"] for item in ended["predecessors"])


@both
def test_a_teardown_right_after_the_request_waits_until_it_can(deferrable, life, catalog, client):
    run = life(catalog, deferrable)
    run.claim()
    requested = run.request()
    run.terminate()
    found = client("servicecatalog").search_provisioned_products()["ProvisionedProducts"]
    assert requested["product_name"] not in {product["Name"] for product in found}
    assert "catalog-logs-123456789012" not in buckets(client)


def test_a_product_that_failed_is_replaced_by_the_next_request(life, catalog, client):
    client("iam").delete_role_policy(RoleName="LaunchRole", PolicyName="launch")
    run = life(catalog)
    run.claim()
    failed = run.request()
    with pytest.raises(ProvisioningFailed) as raised:
        run.wait(failed["record_id"])
    assert "not authorized to perform: cloudformation:CreateStack" in raised.value.reason
    allow_launch(client("iam"))
    second = run.request("data")
    assert second["generation"] == 2
    run.wait(second["record_id"])
    run.terminate()


def test_who_is_no_principal_is_told_so(life, bare_catalog):
    with pytest.raises(CatalogMisconfigured, match="may not launch product") as raised:
        life(bare_catalog).request()
    assert "principal of none" in raised.value.reason


def test_a_product_that_does_not_exist_is_named(life, bare_catalog):
    bare_catalog.product_id = "prod-doesnotexist"
    with pytest.raises(CatalogMisconfigured, match="prod-doesnotexist does not exist"):
        life(bare_catalog).request()


def product_status(client, name):
    described = client("servicecatalog").describe_provisioned_product(Name=name)
    return described["ProvisionedProductDetail"]["Status"]


@both
def test_a_tainted_product_is_terminated_and_provisioned_anew(deferrable, life, catalog, client):
    """Somebody updated it to what can't be, and its stack rolled back."""
    run = life(catalog, deferrable)
    run.claim()
    first = run.request()
    run.wait(first["record_id"])
    update = client("servicecatalog").update_provisioned_product(
        ProvisionedProductName=first["product_name"],
        ProvisioningParameters=[
            {"Key": "Purpose", "UsePreviousValue": True},
            {"Key": "Versioning", "Value": "Sometimes"},
        ],
        UpdateToken="update",
    )
    catalog.ended(update["RecordDetail"]["RecordId"])
    assert product_status(client, first["product_name"]) == "TAINTED"
    second = run.request("data")
    assert second["generation"] == 2
    assert run.wait(second["record_id"])["outputs"]["BucketName"] == "catalog-data-123456789012"
    run.terminate()
    assert not {name for name in buckets(client) if name.startswith(("catalog-data", "catalog-logs"))}


def test_a_termination_that_failed_is_told_and_succeeds_once_its_cause_is_gone(life, catalog, client):
    run = life(catalog)
    run.claim()
    requested = run.request()
    run.wait(requested["record_id"])
    held = {"Bucket": "catalog-logs-123456789012", "Key": "kept"}
    client("s3").put_object(**held, Body=b"1")
    with pytest.raises(TerminationFailed, match="could not be terminated") as raised:
        run.terminate()
    assert "DELETE_FAILED" in raised.value.reason
    assert product_status(client, requested["product_name"]) == "TAINTED"
    client("s3").delete_object(**held)
    assert run.terminate()["state"] == NEVER_STARTED
