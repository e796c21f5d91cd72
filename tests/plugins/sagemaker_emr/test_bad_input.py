"""What people and AWS do to a run's cluster while it runs: a named error or a recovery, and never a leak.

The tasks of a cluster's life on the embedded AWS: a product whose stack makes an EMR cluster, before which
stands the tests' Livy.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.exceptions import (
    NEW_CLUSTER,
    ClusterFailed,
    ProvisioningFailed,
    SageMakerEmrError,
    TerminationFailed,
)
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.livy import LIVY_PORT
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.operators import sagemaker_model
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.operators.sagemaker_model import SageMakerEvaluateModelOperator
from sagemaker_emr.operators.service_catalog import (
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from sagemaker_emr.sensors.emr import EmrClusterReadySensor
from sagemaker_emr.triggers import livy as livy_trigger
from sagemaker_emr.triggers.base import result_of
from tests.airflow_names import TaskDeferred
from tests.local_aws.conftest import client, make_client, unhurried
from tests.local_aws.emr.conftest import (
    INSTANCE_PROFILE,
    SERVICE_ROLE,
    describe,
    make_default_roles,
    wait_until_ended,
)
from tests.local_aws.servicecatalog.conftest import (
    allow_launch,
    bare_catalog,
    catalog,
    launch_role,
    template_url,
)
from tests.plugins.sagemaker_emr.airflow_kills import kill_deferred, kill_running, until
from tests.plugins.sagemaker_emr.conftest import fire
from tests.plugins.sagemaker_emr.livy_server import FakeLivy
from tests.plugins.sagemaker_emr.operators.test_sagemaker_model import (
    EVALUATION,
    JUDGED,
    TRAINING,
    put_output,
)

__all__ = ["bare_catalog", "catalog", "client", "launch_role", "make_client", "template_url", "unhurried"]

pytestmark = pytest.mark.local_aws

RUN = {"environment": "dev", "bucket": "artifacts"}
NODE = {"InstanceType": "m5.xlarge", "Market": "ON_DEMAND"}
TEMPLATE = {
    "Parameters": {"ClusterName": {"Type": "String", "Description": "Its name"}},
    "Resources": {
        "Cluster": {
            "Type": "AWS::EMR::Cluster",
            "Properties": {
                "Name": {"Ref": "ClusterName"},
                "ReleaseLabel": "emr-7.8.0",
                "Applications": [{"Name": "Spark"}],
                "ServiceRole": SERVICE_ROLE,
                "JobFlowRole": INSTANCE_PROFILE,
                "Instances": {
                    "KeepJobFlowAliveWhenNoSteps": True,
                    "MasterInstanceGroup": {**NODE, "InstanceCount": 1},
                    "CoreInstanceGroup": {**NODE, "InstanceCount": 2},
                },
            },
        }
    },
    "Outputs": {"ClusterId": {"Value": {"Ref": "Cluster"}, "Description": "The cluster"}},
}
OF_CLUSTERS = ("elasticmapreduce:*", "iam:PassRole", "iam:GetRole", "iam:GetInstanceProfile", "ec2:*")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Life:
    """A run's tasks around its cluster, and the account they work in."""

    conn: str | None = None

    def __init__(self, run_task: Any, context: Any, client: Any, product_id: str) -> None:
        self.run_task, self.context, self.client, self.product_id = run_task, context, client, product_id
        self.emr, self.servicecatalog = client("emr"), client("servicecatalog")
        self.stack = ExitStack()

    def claim(self, **changes: Any) -> Any:
        return self.run_task(
            lambda: ServiceCatalogClaimProductOperator(
                task_id="claim_cluster", aws_conn_id=self.conn, **{**RUN, **changes}
            )
        )

    def request_operator(self) -> Any:
        return ServiceCatalogProvisionProductOperator(
            task_id="request_cluster",
            product_id=self.product_id,
            aws_conn_id=self.conn,
            deferrable=True,
            timeout_seconds=60,
            **RUN,
        )

    def request(self) -> Any:
        return self.run_task(self.request_operator)

    def ready(self) -> Any:
        """Wait for the cluster, with a Livy on its master."""
        return self.run_task(self.sensor)

    def sensor(self) -> Any:
        return EmrClusterReadySensor(
            task_id="wait_for_cluster", timeout=60, deferrable=True, aws_conn_id=self.conn, **RUN
        )

    def batch(self, cluster_id: str) -> Any:
        """The trigger of a batch that runs."""
        with pytest.raises(TaskDeferred) as deferred:
            LivyRunBatchOperator(
                task_id="prepare_features",
                environment="dev",
                cluster_id=cluster_id,
                file="s3://artifacts/job.py",
                completion_manifest="s3://artifacts/_batches/{batch_name}.json",
                aws_conn_id=self.conn,
                deferrable=True,
            ).execute(self.context)
        return deferred.value.trigger

    def teardown(self) -> Any:
        return self.run_task(
            lambda: ServiceCatalogTerminateProductOperator(
                task_id="terminate_cluster",
                timeout_seconds=60,
                deferrable=True,
                aws_conn_id=self.conn,
                **RUN,
            )
        )

    # What there is in the account

    def clusters(self) -> dict[str, str]:
        """Every cluster's state."""
        found = self.emr.list_clusters()["Clusters"]
        return {cluster["Id"]: describe(self.emr, cluster["Id"])["Status"]["State"] for cluster in found}

    def cluster_id(self) -> str:
        """The one that was made last, once it is there."""
        until(
            lambda: bool(
                self.emr.list_clusters(ClusterStates=["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"])[
                    "Clusters"
                ]
            )
        )
        return str(self.emr.list_clusters()["Clusters"][0]["Id"])

    def start_livy(self) -> FakeLivy:
        cluster_id = self.cluster_id()
        until(lambda: bool(describe(self.emr, cluster_id).get("MasterPublicDnsName")))
        livy = FakeLivy(describe(self.emr, cluster_id)["MasterPublicDnsName"], LIVY_PORT)
        livy.script = ["running"]
        return self.stack.enter_context(livy)

    def up(self) -> str:
        """Claim, request, wait: the cluster."""
        self.claim()
        self.request()
        self.start_livy()
        return str(self.ready()["cluster_id"])

    def empty_bucket(self) -> None:
        s3 = self.client("s3")
        for found in s3.list_objects_v2(Bucket="artifacts").get("Contents", []):
            s3.delete_object(Bucket="artifacts", Key=found["Key"])

    def terminate_product_by_hand(self, name: str) -> None:
        record = self.servicecatalog.terminate_provisioned_product(
            ProvisionedProductName=name, TerminateToken="by-hand"
        )["RecordDetail"]
        until(
            lambda: (
                self.servicecatalog.describe_record(Id=record["RecordId"])["RecordDetail"]["Status"]
                in ("SUCCEEDED", "FAILED")
            )
        )

    def assert_nothing_lives(self, made: int = 1) -> None:
        states = self.clusters()
        assert len(states) == made
        assert {state.removesuffix("_WITH_ERRORS") for state in states.values()} <= {"TERMINATED"}
        assert ServiceCatalogHook(aws_conn_id=None).all_provisioned_products() == []


