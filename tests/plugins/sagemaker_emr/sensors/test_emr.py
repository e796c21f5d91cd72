from __future__ import annotations

import io
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sagemaker_emr.claims import Claim
from sagemaker_emr.exceptions import (
    ClusterFailed,
    DeadlineExceeded,
    InvalidInput,
    ProvisioningFailed,
    SensorDeadlineExceeded,
    UnknownState,
)
from sagemaker_emr.sensors.emr import EmrClusterReadySensor, EmrClusterTerminatedSensor
from sagemaker_emr.triggers import emr as emr_triggers
from tests.airflow_names import AirflowFailException
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import DAG_ID, RUN_ID, aws_error

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/SC-1/1"
CLAIM = replace(Claim("dev", DAG_ID, RUN_ID), state="requested", record_id="rec-1")

both = pytest.mark.parametrize("deferrable", [True, False])


class Version(BaseHTTPRequestHandler):
    """Livy's ``GET /version``; as often as it is told to, an error first, or another server's page."""

    failures = 0
    body = b'{"version": "0.7.1-incubating"}'

    def do_GET(self):
        failing = type(self).failures > 0
        type(self).failures -= 1
        self.send_response(503 if failing else 200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def livy(monkeypatch):
    """A server where Livy would be; its address."""
    server = HTTPServer(("127.0.0.1", 0), Version)
    monkeypatch.setattr(emr_triggers, "LIVY_PORT", server.server_port)
    monkeypatch.setattr(Version, "failures", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def record(status, outputs=None, **kwargs):
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in (outputs or {}).items()]
    detail = {"RecordId": "rec-1", "Status": status, "ProvisionedProductName": "cluster-x-1", **kwargs}
    return {"RecordDetail": detail, "RecordOutputs": listed}


def cluster(state, **status):
    return {
        "Cluster": {
            "Id": "j-1",
            "Status": {"State": state, **status},
            "MasterPublicDnsName": "127.0.0.1",
            "Ec2InstanceAttributes": {"EmrManagedMasterSecurityGroup": "sg-master"},
            "LogUri": "s3://artifacts/elasticmapreduce/",
        }
    }


SUCCEEDED = record("SUCCEEDED", {"ClusterId": "j-1"})
ENDED_EARLY = {"Code": "INSTANCE_FAILURE", "Message": "The master node failed"}


def ready_sensor(deferrable, timeout=10.0, **kwargs):
    return EmrClusterReadySensor(
        task_id="wait",
        deferrable=deferrable,
        timeout=timeout,
        aws_conn_id=None,
        **{"record_id": "rec-1", **kwargs},
    )


@both
def test_ready_means_record_succeeded_cluster_running_and_livy_answering(
    deferrable, aws, livy, run_task, context
):
    aws.on(
        "DescribeRecord", record("CREATED"), record("IN_PROGRESS"), record("IN_PROGRESS_IN_ERROR"), SUCCEEDED
    )
    aws.on("DescribeCluster", cluster("STARTING"), cluster("BOOTSTRAPPING"), cluster("WAITING"))
    Version.failures = 2
    assert run_task(lambda: ready_sensor(deferrable)) == {
        "cluster_id": "j-1",
        "livy_url": livy,
        "record_id": "rec-1",
    }
    assert Version.failures < 0
    assert context["ti"].xcom["sagemaker_emr_cluster"]["cluster_id"] == "j-1"


def test_a_proxy_of_the_environment_is_not_asked_for_livy(aws, livy, run_task, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    aws.on("DescribeCluster", cluster("WAITING"))
    sensor = lambda: ready_sensor(False, record_id=None, cluster_id="j-1", timeout=5.0)  # noqa: E731
    assert run_task(sensor) == {"cluster_id": "j-1", "livy_url": livy, "record_id": None}


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b'{"status": "ok"}', b"[]"])
def test_not_every_server_that_answers_is_livy(body, aws, livy, run_task, monkeypatch):
    monkeypatch.setattr(Version, "body", body)
    aws.on("DescribeCluster", cluster("WAITING"))
    with pytest.raises(SensorDeadlineExceeded, match="not as Livy does"):
        run_task(lambda: ready_sensor(False, record_id=None, cluster_id="j-1", timeout=0.0))


@both
def test_a_cluster_can_be_given(deferrable, aws, livy, run_task):
    aws.on("DescribeCluster", cluster("STARTING"), cluster("RUNNING"))
    result = run_task(lambda: ready_sensor(deferrable, record_id=None, cluster_id="j-1"))
    assert result == {"cluster_id": "j-1", "livy_url": livy, "record_id": None}
    assert "cluster_id" in EmrClusterReadySensor.template_fields


