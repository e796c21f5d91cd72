"""A notebook is handed out only when the connection is proven as far as it can be."""

from __future__ import annotations

import json
import socket

import pytest

from sagemaker_emr import connection_proof
from sagemaker_emr.exceptions import LivyUnreachable
from sagemaker_emr.hooks.livy import LivyClient
from sagemaker_emr.operators.sagemaker_notebook import SageMakerConnectNotebookOperator
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.livy_sessions import SessionsLivy

CLUSTER = "j-2AXXXXXXGAPLF"
MASTER, STUDIO = "sg-master", "sg-studio"
READY = "The cluster runs with Livy"
RULE = "Studio's security group reaches port 8998"
ADDRESS = "The master node has an address"
LIVY = "Livy answers"
STATEMENT = "A PySpark statement runs"
FROM_STUDIO = {
    "IpProtocol": "tcp",
    "FromPort": 8998,
    "ToPort": 8998,
    "UserIdGroupPairs": [{"GroupId": STUDIO}],
}
EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture
def livy(monkeypatch):
    with SessionsLivy() as server:
        monkeypatch.setattr(connection_proof, "_client", lambda cluster: LivyClient(server.url))
        yield server


def cluster(**changed):
    return {
        "Id": CLUSTER,
        "Status": {"State": "WAITING"},
        "MasterPublicDnsName": "127.0.0.1",
        "Applications": [{"Name": "Spark"}, {"Name": "Livy"}],
        "Ec2InstanceAttributes": {"EmrManagedMasterSecurityGroup": MASTER, "Ec2SubnetId": "subnet-1"},
        **changed,
    }


@pytest.fixture
def healthy(aws):
    """A cluster that Studio reaches; S3 takes one object."""

    def groups(request):
        ingress = [FROM_STUDIO] if request["GroupIds"] == [MASTER] else []
        rules = {"IpPermissions": ingress, "IpPermissionsEgress": [EVERYWHERE]}
        return {"SecurityGroups": [{"GroupId": request["GroupIds"][0], **rules}]}

    aws.on("DescribeCluster", {"Cluster": cluster()}).on("DescribeSecurityGroups", groups)
    aws.on("DescribeSubnets", {"Subnets": [{"CidrBlock": "10.42.16.0/20"}]})
    return aws.on("HeadObject", aws_error("404")).on("PutObject", {"ETag": '"1"'})


@pytest.fixture
def connect(run_task):
    def run():
        return run_task(
            lambda: SageMakerConnectNotebookOperator(
                task_id="connect",
                cluster_id=CLUSTER,
                studio_security_group_ids=[STUDIO],
                bucket="artifacts",
                timeout_seconds=5,
                aws_conn_id=None,
            )
        )

    return run


def verdicts(result):
    return {proof["name"]: proof["verdict"] for proof in result["proof"]}


def test_a_proven_connection_gives_snippet_and_notebook(healthy, livy, connect):
    result = connect()
    assert verdicts(result) == dict.fromkeys((READY, RULE, ADDRESS, LIVY, STATEMENT), "passed")
    assert f"--cluster-id {CLUSTER}" in result["snippet"]
    [put] = healthy.requests("PutObject")
    assert result["notebook"] == f"s3://artifacts/{put['Key']}"
    assert put["Key"].endswith(f"/{CLUSTER}.ipynb")
    assert json.loads(put["Body"])["nbformat"] == 4
    assert len(livy.deleted) == 1


def test_a_livy_without_sessions_is_not_checked_and_never_passed(healthy, livy, connect):
    livy.has_repl = False
    result = connect()
    assert verdicts(result)[STATEMENT] == "not checked"
    assert "Cannot find Livy REPL jars" in result["proof"][-1]["read"]


def test_rules_that_can_not_be_read_are_not_checked(healthy, livy, connect):
    healthy.on("DescribeSecurityGroups", aws_error("UnauthorizedOperation"))
    result = connect()
    assert verdicts(result)[RULE] == "not checked"
    assert verdicts(result)[STATEMENT] == "passed"


def broken_rules(**rules):
    empty = {"GroupId": "sg-1", "IpPermissions": [FROM_STUDIO], "IpPermissionsEgress": [EVERYWHERE]}
    return {"SecurityGroups": [{**empty, **rules}]}


@pytest.mark.parametrize(
    ("operation", "answer", "said", "fix"),
    [
        (
            "DescribeSecurityGroups",
            broken_rules(IpPermissions=[{**FROM_STUDIO, "UserIdGroupPairs": [{"GroupId": "sg-x"}]}]),
            "Cannot connect to livy service",
            f"inbound rule to {MASTER}: TCP 8998 from {STUDIO}",
        ),
        (
            "DescribeSecurityGroups",
            broken_rules(IpPermissions=[{**FROM_STUDIO, "ToPort": 8997, "FromPort": 1}]),
            "Cannot connect to livy service",
            f"inbound rule to {MASTER}",
        ),
        (
            "DescribeSecurityGroups",
            broken_rules(IpPermissionsEgress=[]),
            "No outbound rule",
            f"Let {STUDIO} out",
        ),
        (
            "DescribeCluster",
            {"Cluster": cluster(Status={"State": "TERMINATED"})},
            "TERMINATED",
            "another cluster",
        ),
        ("DescribeCluster", {"Cluster": cluster(Applications=[])}, "has no Livy", "catalog's product"),
        (
            "DescribeCluster",
            {"Cluster": cluster(MasterPublicDnsName="no-such-host.invalid")},
            "does not resolve",
            "DNS support",
        ),
    ],
    ids=["no rule", "another port", "no way out", "cluster ended", "no Livy", "no address"],
)
def test_what_is_broken_is_told_with_its_fix_and_nothing_handed_out(
    healthy, livy, connect, operation, answer, said, fix
):
    healthy.on(operation, answer)
    with pytest.raises(LivyUnreachable) as refused:
        connect()
    assert said in str(refused.value)
    assert fix in str(refused.value)
    assert healthy.requests("PutObject") == []
    assert livy.created == []


def test_a_livy_that_does_not_answer_fails(healthy, connect, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setattr(connection_proof, "_client", lambda cluster: LivyClient(url))
        with pytest.raises(LivyUnreachable, match="Cannot connect to livy service"):
            connect()


def test_a_statement_that_prints_something_else_fails_and_its_session_goes(healthy, livy, connect):
    livy.output = {"status": "ok", "data": {"text/plain": "999"}}
    with pytest.raises(LivyUnreachable, match="999"):
        connect()
    assert len(livy.deleted) == 1


def test_killing_the_task_deletes_its_session(healthy, livy, context):
    operator = SageMakerConnectNotebookOperator(
        task_id="connect",
        cluster_id=CLUSTER,
        studio_security_group_ids=[STUDIO],
        bucket="artifacts",
        aws_conn_id=None,
    )
    operator.execute(context)
    [asked] = livy.created
    livy.sessions[asked["name"]] = asked
    operator.on_kill()
    assert livy.deleted == [asked["name"], asked["name"]]