@pytest.fixture
def life(client, catalog, template_url, run_task, context, endpoint_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    make_default_roles(client("iam"))
    allow_launch(client("iam"), *OF_CLUSTERS)
    client("s3").create_bucket(Bucket="artifacts")
    catalog.servicecatalog.create_provisioning_artifact(
        ProductId=catalog.product_id,
        Parameters={
            "Name": "v2",
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Info": {"LoadTemplateFromURL": template_url("v2.json", json.dumps(TEMPLATE))},
        },
        IdempotencyToken="v2",
    )
    made = Life(run_task, context, client, catalog.product_id)
    with made.stack:
        yield made


# Somebody changes the cluster


def test_a_cluster_without_its_tags_and_under_another_name_is_worked_on_and_ended(life):
    cluster_id = life.up()
    tags = [tag["Key"] for tag in describe(life.emr, cluster_id)["Tags"]]
    life.emr.remove_tags(ResourceId=cluster_id, TagKeys=tags)
    life.emr.add_tags(ResourceId=cluster_id, Tags=[{"Key": "Name", "Value": "renamed"}])
    assert life.ready()["cluster_id"] == cluster_id
    assert life.request()["generation"] == 1, "it is attached to"
    assert life.teardown()["cluster_id"] == cluster_id
    life.assert_nothing_lives()


def test_a_cluster_terminated_by_hand_while_it_comes_up_is_told_and_the_run_gets_another(life, unhurried):
    life.claim()
    life.request()
    life.emr.terminate_job_flows(JobFlowIds=[life.cluster_id()])
    with pytest.raises((ProvisioningFailed, ClusterFailed)) as raised:
        life.ready()
    assert "by user request" in str(raised.value)
    assert NEW_CLUSTER in str(raised.value)
    assert life.request()["generation"] == 2
    life.start_livy()
    life.ready()
    life.teardown()
    life.assert_nothing_lives(made=2)


@pytest.mark.parametrize("by", ["cluster", "product"])
def test_a_cluster_ended_by_hand_under_its_batch_is_told_and_the_run_gets_another(life, by):
    cluster_id = life.up()
    product = life.request()["product_name"]
    trigger = life.batch(cluster_id)
    if by == "cluster":
        life.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    else:
        life.terminate_product_by_hand(product)
    life.stack.close()  # Livy goes with its cluster
    with pytest.raises(ClusterFailed) as raised:
        result_of(fire(trigger))
    assert "USER_REQUEST" in str(raised.value)
    assert NEW_CLUSTER in str(raised.value)
    wait_until_ended(life.emr, cluster_id)
    assert life.request()["generation"] == 2
    life.start_livy()
    assert life.ready()["cluster_id"] != cluster_id
    life.teardown()
    life.assert_nothing_lives(made=2)


@pytest.mark.parametrize("by", ["cluster", "product"])
def test_a_cluster_ended_by_hand_after_its_work_is_found_to_have_ended(life, by):
    cluster_id = life.up()
    if by == "cluster":
        life.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    else:
        life.terminate_product_by_hand(life.request()["product_name"])
    assert life.teardown()["cluster_id"] == cluster_id
    life.assert_nothing_lives()


def test_a_product_ended_by_hand_before_the_wait_is_told(life):
    life.claim()
    product = life.request()["product_name"]
    until(
        lambda: (
            ServiceCatalogHook(aws_conn_id=None).find_provisioned_product(product)["Status"] == "AVAILABLE"
        )
    )
    life.terminate_product_by_hand(product)
    with pytest.raises(ClusterFailed, match="USER_REQUEST"):
        life.ready()
    life.teardown()
    life.assert_nothing_lives()


# Somebody empties the bucket


@pytest.mark.parametrize("phase", ["requested", "up"])
def test_a_claim_that_vanished_does_not_lose_the_cluster(life, phase):
    if phase == "up":
        life.up()
    else:
        life.claim()
        life.request()
    life.empty_bucket()
    life.teardown()
    life.assert_nothing_lives()


def test_a_claim_that_vanished_is_rebuilt_for_the_product_of_a_later_generation(life, context):
    first = life.up()
    life.emr.terminate_job_flows(JobFlowIds=[first])
    wait_until_ended(life.emr, first)
    life.stack.close()
    assert life.request()["generation"] == 2
    life.start_livy()
    second = life.ready()["cluster_id"]
    life.empty_bucket()
    context["ti"].try_number = 2
    assert life.claim()["generation"] == 2, "a task behind it was cleared"
    life.empty_bucket()
    assert life.request()["generation"] == 2, "it is attached to; no other cluster is made"
    life.empty_bucket()
    assert life.teardown()["cluster_id"] == second
    life.assert_nothing_lives(made=2)


def test_a_batch_whose_marks_vanished_is_attached_to(life):
    cluster_id = life.up()
    first = life.batch(cluster_id)
    life.empty_bucket()
    assert life.batch(cluster_id).batch_name == first.batch_name
    kill_deferred(first, lambda: True)
    life.teardown()
    life.assert_nothing_lives()


# Somebody takes permissions away


def test_a_launch_role_without_its_policy_costs_the_teardown_its_proof_and_ends_the_cluster(life):
    life.up()
    life.client("iam").delete_role_policy(RoleName="LaunchRole", PolicyName="launch")
    with pytest.raises(TerminationFailed) as raised:
        life.teardown()
    assert "was told to terminate" in str(raised.value)
    assert "not authorized" in str(raised.value)
    allow_launch(life.client("iam"), *OF_CLUSTERS)
    assert life.teardown()["state"] == "TERMINATED"
    life.assert_nothing_lives()


def test_a_launch_role_that_lost_its_policy_is_named_while_the_product_comes_up(life):
    life.claim()
    life.client("iam").delete_role_policy(RoleName="LaunchRole", PolicyName="launch")
    life.request()
    with pytest.raises(ProvisioningFailed, match="not authorized"):
        life.ready()
    allow_launch(life.client("iam"), *OF_CLUSTERS)
    life.teardown()
    life.assert_nothing_lives(made=0)


@pytest.fixture
def role(life, monkeypatch):
    """Airflow's connection assumes a role: ``role(False)`` takes its permissions away, or the role itself."""
    iam = life.client("iam")
    trusted = {"RoleName": "airflow", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    arn = iam.create_role(**trusted)["Role"]["Arn"]
    extra = {"role_arn": arn, "region_name": "us-east-1"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    life.conn = "aws_default"
    portfolio = life.servicecatalog.list_portfolios()["PortfolioDetails"][0]["Id"]
    life.servicecatalog.associate_principal_with_portfolio(
        PortfolioId=portfolio, PrincipalARN=arn, PrincipalType="IAM"
    )

    def allow(allowed: bool, by: str = "policy") -> None:
        if not allowed:
            iam.delete_role_policy(RoleName="airflow", PolicyName="all")
        if by == "role":
            iam.create_role(**trusted) if allowed else iam.delete_role(RoleName="airflow")
        if allowed:
            iam.put_role_policy(RoleName="airflow", PolicyName="all", PolicyDocument=json.dumps(ALL))

    allow(True)
    return allow


NEXT_STEP = {
    "policy": "Next step: Give the role of the Airflow connection back what it lacks",
    "role": "Next step: The role of the Airflow connection is gone",
}


@pytest.mark.parametrize("by", NEXT_STEP)
@pytest.mark.parametrize("phase", ["coming up", "batch", "teardown"])
def test_airflows_role_that_is_revoked_is_named_and_nothing_is_left_once_it_is_back(life, role, phase, by):
    if phase == "coming up":
        life.claim()
        life.request()
        role(False, by)
        failing = life.ready
    else:
        cluster_id = life.up()
        trigger = life.batch(cluster_id)
        role(False, by)
        life.stack.close()
        failing = (lambda: result_of(fire(trigger))) if phase == "batch" else life.teardown
    with pytest.raises(Exception, match=rf"AccessDenied(.|\n)*{NEXT_STEP[by]}"):
        failing()
    with pytest.raises(TerminationFailed, match=r"provisioned product .* may live") as raised:
        life.teardown()
    assert "clear this task" in str(raised.value)
    role(True, by)
    life.teardown()
    life.assert_nothing_lives()


def test_a_role_that_is_gone_when_its_credentials_are_renewed_is_named(life, role):
    emr = EmrHook(aws_conn_id=life.conn).conn
    emr.list_clusters()
    role(False, by="role")
    emr._request_signer._credentials._expiry_time = datetime.now(UTC)
    with pytest.raises(ClientError, match=rf"AssumeRole(.|\n)*role/airflow(.|\n)*{NEXT_STEP['role']}"):
        emr.list_clusters()


# The task that requests the cluster is killed


def test_a_request_that_is_killed_is_no_success_and_leaves_the_product_to_the_teardown(
    life, context, monkeypatch
):
    life.claim()
    provision, requested = ServiceCatalogHook.provision, []

    def answered(hook: Any, **request: Any) -> Any:
        requested.append(provision(hook, **request))
        until(lambda: bool(killed))
        return requested[-1]

    killed: list[bool] = []
    operator = life.request_operator()
    on_kill = operator.on_kill
    monkeypatch.setattr(ServiceCatalogHook, "provision", answered)
    monkeypatch.setattr(operator, "on_kill", lambda: (on_kill(), killed.append(True)))
    with pytest.raises(SageMakerEmrError, match="was killed while it requested product"):
        kill_running(operator, context, lambda: bool(requested))
    life.teardown()
    life.assert_nothing_lives()


def test_a_wait_for_the_cluster_that_is_killed_leaves_it_to_the_teardown(life, context, unhurried):
    life.claim()
    life.request()
    with pytest.raises(TaskDeferred) as deferred:
        life.sensor().execute(context)
    kill_deferred(deferred.value.trigger, lambda: bool(life.cluster_id()))
    assert set(life.clusters().values()) <= {"STARTING", "BOOTSTRAPPING", "RUNNING"}
    life.teardown()
    life.assert_nothing_lives()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A Livy that is silent on a living cluster is given up soon."""
    monkeypatch.setattr(livy_trigger, "SILENCE_SECONDS", 20.0)


# AWS goes away


@pytest.fixture
def judge(client, endpoint_url, monkeypatch, run_task):
    """``judge(rule)``: evaluate a model whose output is in S3, while a fault befalls S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    s3 = client("s3")
    s3.create_bucket(Bucket="artifacts")
    into_s3 = SimpleNamespace(
        put=lambda uri, body: s3.put_object(Bucket="artifacts", Key=uri.split("/", 3)[3], Body=body)
    )
    put_output(into_s3, EVALUATION)

    def run(**rule):
        rules = [{"kind": "connection_reset", "service": "s3", **rule}]
        requests.post(f"{endpoint_url}/_local/faults", json={"rules": rules}, timeout=60).raise_for_status()
        return run_task(
            lambda: SageMakerEvaluateModelOperator(
                task_id="evaluate_model",
                training=TRAINING,
                aws_conn_id=None,
                botocore_config={"retries": {"total_max_attempts": 1}},
            )
        )

    yield run
    requests.delete(f"{endpoint_url}/_local/faults", timeout=60)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_a_judgement_outlasts_an_aws_that_is_away_for_longer_than_its_clients_try(judge, operation):
    assert judge(operation=operation, times=7) == JUDGED


def test_a_judgement_gives_up_an_aws_that_stays_away_with_the_reason(judge, monkeypatch):
    monkeypatch.setattr(sagemaker_model, "AWAY_SECONDS", 1.0)
    with pytest.raises(BotoCoreError, match="Connection was closed"):
        judge()


# Somebody deletes what is being made


def test_a_stack_deleted_under_a_product_that_comes_up_is_told_and_the_run_gets_another(life, unhurried):
    life.claim()
    product = life.request()["product_name"]
    life.cluster_id()
    found = ServiceCatalogHook(aws_conn_id=None).find_provisioned_product(product)
    assert found["Status"] == "UNDER_CHANGE"
    [stack] = [
        one["StackName"]
        for one in life.client("cloudformation").describe_stacks()["Stacks"]
        if one["StackName"].endswith(found["Id"])
    ]
    life.client("cloudformation").delete_stack(StackName=stack)
    with pytest.raises((ProvisioningFailed, ClusterFailed), match=NEW_CLUSTER):
        life.ready()
    assert life.request()["generation"] == 2
    life.start_livy()
    life.ready()
    life.teardown()
    life.assert_nothing_lives(made=2)