@both
def test_a_livy_that_can_not_be_reached_names_the_rule_that_is_missing(
    deferrable, aws, run_task, monkeypatch
):
    monkeypatch.setattr(emr_triggers, "LIVY_PORT", 9)  # discard: nobody listens
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", cluster("RUNNING"))
    with pytest.raises(SensorDeadlineExceeded) as raised:
        run_task(lambda: ready_sensor(deferrable, timeout=0.0))
    assert isinstance(raised.value, AirflowFailException), "a retry would pay the cluster once more"
    assert raised.value.what == "Cannot connect to livy service: 127.0.0.1:9"
    assert "sg-master" in raised.value.next_step
    assert "TCP 9" in raised.value.next_step


@both
@pytest.mark.parametrize("state", ["TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"])
def test_a_cluster_that_ends_first_fails_with_emrs_reason(deferrable, state, aws, run_task):
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", cluster("STARTING"), cluster(state, StateChangeReason=ENDED_EARLY))
    with pytest.raises(ClusterFailed, match=f"j-1 is {state}") as raised:
        run_task(lambda: ready_sensor(deferrable))
    assert raised.value.reason == "INSTANCE_FAILURE: The master node failed"
    assert "s3://artifacts/elasticmapreduce/" in raised.value.next_step


FAILED = record(
    "FAILED",
    {"CloudformationStackARN": STACK_ID},
    RecordErrors=[{"Code": "AmazonCloudFormationException", "Description": "Stack failed"}],
)


