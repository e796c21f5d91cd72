"""Provisioning and terminating a product in each state that Service Catalog's and EMR's models list.

The product is played here by what AWS says of its states; the claim is kept in a scripted bucket.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagemaker_emr.exceptions import DeadlineExceeded, TerminationFailed, UnknownState
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.operators.test_service_catalog import (
    FIRST,
    GONE,
    SECOND,
    catalog,
    claims,
    cluster,
    product,
    provision_operator,
    record,
    terminate_operator,
)

__all__ = ["catalog", "claims"]

both = pytest.mark.parametrize("deferrable", [True, False])
each_product = pytest.mark.parametrize("status", aws_enums.PROVISIONED_PRODUCT)

NEW = ["TerminateProvisionedProduct", "ProvisionProduct"]
PROVISIONED_BY = {
    "AVAILABLE": [],
    "UNDER_CHANGE": [],
    "TAINTED": NEW,
    "ERROR": NEW,
    "PLAN_IN_PROGRESS": ["DeleteProvisionedProductPlan", "ProvisionProduct"],
}
TERMINATED_BY = {
    "AVAILABLE": ["TerminateProvisionedProduct"],
    "UNDER_CHANGE": ["TerminateProvisionedProduct"],
    "TAINTED": ["TerminateProvisionedProduct"],
    "ERROR": ["TerminateProvisionedProduct"],
    "PLAN_IN_PROGRESS": ["DeleteProvisionedProductPlan"],
}
CLUSTER_LIVES = {
    "STARTING": True,
    "BOOTSTRAPPING": True,
    "RUNNING": True,
    "WAITING": True,
    "TERMINATING": False,
    "TERMINATED": False,
    "TERMINATED_WITH_ERRORS": False,
}
PLAN = {"PlanName": "review", "PlanId": "plan-1", "ProvisionProductId": "pp-1"}


class Product:
    """The claimed product in a state, and its cluster; a change takes two looks."""

    def __init__(self, aws, claims, status, cluster_state="WAITING"):
        self.status, self.looks, self.last = status, 2, "PROVISION_PRODUCT"
        self.cluster = cluster_state
        self.asked = []
        self.termination = "SUCCEEDED"
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        aws.on("DescribeProvisionedProduct", self.describe)
        aws.on("DescribeRecord", self.describe_record)
        aws.on("DescribeCluster", lambda request: cluster(self.cluster, 60))
        aws.on("TerminateProvisionedProduct", self.terminate)
        aws.on("ListProvisionedProductPlans", lambda request: {"ProvisionedProductPlans": [PLAN]})
        aws.on("DeleteProvisionedProductPlan", self.delete_plan)
        aws.on("ProvisionProduct", self.provision)
        aws.on("SetTerminationProtection", {})
        aws.on("TerminateJobFlows", self.end_cluster)

    def describe(self, request):
        if request["Name"] != FIRST.product_name or self.status is None:
            return GONE
        if self.status == "UNDER_CHANGE":
            self.looks -= 1
            if self.looks < 0:
                self._change_ends()
                return self.describe(request)
        return product(self.status, LastRecordId="rec-2" if self.last.startswith("TERMINATE") else "rec-1")

    def _change_ends(self):
        if self.last == "PROVISION_PRODUCT":
            self.status = "AVAILABLE"
        elif self.termination == "SUCCEEDED":
            self.status, self.cluster = None, "TERMINATED"
        else:
            self.status = "TAINTED"

    def describe_record(self, request):
        if request["Id"] == "rec-1":
            going_on = self.status == "UNDER_CHANGE" and self.last == "PROVISION_PRODUCT"
            return record("IN_PROGRESS") if going_on else record("SUCCEEDED", outputs={"ClusterId": "j-1"})
        state = "IN_PROGRESS" if self.status == "UNDER_CHANGE" else self.termination
        denied = [{"Code": "AccessDenied", "Description": "not authorized: DeleteStack"}]
        return record(state, "rec-2", "TERMINATE_PROVISIONED_PRODUCT", RecordErrors=denied)

    def terminate(self, request):
        self.asked.append("TerminateProvisionedProduct")
        assert self.status not in ("UNDER_CHANGE", "PLAN_IN_PROGRESS"), "AWS takes no operation then"
        self.status, self.last, self.looks = "UNDER_CHANGE", "TERMINATE_PROVISIONED_PRODUCT", 2
        return record("CREATED", "rec-2", "TERMINATE_PROVISIONED_PRODUCT")

    def delete_plan(self, request):
        assert request["PlanId"] == PLAN["PlanId"]
        self.asked.append("DeleteProvisionedProductPlan")
        self.status, self.cluster = None, "TERMINATED"
        return {}

    def provision(self, request):
        self.asked.append("ProvisionProduct")
        return record("CREATED", "rec-3")

    def end_cluster(self, request):
        self.asked.append("TerminateJobFlows")
        self.cluster = "TERMINATED"
        return {}


@both
@each_product
def test_from_each_state_a_product_is_attached_to_or_provisioned_anew(
    status, deferrable, catalog, claims, run_task
):
    made = Product(catalog, claims, status)
    result = run_task(lambda: provision_operator(deferrable))
    assert made.asked == PROVISIONED_BY[status]
    attached = "ProvisionProduct" not in made.asked
    assert result["product_name"] == (FIRST if attached else SECOND).product_name
    assert result["record_id"] == ("rec-1" if attached else "rec-3")


@pytest.mark.parametrize("state", aws_enums.CLUSTER)
def test_a_product_that_is_up_is_kept_only_while_its_cluster_lives(state, catalog, claims, run_task):
    made = Product(catalog, claims, "AVAILABLE", state)
    run_task(provision_operator)
    assert made.asked == ([] if CLUSTER_LIVES[state] else NEW)


@both
@each_product
def test_from_each_state_a_product_is_terminated(status, deferrable, catalog, claims, run_task):
    made = Product(catalog, claims, status)
    result = run_task(lambda: terminate_operator(deferrable))
    assert made.asked == TERMINATED_BY[status]
    assert result == {"cluster_id": "j-1", "cluster_seconds": 60.0, "state": "TERMINATED"}
    assert claims.claim.state == "ended"


@pytest.mark.parametrize("state", aws_enums.CLUSTER)
def test_in_each_state_a_cluster_whose_product_is_gone_is_brought_to_its_end(
    state, catalog, claims, run_task
):
    made = Product(catalog, claims, None, state)
    if state == "TERMINATING":
        catalog.on("DescribeCluster", cluster(state), cluster("TERMINATED", 60))
    assert run_task(terminate_operator)["state"] in ("TERMINATED", "TERMINATED_WITH_ERRORS")
    assert made.asked == (["TerminateJobFlows"] if CLUSTER_LIVES[state] else [])


@pytest.mark.parametrize("status", aws_enums.RECORD)
def test_in_each_state_the_answer_to_the_request_is_followed(status, catalog, claims, run_task):
    """An ended record answers a token used before; its product is gone, so its name is not used again."""
    catalog.on("ProvisionProduct", record(status), record("CREATED", "rec-2"))
    result = run_task(provision_operator)
    ended = status in ("SUCCEEDED", "FAILED")
    assert result["product_name"] == (SECOND if ended else FIRST).product_name
    assert result["record_id"] == ("rec-2" if ended else "rec-1")


def test_a_token_whose_product_failed_and_is_still_there_does_not_leave_it_behind(catalog, claims, run_task):
    """The answer to the request was lost, and botocore's second request met the first one's failure."""
    made = Product(catalog, claims, "ERROR")
    claims.store(FIRST)
    seen = []

    def describe(request):
        seen.append(request["Name"])
        return GONE if len(seen) == 1 else made.describe(request)

    def provision(request):
        made.provision(request)
        first = request["ProvisionedProductName"] == FIRST.product_name
        return record("FAILED") if first else record("CREATED", "rec-3")

    catalog.on("DescribeProvisionedProduct", describe).on("ProvisionProduct", provision)
    catalog.on("ListRecordHistory", {"RecordDetails": [record("FAILED")["RecordDetail"]]})
    assert run_task(provision_operator)["product_name"] == SECOND.product_name
    assert made.asked == ["ProvisionProduct", "TerminateProvisionedProduct", "ProvisionProduct"]


def test_a_name_that_another_try_took_just_now_is_attached_to(catalog, claims, run_task):
    catalog.on("DescribeProvisionedProduct", GONE, product("UNDER_CHANGE"))
    catalog.on("ProvisionProduct", aws_error("DuplicateResourceException"))
    catalog.on("DescribeRecord", record("IN_PROGRESS"))
    catalog.on("ListRecordHistory", {"RecordDetails": [record("IN_PROGRESS")["RecordDetail"]]})
    assert run_task(provision_operator)["record_id"] == "rec-1"


def test_a_product_in_a_state_from_the_future_is_named(catalog, claims, run_task):
    Product(catalog, claims, "HIBERNATED")
    with pytest.raises(UnknownState, match="HIBERNATED"):
        run_task(provision_operator)


@both
def test_a_product_in_a_state_from_the_future_loses_its_cluster_all_the_same(
    deferrable, catalog, claims, run_task
):
    made = Product(catalog, claims, "HIBERNATED")
    with pytest.raises(UnknownState, match="HIBERNATED") as raised:
        run_task(lambda: terminate_operator(deferrable))
    assert "j-1 was told to terminate" in raised.value.next_step
    assert made.asked == ["TerminateJobFlows"]


@both
def test_a_termination_that_fails_is_asked_for_once_a_try(deferrable, catalog, claims, run_task):
    made = Product(catalog, claims, "AVAILABLE")
    made.termination = "FAILED"
    with pytest.raises(TerminationFailed, match="could not be terminated"):
        run_task(lambda: terminate_operator(deferrable))
    assert made.asked == ["TerminateProvisionedProduct", "TerminateJobFlows"]


def test_the_reason_of_a_failed_termination_is_told_also_where_the_cluster_can_not_be_reached(
    catalog, claims, run_task
):
    made = Product(catalog, claims, "AVAILABLE")
    made.termination = "FAILED"
    catalog.on("TerminateJobFlows", aws_error("AccessDeniedException", "not authorized: TerminateJobFlows"))
    with pytest.raises(TerminationFailed, match="could not be terminated") as raised:
        run_task(terminate_operator)
    assert "not authorized: DeleteStack" in raised.value.reason
    assert "may cost money" in raised.value.next_step
    assert "not authorized: TerminateJobFlows" in raised.value.next_step


@both
def test_a_teardown_that_runs_out_of_time_ends_the_cluster(deferrable, catalog, claims, run_task):
    made = Product(catalog, claims, "UNDER_CHANGE")
    made.looks = 10**6
    catalog.on("DescribeRecord", record("IN_PROGRESS", outputs={"ClusterId": "j-1"}))

    def operator():
        made_operator = terminate_operator(deferrable)
        made_operator.timeout_seconds = 0.1
        return made_operator

    with pytest.raises(DeadlineExceeded) as raised:
        run_task(operator)
    assert "j-1 was told to terminate" in raised.value.next_step
    assert made.asked == ["TerminateJobFlows"]


def test_a_cluster_that_has_ended_is_not_said_to_cost_money(catalog, claims, run_task):
    made = Product(catalog, claims, "AVAILABLE", "TERMINATED")
    made.termination = "FAILED"
    with pytest.raises(TerminationFailed) as raised:
        run_task(terminate_operator)
    assert "Its cluster j-1 is TERMINATED." in raised.value.next_step
    assert made.asked == ["TerminateProvisionedProduct"]
