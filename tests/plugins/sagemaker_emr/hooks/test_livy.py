from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from sagemaker_emr.exceptions import ClusterFailed, InvalidInput, LivyUnreachable, SparkJobFailed
from sagemaker_emr.hooks.livy import LivyClient, LivyHook
from tests.plugins.sagemaker_emr.conftest import ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.livy_server import FakeLivy

FILE = "s3://artifacts/code/spark/prepare_features.py"


@pytest.fixture
def livy() -> Iterator[FakeLivy]:
    with FakeLivy() as server:
        yield server


@pytest.fixture
def client(livy: FakeLivy) -> LivyClient:
    return LivyClient(livy.url)


def test_version(client: LivyClient) -> None:
    assert client.version()["version"] == "0.7.1-incubating"


def test_a_submitted_batch_is_found_by_name_and_by_id(client: LivyClient, livy: FakeLivy) -> None:
    batch = client.submit_batch(
        name="b-1",
        file=FILE,
        args=["--days", "3"],
        conf={"spark.x": "1"},
        allowed_conf={"spark.x"},
    )
    assert batch is not None
    assert livy.submitted == [
        {"name": "b-1", "file": FILE, "args": ["--days", "3"], "conf": {"spark.x": "1"}}
    ]
    by_name, by_id = client.get_batch("b-1"), client.get_batch(batch["id"])
    assert by_name is not None
    assert by_id is not None
    assert by_name["id"] == by_id["id"] == batch["id"]


def test_a_duplicate_name_is_told_apart_from_a_refusal(client: LivyClient) -> None:
    assert client.submit_batch(name="b-1", file=FILE)
    assert client.submit_batch(name="b-1", file=FILE) is None
    with pytest.raises(SparkJobFailed, match="too many sessions"):
        client.submit_batch(name="b-2", file="s3://artifacts/refused.py")


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "local:///opt/job.py", "http://host/job.py", "s3://bucket", "s3://b!d/job.py", ""]
)
def test_only_files_in_s3_are_submitted(client: LivyClient, livy: FakeLivy, file: str) -> None:
    with pytest.raises(InvalidInput, match="only s3://"):
        client.submit_batch(name="b-1", file=file)
    with pytest.raises(InvalidInput, match="only s3://"):
        client.submit_batch(name="b-1", file=FILE, py_files=[file])
    assert not livy.requests


def test_configuration_outside_the_callers_list_is_refused(client: LivyClient, livy: FakeLivy) -> None:
    conf = {"spark.executor.memory": "2g", "spark.jars.packages": "evil:jar:1"}
    with pytest.raises(InvalidInput, match=r"spark\.jars\.packages"):
        client.submit_batch(name="b-1", file=FILE, conf=conf, allowed_conf=["spark.executor.memory"])
    assert not livy.requests


def test_all_batches_are_listed_page_by_page(client: LivyClient, livy: FakeLivy) -> None:
    names = [f"b-{number}" for number in range(5)]
    for name in names:
        livy.add(name, ["running"])
    assert [batch["name"] for batch in client.batches(page_size=2)] == names
    assert livy.requests.count(("GET", "/batches")) == 3


def test_an_unknown_batch_is_none(client: LivyClient) -> None:
    assert client.get_batch("b-9") is None


def test_deleting_frees_the_name_and_can_be_repeated(client: LivyClient, livy: FakeLivy) -> None:
    client.submit_batch(name="b-1", file=FILE)
    client.delete_batch("b-1")
    client.delete_batch("b-1")
    assert livy.deleted == ["b-1"]
    assert client.submit_batch(name="b-1", file=FILE)


def test_every_page_of_the_log_is_read(client: LivyClient, livy: FakeLivy) -> None:
    livy.log = [f"line {number}" for number in range(23)]
    batch = client.submit_batch(name="b-1", file=FILE)
    assert batch is not None
    assert client.batch_log_lines(batch["id"], page_lines=10)[1:24] == livy.log
    assert sum(path.endswith("/log") for _, path in livy.requests) == 3


def test_a_server_error_may_pass(client: LivyClient, livy: FakeLivy) -> None:
    livy.broken = True
    with pytest.raises(requests.ConnectionError, match="NullPointerException"):
        client.get_batch("b-1")


def test_a_post_is_never_sent_twice(client: LivyClient, livy: FakeLivy) -> None:
    livy.lose_next_answer = True
    with pytest.raises(requests.ConnectionError):
        client.submit_batch(name="b-1", file=FILE)
    assert livy.requests == [("POST", "/batches")]


def test_proxies_of_the_environment_are_ignored(client: LivyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert client.version()


def test_another_server_on_the_port_is_named(client: LivyClient, livy: FakeLivy) -> None:
    client.submit_batch(name="b-1", file=FILE)
    livy.view = lambda batch, advance=True: None  # type: ignore[assignment, method-assign]
    with pytest.raises(LivyUnreachable, match="not as Livy does"):
        client._json(requests.get(f"{livy.url}/nothing/here", timeout=5))


def cluster(state: str, **fields: object) -> dict[str, object]:
    reason = {"Code": "INTERNAL_ERROR", "Message": "EC2 took the instance"}
    return {
        "Cluster": {
            "Id": "j-1",
            "Name": "c",
            "Status": {"State": state, "StateChangeReason": reason},
            **fields,
        }
    }


def test_the_address_is_the_master_node(aws: ScriptedAws) -> None:
    aws.on(
        "DescribeCluster",
        cluster("WAITING", MasterPublicDnsName="ip-10-0-0-1.ec2.internal"),
    )
    assert LivyHook(aws_conn_id=None).livy_url("j-1") == "http://ip-10-0-0-1.ec2.internal:8998"


@pytest.mark.parametrize("state", ["TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"])
def test_an_ended_cluster_says_why_it_ended(aws: ScriptedAws, state: str) -> None:
    aws.on("DescribeCluster", cluster(state))
    with pytest.raises(ClusterFailed, match="INTERNAL_ERROR: EC2 took the instance"):
        LivyHook(aws_conn_id=None).livy_url("j-1")


def test_a_cluster_without_a_master_node_is_waited_for_first(aws: ScriptedAws) -> None:
    aws.on("DescribeCluster", cluster("STARTING"))
    with pytest.raises(ClusterFailed, match="no master node yet"):
        LivyHook(aws_conn_id=None).livy_url("j-1")


@pytest.mark.parametrize(
    ("log_uri", "hint"),
    [
        ("s3://aws-logs/emr/", "s3://aws-logs/emr/j-1/containers/application_1_0001/"),
        (None, "Livy batch's log on the cluster"),
    ],
)
def test_the_hint_names_the_drivers_log(aws: ScriptedAws, log_uri: str | None, hint: str) -> None:
    fields = {"LogUri": log_uri} if log_uri else {}
    aws.on("DescribeCluster", cluster("RUNNING", **fields))
    assert hint in LivyHook(aws_conn_id=None).log_hint("j-1", "application_1_0001")


def test_the_hint_never_fails(aws: ScriptedAws) -> None:
    aws.on("DescribeCluster", aws_error("InvalidRequestException"))
    assert LivyHook(aws_conn_id=None).log_hint("j-1", "application_1_0001")
