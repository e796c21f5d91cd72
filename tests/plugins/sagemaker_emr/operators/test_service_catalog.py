"""The life of a cluster, against scripted answers; claims are kept in a scripted bucket."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from sagemaker_emr.claims import Claim, Generation
from sagemaker_emr.exceptions import (
    BudgetExceeded,
    CatalogMisconfigured,
    InvalidInput,
    ResourceConflict,
    TerminationFailed,
)
from sagemaker_emr.operators import service_catalog_termination
from sagemaker_emr.operators.service_catalog import (
    NEVER_STARTED,
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from tests.airflow_names import AirflowFailException
from tests.plugins.sagemaker_emr.conftest import DAG_ID, RUN_ID, aws_error

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Claim("dev", DAG_ID, RUN_ID)
SECOND = FIRST.next_generation()
CONNECTION = {"aws_conn_id": None}
GONE = aws_error("ResourceNotFoundException", "Provisioned Product not found")

both = pytest.mark.parametrize("deferrable", [True, False])


class Bucket:
    """One claim in S3, with conditional writes."""

    def __init__(self, aws):
        self.body: bytes | None = None
        aws.on("GetObject", self.get)
        aws.on("PutObject", self.put)

    @property
    def etag(self):
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'

    def get(self, request):
        if self.body is None:
            return aws_error("NoSuchKey", status=404)
        return {"Body": io.BytesIO(self.body), "ETag": self.etag}

    def put(self, request):
        absent = "IfNoneMatch" in request and self.body is not None
        if absent or ("IfMatch" in request and request["IfMatch"] != self.etag):
            return aws_error("PreconditionFailed", status=412)
        self.body = request["Body"]
        return {"ETag": self.etag}

    def store(self, claim):
        self.body = json.dumps(claim.to_json()).encode()

    @property
    def claim(self):
        return Claim.from_json(json.loads(self.body), self.etag)


@pytest.fixture
def claims(aws):
    return Bucket(aws)


def product(status, name=FIRST.product_name, **kwargs):
    detail = {
        "Name": name,
        "Id": "pp-1",
        "Status": status,
        "LastRecordId": "rec-last",
        "LastProvisioningRecordId": "rec-last",
        **kwargs,
    }
    return {"ProvisionedProductDetail": detail}


def record(status, record_id="rec-1", kind="PROVISION_PRODUCT", outputs=None, **kwargs):
    detail = {
        "RecordId": record_id,
        "Status": status,
        "RecordType": kind,
        "ProvisionedProductId": "pp-1",
        "ProvisionedProductName": FIRST.product_name,
        "CreatedTime": WHEN,
        **kwargs,
    }
    if outputs is None:
        return {"RecordDetail": detail}
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {"RecordDetail": detail, "RecordOutputs": listed}


def cluster(state, seconds=None):
    timeline = {"CreationDateTime": WHEN}
    if seconds is not None:
        timeline["EndDateTime"] = WHEN + timedelta(seconds=seconds)
    return {"Cluster": {"Id": "j-1", "Status": {"State": state, "Timeline": timeline}}}


SUCCEEDED = record("SUCCEEDED", outputs={"ClusterId": "j-1"})


class TestClaim:
    def claim(self, run_task):
        return run_task(
            lambda: ServiceCatalogClaimProductOperator(
                task_id="claim", environment="dev", bucket="artifacts", **CONNECTION
            )
        )

    def test_a_claim_names_the_product_and_creates_nothing(self, aws, claims, run_task):
        claimed = self.claim(run_task)
        assert claimed["product_name"] == FIRST.product_name
        assert (claimed["generation"], claimed["state"]) == (1, "claimed")
        assert {operation for operation, _ in aws.calls} == {"GetObject", "PutObject"}

    def test_a_retry_attaches_to_its_own_claim(self, aws, claims, run_task):
        assert self.claim(run_task) == self.claim(run_task)
        assert len(aws.requests("PutObject")) == 1

    def test_a_retry_leaves_the_claim_on_a_living_product_alone(self, aws, claims, run_task):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        aws.on("DescribeProvisionedProduct", product("UNDER_CHANGE"))
        assert self.claim(run_task)["generation"] == 1

    @pytest.mark.parametrize("state", ["ended", "requested", "requesting"])
    def test_clearing_a_task_behind_it_does_not_lose_the_cluster_there_was(
        self, state, aws, claims, run_task
    ):
        known = replace(FIRST, state=state, record_id="rec-1", cluster_id="j-1", cluster_seconds=60.0)
        claims.store(known)
        assert self.claim(run_task)["generation"] == 1
        assert claims.claim == known


FORM = {"master_instance_type": "m5.xlarge", "core_instance_type": "m5.xlarge", "core_instance_count": 2}


class TestBudget:
    """A cluster of this form costs 0.755 USD an hour, and its estimate is 0.3775."""

    def claim(self, run_task, context, budget_usd, **kwargs):
        context["params"] = {**FORM, "budget_usd": budget_usd}
        return run_task(
            lambda: ServiceCatalogClaimProductOperator(
                task_id="claim", environment="dev", bucket="artifacts", **CONNECTION, **kwargs
            )
        )

    def test_a_run_that_costs_more_than_its_budget_claims_nothing(self, aws, claims, run_task, context):
        with pytest.raises(BudgetExceeded, match=r"would cost 0\.38 USD, and its budget is 0\.30"):
            self.claim(run_task, context, 0.30)
        assert aws.requests("PutObject") == []

    def test_a_run_within_its_budget_claims_and_tells_when_it_is_used_up(
        self, aws, claims, run_task, context
    ):
        assert self.claim(run_task, context, 1)["state"] == "claimed"
        assert "budget 1.00 USD, spent 0.00" in context["ti"].xcom["budget"]["sums"]

    def test_what_the_runs_clusters_cost_before_counts(self, aws, claims, run_task, context):
        claims.store(replace(FIRST, state="ended", cluster_id="j-1", cluster_seconds=3600.0))
        with pytest.raises(BudgetExceeded, match=r"spent 0\.76"):
            self.claim(run_task, context, 1)

    def test_so_does_what_other_runs_spent_of_it(self, aws, claims, run_task, context):
        other = replace(FIRST, run_id="another", state="ended", cluster_id="j-1", cluster_seconds=3600.0)
        body = json.dumps(other.to_json()).encode()
        own = claims.get
        keys = []

        def get(request):
            keys.append(request["Key"])
            return own(request) if len(set(keys)) == 1 else {"Body": io.BytesIO(body), "ETag": '"x"'}

        aws.on("GetObject", get)
        with pytest.raises(BudgetExceeded, match=r"spent 0\.76"):
            self.claim(run_task, context, 1, budget_shared_with=["another"])

    def test_a_cluster_that_may_live_keeps_its_teardown(self, aws, claims, run_task, context):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        aws.on("DescribeRecord", SUCCEEDED)
        aws.on("DescribeCluster", cluster("RUNNING"))
        assert self.claim(run_task, context, 0.30)["state"] == "requested"
        assert context["ti"].xcom["budget"]["at"] < datetime.now(UTC).timestamp()

    def test_no_cluster_is_requested_once_the_budget_is_used_up(self, catalog, claims, run_task, context):
        context["ti"].xcom_pull = lambda task_ids, key: {"at": 1.0, "sums": "budget 1.00 USD"}
        with pytest.raises(BudgetExceeded, match=r"budget 1\.00 USD"):
            run_task(lambda: provision_operator(budget_from="claim"))
        assert catalog.requests("ProvisionProduct") == []
        assert claims.claim == FIRST


@pytest.fixture
def catalog(aws, claims):
    """A catalog in good order, a claim on a product, and no product yet."""
    claims.store(FIRST)
    constraint = {"Type": "LAUNCH", "Description": "role"}
    paths = [
        {"Id": "lpv3-other", "ConstraintSummaries": []},
        {"Id": "lpv3-1", "ConstraintSummaries": [constraint]},
    ]
    aws.on("ListLaunchPaths", {"LaunchPathSummaries": paths})
    artifacts = [
        {"Id": "pa-old", "CreatedTime": WHEN, "Active": True},
        {"Id": "pa-new", "CreatedTime": WHEN + timedelta(days=1), "Active": True},
        {"Id": "pa-off", "CreatedTime": WHEN + timedelta(days=2), "Active": False},
    ]
    aws.on("ListProvisioningArtifacts", {"ProvisioningArtifactDetails": artifacts})
    aws.on("DescribeProvisionedProduct", GONE)
    takes = [{"ParameterKey": key} for key in ("EmrRelease", "CoreInstanceCount")]
    aws.on("DescribeProvisioningParameters", {"ProvisioningArtifactParameters": takes})
    aws.on("ProvisionProduct", record("CREATED"))
    return aws


PARAMETERS = {"CoreInstanceCount": 2, "EmrRelease": "emr-7.8.0", "Owner": None}


def provision_operator(deferrable=False, **kwargs):
    return ServiceCatalogProvisionProductOperator(
        task_id="request",
        environment="dev",
        bucket="artifacts",
        product_id="prod-1",
        deferrable=deferrable,
        **{"parameters": PARAMETERS, **CONNECTION, **kwargs},
    )


class TestProvision:
    def test_the_claimed_product_is_requested_and_not_waited_for(self, catalog, claims, run_task):
        result = run_task(provision_operator)
        assert result == {"record_id": "rec-1", "product_name": FIRST.product_name, "generation": 1}
        (request,) = catalog.requests("ProvisionProduct")
        assert request["ProvisionedProductName"] == request["ProvisionToken"] == FIRST.product_name
        assert (request["PathId"], request["ProvisioningArtifactId"]) == ("lpv3-1", "pa-new")
        assert request["ProvisioningParameters"] == [
            {"Key": "CoreInstanceCount", "Value": "2"},
            {"Key": "EmrRelease", "Value": "emr-7.8.0"},
        ]
        assert {tag["Key"] for tag in request["Tags"]} == {
            "sagemaker-emr:environment",
            "sagemaker-emr:owner",
            "sagemaker-emr:dag",
            "sagemaker-emr:run",
        }
        assert (claims.claim.state, claims.claim.record_id) == ("requested", "rec-1")

    @pytest.mark.parametrize("known", [True, False], ids=["claim updated", "killed before"])
    def test_a_retry_attaches_to_the_request_in_flight(self, known, catalog, claims, run_task):
        claims.store(replace(FIRST, state="requested", record_id="rec-1") if known else FIRST)
        catalog.on("DescribeProvisionedProduct", product("UNDER_CHANGE"))
        catalog.on("DescribeRecord", record("IN_PROGRESS"))
        history = [record("IN_PROGRESS")["RecordDetail"]]
        catalog.on("ListRecordHistory", {"RecordDetails": history})
        assert run_task(provision_operator)["record_id"] == "rec-1"
        assert catalog.requests("ProvisionProduct") == []
        assert claims.claim.record_id == "rec-1"

    def test_a_product_whose_cluster_lives_is_attached_to(self, catalog, claims, run_task):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        catalog.on("DescribeProvisionedProduct", product("AVAILABLE"))
        catalog.on("DescribeRecord", SUCCEEDED)
        catalog.on("DescribeCluster", cluster("WAITING"))
        assert run_task(provision_operator)["generation"] == 1
        assert catalog.requests("ProvisionProduct") == []

    @both
    @pytest.mark.parametrize("status", ["ERROR", "TAINTED", "AVAILABLE"])
    def test_a_dead_predecessor_is_terminated_before_its_successor_is_requested(
        self, status, deferrable, catalog, claims, run_task
    ):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        catalog.on(
            "DescribeProvisionedProduct",
            product(status),
            product(status),
            product("UNDER_CHANGE"),
            GONE,
        )
        catalog.on("DescribeRecord", SUCCEEDED)
        catalog.on("DescribeCluster", cluster("TERMINATED", 60))
        catalog.on("TerminateProvisionedProduct", record("CREATED", "rec-2"))
        result = run_task(lambda: provision_operator(deferrable))
        assert result["product_name"] == SECOND.product_name
        operations = [name for name, _ in catalog.calls]
        assert operations.index("TerminateProvisionedProduct") < operations.index("ProvisionProduct")
        assert len(catalog.requests("TerminateProvisionedProduct")) == 1
        assert (claims.claim.generation, claims.claim.state) == (2, "requested")

    def test_a_successor_keeps_what_is_known_of_its_predecessors(self, catalog, claims, run_task):
        ended = replace(FIRST, state="ended", record_id="rec-0", cluster_id="j-0", cluster_seconds=60.0)
        claims.store(ended)
        assert run_task(provision_operator)["product_name"] == SECOND.product_name
        assert claims.claim.predecessors == (Generation(1, "ended", "rec-0", "j-0", 60.0),)
        assert (claims.claim.state, claims.claim.record_id) == ("requested", "rec-1")

    def test_that_the_request_may_have_been_sent_is_noted_before_it_is(self, catalog, claims, run_task):
        states = []

        def answer(request):
            states.append(claims.claim.state)
            raise ConnectTimeoutError(endpoint_url="https://servicecatalog")

        catalog.on("ProvisionProduct", answer)
        with pytest.raises(ConnectTimeoutError):
            run_task(provision_operator)
        assert states == ["requesting"]
        assert claims.claim.state == "requesting", "its answer was lost: the product may come yet"

    def test_a_lost_answer_is_asked_for_again_under_the_same_name(self, catalog, claims, run_task):
        claims.store(replace(FIRST, state="requesting"))
        assert run_task(provision_operator)["product_name"] == FIRST.product_name
        (request,) = catalog.requests("ProvisionProduct")
        assert request["ProvisionToken"] == FIRST.product_name

    def test_a_refused_request_is_known_not_to_have_come(self, catalog, claims, run_task):
        catalog.on("ProvisionProduct", aws_error("AccessDeniedException"))
        with pytest.raises(ClientError):
            run_task(provision_operator)
        assert claims.claim.state == "claimed"

    def test_a_request_that_goes_on_though_its_product_does_not_show_is_attached_to(
        self, catalog, claims, run_task
    ):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        catalog.on("DescribeRecord", record("IN_PROGRESS"))
        assert run_task(provision_operator)["record_id"] == "rec-1"
        assert catalog.requests("ProvisionProduct") == []
        assert claims.claim.generation == 1

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({}, {"ClusterName": FIRST.product_name, "Owner": "data_team"}),
            ({"ClusterName": "mine", "Owner": "me"}, {"ClusterName": "mine", "Owner": "me"}),
        ],
        ids=["by default", "unless given"],
    )
    def test_the_cluster_is_named_and_owned_where_the_template_takes_it(self, given, sent, catalog, context):
        takes = [{"ParameterKey": key} for key in ("ClusterName", "Owner", "EmrRelease")]
        catalog.on("DescribeProvisioningParameters", {"ProvisioningArtifactParameters": takes})
        provision_operator(owner="data_team", parameters=given).execute(context)
        (request,) = catalog.requests("ProvisionProduct")
        assert {item["Key"]: item["Value"] for item in request["ProvisioningParameters"]} == sent

    def test_a_predecessor_being_terminated_is_waited_for(self, catalog, claims, run_task):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        catalog.on("DescribeProvisionedProduct", *[product("UNDER_CHANGE")] * 2, GONE)
        catalog.on("DescribeRecord", record("IN_PROGRESS", kind="TERMINATE_PROVISIONED_PRODUCT"))
        assert run_task(provision_operator)["generation"] == 2
        assert catalog.requests("TerminateProvisionedProduct") == []

    def test_a_name_used_before_is_not_used_again(self, catalog, claims, run_task):
        """Killed after the request, before the claim knew; the product has ended since."""
        catalog.on("ProvisionProduct", record("SUCCEEDED"), record("CREATED", "rec-2"))
        assert run_task(provision_operator)["product_name"] == SECOND.product_name
        assert claims.claim.record_id == "rec-2"
        assert claims.claim.of(1).record_id == "rec-1", "the teardown finds its cluster by it"

    def test_a_name_taken_by_what_can_not_be_seen_is_a_conflict(self, catalog, run_task):
        catalog.on(
            "ProvisionProduct", aws_error("InvalidParametersException", "A stack named x already exists.")
        )
        with pytest.raises(ResourceConflict, match=FIRST.product_name):
            run_task(provision_operator)

    def test_a_refused_parameter_is_bad_input(self, catalog, claims, run_task):
        catalog.on("ProvisionProduct", aws_error("InvalidParametersException", "Parameter Foo unknown"))
        with pytest.raises(InvalidInput, match="refused") as raised:
            run_task(provision_operator)
        assert "Parameter Foo unknown" in raised.value.reason
        assert claims.claim.state == "claimed"

    def test_being_killed_ends_the_requested_product(self, catalog, context):
        operator = provision_operator()
        operator.execute(context)
        catalog.on("DescribeProvisionedProduct", product("AVAILABLE"))
        catalog.on("TerminateProvisionedProduct", record("CREATED", "rec-2"))
        operator.on_kill()
        assert len(catalog.requests("TerminateProvisionedProduct")) == 1

    def test_being_killed_while_the_product_changes_leaves_it_to_the_teardown(self, catalog, context, capsys):
        operator = provision_operator()
        operator.execute(context)
        catalog.on("DescribeProvisionedProduct", product("UNDER_CHANGE"))
        catalog.on("TerminateProvisionedProduct", aws_error("ValidationException", "UNDER_CHANGE"))
        operator.on_kill()
        assert "left to the teardown" in capsys.readouterr().out

    def test_the_provisioned_product_is_linked(self, catalog, context):
        provision_operator().execute(context)
        link = context["ti"].xcom["servicecatalog_provisioned_product"]
        assert link["provisioned_product_id"] == "pp-1"


class TestMisconfiguredCatalog:
    NO_PATH = aws_error("ResourceNotFoundException", "No launch paths found for resource: prod-1")
    PORTFOLIO = {"PortfolioDetails": [{"Id": "port-1"}]}  # noqa: RUF012

    def failure(self, run_task, **kwargs):
        with pytest.raises(CatalogMisconfigured) as raised:
            run_task(lambda: provision_operator(**kwargs))
        assert raised.value.next_step
        return raised.value

    def test_a_missing_product_is_named(self, catalog, run_task):
        catalog.on("ListLaunchPaths", self.NO_PATH)
        catalog.on("DescribeProductAsAdmin", aws_error("ResourceNotFoundException"))
        failure = self.failure(run_task)
        assert failure.what == "Product prod-1 does not exist"
        assert "No launch paths found" in failure.reason

    def test_a_product_in_no_portfolio_is_named(self, catalog, run_task):
        catalog.on("ListLaunchPaths", self.NO_PATH)
        catalog.on("DescribeProductAsAdmin", {})
        catalog.on("ListPortfoliosForProduct", {"PortfolioDetails": []})
        assert "is in no portfolio" in self.failure(run_task).what

    def test_a_caller_who_is_no_principal_is_named(self, catalog, run_task):
        caller = "arn:aws:iam::123456789012:user/airflow"
        catalog.on("ListLaunchPaths", {"LaunchPathSummaries": []})
        catalog.on("DescribeProductAsAdmin", {})
        catalog.on("ListPortfoliosForProduct", self.PORTFOLIO)
        catalog.on(
            "ListPrincipalsForPortfolio", {"Principals": [{"PrincipalARN": "arn:aws:iam::1:role/other"}]}
        )
        catalog.on("GetCallerIdentity", {"Arn": caller})
        failure = self.failure(run_task)
        assert failure.what == f"{caller} may not launch product prod-1"
        assert "principal of none" in failure.reason

    def test_all_causes_are_named_where_a_closer_look_is_refused(self, catalog, run_task):
        catalog.on("ListLaunchPaths", self.NO_PATH)
        catalog.on("DescribeProductAsAdmin", aws_error("AccessDeniedException"))
        failure = self.failure(run_task)
        assert "no launch path" in failure.what
        for cause in ("missing", "no portfolio", "no principal", "AccessDeniedException"):
            assert cause in failure.next_step

    def test_a_missing_launch_constraint_is_named(self, catalog, run_task):
        catalog.on("ListLaunchPaths", {"LaunchPathSummaries": [{"Id": "lpv3-1", "ConstraintSummaries": []}]})
        assert "no LAUNCH constraint" in self.failure(run_task).what

    @pytest.mark.parametrize("artifact", ["pa-off", "pa-none"])
    def test_a_version_that_can_not_be_launched_is_named(self, artifact, catalog, run_task):
        failure = self.failure(run_task, provisioning_artifact_id=artifact)
        assert artifact in failure.what
        assert "pa-old, pa-new" in failure.reason

    def test_nothing_is_requested_from_a_broken_catalog(self, catalog, run_task):
        self.failure(run_task, provisioning_artifact_id="pa-none")
        assert catalog.requests("ProvisionProduct") == []


def terminate_operator(deferrable=False, bucket="artifacts", **kwargs):
    return ServiceCatalogTerminateProductOperator(
        task_id="terminate",
        environment="dev",
        bucket=bucket,
        deferrable=deferrable,
        timeout_seconds=10,
        **CONNECTION,
        **kwargs,
    )


class TestTerminate:
    @pytest.fixture
    def requested(self, aws, claims):
        claims.store(replace(FIRST, state="requested", record_id="rec-1"))
        aws.on("TerminateProvisionedProduct", record("CREATED", "rec-2"))
        aws.on("DescribeRecord", SUCCEEDED)
        aws.on("DescribeCluster", cluster("TERMINATED", 754.0))
        return aws

    @both
    def test_terminate_waits_until_product_and_cluster_are_gone(
        self, deferrable, requested, claims, run_task
    ):
        requested.on(
            "DescribeProvisionedProduct",
            *[product("AVAILABLE")] * 2,
            *[product("UNDER_CHANGE")] * 2,
            GONE,
        )
        requested.on("DescribeCluster", cluster("TERMINATING"), cluster("TERMINATED", 754.0))
        result = run_task(lambda: terminate_operator(deferrable))
        assert result == {"cluster_id": "j-1", "cluster_seconds": 754.0, "state": "TERMINATED"}
        assert len(requested.requests("TerminateProvisionedProduct")) == 1
        assert requested.requests("TerminateJobFlows") == []
        ended = claims.claim
        assert (ended.state, ended.cluster_id, ended.cluster_seconds) == ("ended", "j-1", 754.0)

    @both
    def test_a_product_still_coming_up_is_waited_for(self, deferrable, requested, run_task):
        requested.on(
            "DescribeProvisionedProduct",
            *[product("UNDER_CHANGE")] * 3,
            product("AVAILABLE"),
            product("UNDER_CHANGE"),
            GONE,
        )
        assert run_task(lambda: terminate_operator(deferrable))["state"] == "TERMINATED"
        operations = [name for name, _ in requested.calls if name.endswith("ProvisionedProduct")]
        assert operations.index("TerminateProvisionedProduct") == 4, "asked only once it was AVAILABLE"

    @pytest.mark.parametrize("status", ["ERROR", "TAINTED"])
    def test_a_failed_product_is_terminated_too(self, status, requested, run_task):
        requested.on("DescribeProvisionedProduct", *[product(status)] * 2, product("UNDER_CHANGE"), GONE)
        requested.on("DescribeCluster", cluster("TERMINATED_WITH_ERRORS", 61.0))
        assert run_task(terminate_operator)["state"] == "TERMINATED_WITH_ERRORS"

    def test_the_second_call_still_proves_that_the_cluster_has_ended(self, requested, claims, run_task):
        claims.store(
            replace(FIRST, state="ended", record_id="rec-1", cluster_id="j-1", cluster_seconds=754.0)
        )
        requested.on("DescribeProvisionedProduct", GONE)
        assert run_task(terminate_operator)["state"] == "TERMINATED"
        assert [name for name, _ in requested.calls if name != "GetObject"] == [
            "DescribeProvisionedProduct",
            "DescribeCluster",
        ]

    def test_the_cluster_is_found_when_the_product_went_without_us(self, requested, run_task):
        requested.on("DescribeProvisionedProduct", GONE)
        assert run_task(terminate_operator)["cluster_id"] == "j-1"

    def test_a_cluster_that_outlived_its_product_is_terminated(self, requested, run_task):
        requested.on("DescribeProvisionedProduct", GONE)
        requested.on("DescribeCluster", cluster("WAITING"), cluster("TERMINATED", 99.0))
        requested.on("SetTerminationProtection", {})
        requested.on("TerminateJobFlows", {})
        assert run_task(terminate_operator)["state"] == "TERMINATED"
        assert requested.requests("TerminateJobFlows") == [{"JobFlowIds": ["j-1"]}]

    def test_a_claim_that_was_never_followed_by_a_request_is_fine(self, aws, claims, run_task):
        claims.store(FIRST)
        aws.on("DescribeProvisionedProduct", GONE)
        result = run_task(terminate_operator)
        assert result == {"cluster_id": None, "cluster_seconds": 0.0, "state": NEVER_STARTED}
        assert claims.claim.state == "ended"

    @pytest.mark.parametrize("bucket", [None, ""])
    def test_without_a_bucket_of_claims_the_first_generation_is_looked_for(
        self, bucket, aws, claims, run_task
    ):
        aws.on("DescribeProvisionedProduct", GONE)
        assert run_task(lambda: terminate_operator(bucket=bucket))["state"] == NEVER_STARTED
        assert aws.requests("DescribeProvisionedProduct") == [{"Name": FIRST.product_name}]
        assert aws.requests("PutObject") == []

    def test_a_claim_that_was_lost_is_rebuilt_from_the_records_of_its_products(
        self, requested, claims, run_task
    ):
        """A bucket that was emptied: the living product is that of the second generation."""
        claims.body = None
        others = record("SUCCEEDED", "rec-x", ProvisionedProductName="somebody-elses-1")
        first, second = (
            record("SUCCEEDED", f"rec-{n}", ProvisionedProductName=FIRST.product_name_of(n)) for n in (1, 2)
        )
        history = [each["RecordDetail"] for each in (second, others, first)]
        requested.on("ListRecordHistory", {"RecordDetails": history})
        living = {SECOND.product_name: [product("AVAILABLE", SECOND.product_name)] * 2}

        def describe(request):
            answers = living.get(request["Name"])
            return answers.pop() if answers else GONE

        requested.on("DescribeProvisionedProduct", describe)
        assert run_task(terminate_operator)["cluster_id"] == "j-1"
        assert len(requested.requests("TerminateProvisionedProduct")) == 1
        assert (claims.claim.generation, claims.claim.state) == (2, "ended")
        assert [item.record_id for item in claims.claim.predecessors] == ["rec-1"]

    def test_a_claim_that_was_lost_before_any_record_shows_gives_the_request_time(
        self, requested, claims, run_task
    ):
        claims.body = None
        requested.on(
            "ListRecordHistory", {"RecordDetails": []}, {"RecordDetails": [SUCCEEDED["RecordDetail"]]}
        )
        requested.on("DescribeProvisionedProduct", *[GONE] * 3, *[product("AVAILABLE")] * 2, GONE)
        assert run_task(terminate_operator)["cluster_id"] == "j-1"

    def test_a_run_that_made_no_claim_has_nothing_to_end_for_another_run(self, aws, claims, run_task):
        aws.on("DescribeProvisionedProduct", GONE)
        assert run_task(lambda: terminate_operator(run_id="another"))["state"] == NEVER_STARTED
        assert claims.body is None

    def test_a_product_requested_just_before_a_kill_is_found_by_name(self, requested, claims, run_task):
        claims.store(FIRST)
        requested.on("ListRecordHistory", {"RecordDetails": [SUCCEEDED["RecordDetail"]]})
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, GONE)
        assert run_task(terminate_operator)["cluster_id"] == "j-1"

    def test_a_request_whose_answer_was_lost_is_given_time_to_show(self, requested, claims, run_task):
        claims.store(replace(FIRST, state="requesting"))
        requested.on("ListRecordHistory", {"RecordDetails": [SUCCEEDED["RecordDetail"]]})
        requested.on(
            "DescribeProvisionedProduct",
            *[GONE] * 3,
            *[product("AVAILABLE")] * 2,
            product("UNDER_CHANGE"),
            GONE,
        )
        result = run_task(terminate_operator)
        assert (result["cluster_id"], result["state"]) == ("j-1", "TERMINATED")
        assert len(requested.requests("TerminateProvisionedProduct")) == 1

    @both
    def test_after_that_time_nothing_was_started(self, deferrable, aws, claims, run_task, monkeypatch):
        monkeypatch.setattr(service_catalog_termination, "REQUEST_GRACE_SECONDS", 0.5)
        claims.store(replace(FIRST, state="requesting"))
        aws.on("DescribeProvisionedProduct", GONE)
        assert run_task(lambda: terminate_operator(deferrable))["state"] == NEVER_STARTED
        assert len(aws.requests("DescribeProvisionedProduct")) > 2
        assert claims.claim.state == "ended"

    def test_a_product_that_does_not_show_while_its_record_goes_on_is_not_gone(self, requested, run_task):
        requested.on("DescribeProvisionedProduct", GONE, GONE, product("AVAILABLE"), GONE)
        requested.on("DescribeRecord", record("IN_PROGRESS"), SUCCEEDED)
        assert run_task(terminate_operator)["cluster_id"] == "j-1"
        assert len(requested.requests("TerminateProvisionedProduct")) == 1

    def test_a_stack_that_can_not_be_read_is_no_proof_that_there_is_no_cluster(
        self, requested, claims, run_task
    ):
        stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/SC-1/1"
        requested.on("DescribeProvisionedProduct", GONE)
        requested.on("DescribeRecord", record("FAILED", outputs={"CloudformationStackARN": stack}))
        requested.on("ListStackResources", aws_error("AccessDenied"))
        with pytest.raises(TerminationFailed, match=r"may live(.|\n)*AccessDenied"):
            run_task(terminate_operator)
        assert claims.claim.state == "requested"
        requested.on("ListStackResources", {"StackResourceSummaries": []})
        assert run_task(terminate_operator)["state"] == NEVER_STARTED

    @both
    def test_every_generation_is_ended_and_paid_the_newest_first(
        self, deferrable, requested, claims, run_task
    ):
        """The first was given up before its end was proven; its cluster is still TERMINATING."""
        second = replace(FIRST, state="requested", record_id="rec-1").next_generation()
        third = replace(second, state="requested", record_id="rec-3").next_generation()
        claims.store(replace(third, state="requesting", record_id="rec-5"))
        clusters = {"rec-1": "j-1", "rec-3": None, "rec-5": "j-3"}
        requested.on("DescribeProvisionedProduct", GONE)
        requested.on(
            "DescribeRecord",
            lambda request: record(
                "SUCCEEDED", outputs={"ClusterId": clusters[request["Id"]]} if clusters[request["Id"]] else {}
            ),
        )
        states = {"j-1": ["TERMINATING", "TERMINATED"], "j-3": ["TERMINATED"]}
        requested.on(
            "DescribeCluster",
            lambda request: cluster(
                states[request["ClusterId"]].pop(0), {"j-1": 100.0, "j-3": 11.0}[request["ClusterId"]]
            ),
        )
        result = run_task(lambda: terminate_operator(deferrable))
        assert result == {"cluster_id": "j-3", "cluster_seconds": 111.0, "state": "TERMINATED"}
        asked = [request["Name"] for request in requested.requests("DescribeProvisionedProduct")]
        names = [FIRST.product_name_of(number) for number in (3, 2, 1)]
        assert list(dict.fromkeys(asked)) == names
        assert [claims.claim.of(number).state for number in (1, 2, 3)] == ["ended"] * 3
        assert claims.claim.of(1).cluster_seconds == 100.0

    def test_a_cluster_proven_before_still_counts_when_emr_has_forgotten_it(
        self, requested, claims, run_task
    ):
        first = replace(FIRST, state="ended", record_id="rec-1", cluster_id="j-1", cluster_seconds=100.0)
        claims.store(first.next_generation())
        requested.on("DescribeProvisionedProduct", GONE)
        requested.on("DescribeCluster", aws_error("InvalidRequestException"))
        result = run_task(terminate_operator)
        assert result == {"cluster_id": "j-1", "cluster_seconds": 100.0, "state": "TERMINATED"}

    @pytest.mark.parametrize("bucket", [None, ""])
    def test_without_a_bucket_a_product_of_the_first_generation_is_ended(self, bucket, requested, run_task):
        requested.on("ListRecordHistory", {"RecordDetails": [SUCCEEDED["RecordDetail"]]})
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, GONE)
        result = run_task(lambda: terminate_operator(bucket=bucket))
        assert (result["cluster_id"], result["state"]) == ("j-1", "TERMINATED")

    @both
    def test_a_cluster_without_an_end_in_its_timeline_is_counted_until_now(
        self, deferrable, requested, run_task
    ):
        requested.on("DescribeProvisionedProduct", GONE)
        requested.on("DescribeCluster", cluster("TERMINATED"))
        assert run_task(lambda: terminate_operator(deferrable))["cluster_seconds"] > 0

    def test_a_failed_termination_is_tried_again(self, requested, claims, run_task):
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, product("TAINTED"))
        requested.on("DescribeRecord", lambda request: record("FAILED", request["Id"], outputs={}))
        with pytest.raises(TerminationFailed) as raised:
            run_task(terminate_operator)
        assert not isinstance(raised.value, AirflowFailException), "Airflow uses the task's retries"
        assert "No cluster" in raised.value.next_step
        requested.on(
            "DescribeProvisionedProduct",
            *[product("TAINTED", LastRecordId="rec-2")] * 2,
            product("UNDER_CHANGE"),
            GONE,
        )
        requested.on("DescribeRecord", SUCCEEDED)
        assert run_task(terminate_operator)["state"] == "TERMINATED"

    def test_why_a_product_stays_is_not_hidden_by_a_cluster_that_can_not_be_ended(self, requested, run_task):
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, product("TAINTED"))
        requested.on(
            "DescribeRecord",
            lambda request: record("FAILED") if request["Id"] == "rec-2" else SUCCEEDED,
        )
        requested.on("DescribeCluster", cluster("WAITING"))
        requested.on("SetTerminationProtection", aws_error("AccessDeniedException"))
        with pytest.raises(TerminationFailed, match="could not be terminated") as raised:
            run_task(terminate_operator)
        assert "could not be ended either" in raised.value.next_step

    @both
    def test_a_product_that_can_not_be_terminated_loses_its_cluster_all_the_same(
        self, deferrable, requested, claims, run_task
    ):
        denied = [{"Code": "AccessDenied", "Description": "not authorized: DeleteStack"}]
        requested.on(
            "DescribeProvisionedProduct",
            *[product("AVAILABLE")] * 2,
            product("UNDER_CHANGE"),
            product("TAINTED"),
        )
        requested.on(
            "DescribeRecord",
            lambda request: record("FAILED", RecordErrors=denied) if request["Id"] == "rec-2" else SUCCEEDED,
        )
        requested.on("DescribeCluster", cluster("WAITING"))
        requested.on("SetTerminationProtection", {})
        requested.on("TerminateJobFlows", {})
        with pytest.raises(TerminationFailed, match="could not be terminated") as raised:
            run_task(lambda: terminate_operator(deferrable))
        assert "not authorized: DeleteStack" in raised.value.reason
        assert "j-1 was told to terminate" in raised.value.next_step
        assert requested.requests("TerminateJobFlows") == [{"JobFlowIds": ["j-1"]}]
        assert claims.claim.state == "requested"

    def test_a_retry_after_a_failed_termination_asks_anew(self, requested, run_task):
        requested.on(
            "DescribeProvisionedProduct",
            *[product("TAINTED", LastRecordId="rec-2")] * 2,
            product("UNDER_CHANGE"),
            GONE,
        )
        run_task(terminate_operator)
        (request,) = requested.requests("TerminateProvisionedProduct")
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, GONE)
        run_task(terminate_operator)
        assert (
            requested.requests("TerminateProvisionedProduct")[1]["TerminateToken"]
            != request["TerminateToken"]
        )

    def test_the_cluster_and_the_product_are_linked(self, requested, context):
        requested.on("DescribeProvisionedProduct", *[product("AVAILABLE")] * 2, GONE)
        terminate_operator().execute(context)
        assert context["ti"].xcom["sagemaker_emr_cluster"]["cluster_id"] == "j-1"
        assert context["ti"].xcom["servicecatalog_provisioned_product"]["provisioned_product_id"] == "pp-1"


def test_what_may_be_templated_is_a_template_field():
    assert {"environment", "bucket", "product_id", "parameters", "tags"} <= set(
        ServiceCatalogProvisionProductOperator.template_fields
    )
    assert {"environment", "bucket"} <= set(ServiceCatalogTerminateProductOperator.template_fields)


def test_without_another_run_nothing_is_ended_least_of_all_ones_own(aws, run_task):
    """A shared cluster's first provider has no predecessor, and the template of its run id is empty."""
    operator = ServiceCatalogTerminateProductOperator(
        task_id="end_predecessor", environment="dev", bucket="artifacts", run_id="", **CONNECTION
    )
    assert run_task(lambda: operator)["state"] == NEVER_STARTED
    assert aws.calls == []