@both
def test_a_failed_record_carries_the_reasons_of_stack_and_cluster(deferrable, aws, run_task):
    aws.on("DescribeRecord", record("IN_PROGRESS"), FAILED)
    resource = {
        "LogicalResourceId": "Cluster",
        "ResourceType": "AWS::EMR::Cluster",
        "PhysicalResourceId": "j-1",
    }
    summary = {**resource, "LastUpdatedTimestamp": WHEN, "ResourceStatus": "CREATE_FAILED"}
    event = {**resource, "StackId": STACK_ID, "EventId": "e1", "StackName": "SC-1", "Timestamp": WHEN}
    reason = {"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "did not stabilize"}
    aws.on("ListStackResources", {"StackResourceSummaries": [summary]})
    aws.on("DescribeStackEvents", {"StackEvents": [{**event, **reason}]})
    bootstrap = {"Code": "BOOTSTRAP_FAILURE", "Message": "bootstrap action 1 returned 1"}
    aws.on("DescribeCluster", cluster("TERMINATED_WITH_ERRORS", StateChangeReason=bootstrap))
    with pytest.raises(ProvisioningFailed, match="rec-1 of product cluster-x-1 failed") as raised:
        run_task(lambda: ready_sensor(deferrable))
    for part in ("Stack failed", "Cluster (AWS::EMR::Cluster)", "BOOTSTRAP_FAILURE: bootstrap action 1"):
        assert part in raised.value.reason


def test_a_stack_that_may_not_be_read_does_not_hide_the_records_reason(aws, run_task):
    aws.on("DescribeRecord", FAILED)
    for operation in ("ListStackResources", "DescribeStackEvents"):
        aws.on(operation, aws_error("AccessDenied"))
    with pytest.raises(ProvisioningFailed) as raised:
        run_task(lambda: ready_sensor(False))
    assert "Stack failed" in raised.value.reason


def test_a_product_without_a_cluster_says_so(aws, run_task):
    aws.on("DescribeRecord", record("SUCCEEDED", {"BucketName": "b"}))
    with pytest.raises(ProvisioningFailed, match="without an output ClusterId") as raised:
        run_task(lambda: ready_sensor(False))
    assert "BucketName" in raised.value.reason


@both
def test_the_deadline_of_a_cluster_that_never_came(deferrable, aws, run_task):
    aws.on("DescribeRecord", record("IN_PROGRESS"))
    with pytest.raises(SensorDeadlineExceeded, match="cluster of record rec-1") as raised:
        run_task(lambda: ready_sensor(deferrable, timeout=0.0))
    assert isinstance(raised.value, AirflowFailException)
    assert isinstance(raised.value, DeadlineExceeded)
    assert raised.value.reason == "last status seen: Record rec-1: IN_PROGRESS"


def stored(claim):
    return {"Body": io.BytesIO(json.dumps(claim.to_json()).encode()), "ETag": '"1"'}


@both
def test_the_record_is_found_by_the_runs_claim(deferrable, aws, livy, run_task):
    aws.on("GetObject", stored(CLAIM))
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", cluster("WAITING"))
    result = run_task(lambda: ready_sensor(deferrable, record_id=None, environment="dev", bucket="artifacts"))
    assert result["record_id"] == "rec-1"
    assert aws.requests("DescribeRecord") == [{"Id": "rec-1"}]


def test_a_run_that_requested_nothing_is_told_so(aws, run_task):
    aws.on("GetObject", stored(replace(CLAIM, state="ended")))
    aws.on("DescribeProvisionedProduct", aws_error("ResourceNotFoundException"))
    with pytest.raises(ProvisioningFailed, match="was not requested, or has ended"):
        run_task(lambda: ready_sensor(False, record_id=None, environment="dev", bucket="artifacts"))


def test_neither_record_nor_claim_is_refused(aws, run_task):
    with pytest.raises(InvalidInput, match="record_id"):
        run_task(lambda: ready_sensor(False, record_id=None, environment="dev"))


@both
@pytest.mark.parametrize("state", ["TERMINATED", "TERMINATED_WITH_ERRORS"])
def test_a_terminated_cluster_tells_how_long_it_was_paid(deferrable, state, aws, run_task):
    timeline = {"CreationDateTime": WHEN, "EndDateTime": WHEN + timedelta(minutes=12)}
    aws.on("DescribeCluster", *[cluster("TERMINATING")] * 2, cluster(state, Timeline=timeline))
    result = run_task(
        lambda: EmrClusterTerminatedSensor(
            task_id="w", cluster_id="j-1", deferrable=deferrable, timeout=10, aws_conn_id=None
        )
    )
    assert result == {"cluster_id": "j-1", "cluster_seconds": 720.0, "state": state}


def test_the_sensor_ends_no_cluster(aws, run_task):
    aws.on("DescribeCluster", cluster("WAITING"))
    with pytest.raises(DeadlineExceeded, match="j-1"):
        run_task(
            lambda: EmrClusterTerminatedSensor(
                task_id="w", cluster_id="j-1", deferrable=False, timeout=0, aws_conn_id=None
            )
        )
    assert {name for name, _ in aws.calls} == {"DescribeCluster"}


READY = {
    "STARTING": False,
    "BOOTSTRAPPING": False,
    "RUNNING": True,
    "WAITING": True,
    "TERMINATING": "is TERMINATING",
    "TERMINATED": "is TERMINATED",
    "TERMINATED_WITH_ERRORS": "is TERMINATED_WITH_ERRORS",
}


@pytest.mark.parametrize("state", aws_enums.CLUSTER)
def test_in_each_state_a_cluster_is_ready_waited_for_or_named(state, aws, livy, run_task):
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", cluster(state, StateChangeReason=ENDED_EARLY), cluster("WAITING"))
    if isinstance(READY[state], str):
        with pytest.raises(ClusterFailed, match=READY[state]) as raised:
            run_task(lambda: ready_sensor(False))
        assert "The master node failed" in raised.value.reason
        assert "request_cluster" in raised.value.next_step
        return
    assert run_task(lambda: ready_sensor(False))["cluster_id"] == "j-1"
    assert len(aws.requests("DescribeCluster")) == (1 if READY[state] else 2)


@pytest.mark.parametrize("status", aws_enums.RECORD)
def test_in_each_state_the_record_is_waited_for_used_or_named(status, aws, livy, run_task):
    told = record(status, {"ClusterId": "j-1"}, RecordErrors=[{"Code": "X", "Description": "no capacity"}])
    aws.on("DescribeRecord", told, *([] if status == "FAILED" else [SUCCEEDED]))
    aws.on("DescribeCluster", cluster("WAITING"))
    if status == "FAILED":
        with pytest.raises(ProvisioningFailed, match="rec-1") as raised:
            run_task(lambda: ready_sensor(False))
        assert "no capacity" in raised.value.reason
        return
    assert run_task(lambda: ready_sensor(False))["cluster_id"] == "j-1"
    assert len(aws.requests("DescribeRecord")) == (1 if status == "SUCCEEDED" else 2)


@both
@pytest.mark.parametrize("state", aws_enums.CLUSTER)
def test_in_each_state_the_end_of_a_cluster_is_seen_or_waited_for(state, deferrable, aws, run_task):
    aws.on("DescribeCluster", cluster(state), cluster("TERMINATED"))
    ended = state.startswith("TERMINATED")
    sensor = {"task_id": "wait", "cluster_id": "j-1", "aws_conn_id": None, "timeout": 10}
    result = run_task(lambda: EmrClusterTerminatedSensor(deferrable=deferrable, **sensor))
    assert result["state"] == (state if ended else "TERMINATED")
    assert len(aws.requests("DescribeCluster")) == (1 if ended else 2)


@pytest.mark.parametrize("sensor", ["ready", "terminated"])
def test_a_cluster_in_a_state_from_the_future_is_named(sensor, aws, run_task):
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", cluster("HIBERNATED"))
    with pytest.raises(UnknownState, match="HIBERNATED"):
        run_task(
            lambda: (
                ready_sensor(False)
                if sensor == "ready"
                else EmrClusterTerminatedSensor(task_id="wait", cluster_id="j-1", aws_conn_id=None)
            )
        )


def test_a_cluster_whose_master_has_no_name_yet_is_waited_for(aws, livy, run_task):
    nameless = {"Cluster": {"Id": "j-1", "Status": {"State": "RUNNING"}}}
    aws.on("DescribeRecord", SUCCEEDED)
    aws.on("DescribeCluster", nameless, cluster("RUNNING"))
    assert run_task(lambda: ready_sensor(False))["livy_url"] == livy
