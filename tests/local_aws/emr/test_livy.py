"""A cluster's Livy and Spark are real: one cluster for all of these tests, ended by the last."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import requests

from local_aws.emr import releases
from local_aws.emr.forwarder import LOOK_SECONDS

from .conftest import parameters, wait_for

pytestmark = [pytest.mark.local_aws, pytest.mark.runtime]

BUCKET = "spark-jobs"
TIMEOUT_SECONDS = 10
JOB_SECONDS = 120

COUNT = """
import sys, boto3
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
raw, counts = sys.argv[1:]
spark.read.option("header", True).csv(raw).groupBy("carrier").count().write.parquet(counts)
boto3.client("s3").put_object(Bucket="spark-jobs", Key="done.txt", Body=spark.version)
print("counted", spark.read.parquet(counts.replace("s3://", "s3a://")).count())
"""


AIRFLOW, STUDIO = "127.0.0.1", "127.0.0.2"


def attempt(host: str, source: str = AIRFLOW) -> str:
    """What becomes of a connection to Livy's port: connected, refused, or no answer."""
    with socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(0.5)
        try:
            connection.connect((host, 8998))
        except TimeoutError:
            return "no answer"
        except ConnectionRefusedError:
            return "refused"
    return "connected"


def answers(livy: str) -> bool:
    try:
        return requests.get(f"{livy}/version", timeout=TIMEOUT_SECONDS).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def master_group(account: Callable[..., Any]) -> str:
    """The master's group, which admits the groups of Airflow and of Studio on Livy's port."""
    ec2 = account("ec2")
    made = {
        name: ec2.create_security_group(GroupName=name, Description=name)["GroupId"]
        for name in ("EmrMaster", "AirflowSecurityGroup", "StudioSecurityGroup")
    }
    for name in ("AirflowSecurityGroup", "StudioSecurityGroup"):
        ec2.authorize_security_group_ingress(GroupId=made["EmrMaster"], IpPermissions=[livy_from(made[name])])
    return made["EmrMaster"]


def livy_from(group_id: str) -> dict[str, Any]:
    """The rule that admits a group on Livy's port."""
    pairs = [{"GroupId": group_id}]
    return {"IpProtocol": "tcp", "FromPort": 8998, "ToPort": 8998, "UserIdGroupPairs": pairs}


@pytest.fixture(scope="module")
def cluster(emr: Any, account: Callable[..., Any], master_group: str) -> dict[str, Any]:
    s3 = account("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="raw/flights.csv", Body="carrier,delay\nUA,1\nUA,2\nDL,3\n")
    s3.put_object(Bucket=BUCKET, Key="count.py", Body=COUNT)
    s3.put_object(Bucket=BUCKET, Key="fail.py", Body="raise ValueError('no such airport: XYZ')")
    s3.put_object(Bucket=BUCKET, Key="sleep.py", Body="import time; time.sleep(600)")
    asked = parameters(
        Applications=[{"Name": "Spark"}, {"Name": "Livy"}],
        Configurations=[
            {"Classification": "livy-conf", "Properties": {"livy.server.session.timeout": "2h"}},
            {"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}},
        ],
        Instances={
            "EmrManagedMasterSecurityGroup": master_group,
            "EmrManagedSlaveSecurityGroup": master_group,
        },
    )
    return wait_for(emr, "cluster_running", emr.run_job_flow(**asked)["JobFlowId"])


@pytest.fixture(scope="module")
def livy(cluster: dict[str, Any]) -> str:
    return f"http://{cluster['MasterPublicDnsName']}:8998"


def submit(livy: str, script: str, **more: Any) -> requests.Response:
    batch = {"file": f"s3://{BUCKET}/{script}", **more}
    return requests.post(f"{livy}/batches", json=batch, timeout=TIMEOUT_SECONDS)


def get(livy: str, path: str) -> dict[str, Any]:
    answer = requests.get(f"{livy}/{path}", timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def end_of(livy: str, batch_id: int) -> tuple[str, str]:
    """Wait for a batch's end: its state and log."""
    deadline = time.monotonic() + JOB_SECONDS
    while (state := get(livy, f"batches/{batch_id}/state")["state"]) in ("starting", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return state, "\n".join(get(livy, f"batches/{batch_id}/log?size=-1")["log"])


def test_it_is_apache_livy(livy: str) -> None:
    version = get(livy, "version")
    assert version["version"].removesuffix("-incubating") == releases.versions()["Livy"]
    assert "livy" in version["url"]


def test_each_cluster_is_on_loopback_with_an_address_of_its_own(cluster: dict[str, Any]) -> None:
    address = cluster["MasterPublicDnsName"]
    assert address.startswith("127.")
    assert address != "127.0.0.1"


def test_a_batch_reads_and_writes_s3_and_its_name_is_taken_then(
    livy: str, account: Callable[..., Any]
) -> None:
    paths = [f"s3://{BUCKET}/raw/", f"s3://{BUCKET}/counts"]
    batch = submit(livy, "count.py", args=paths, name="prepare-2013-01-01")
    assert batch.status_code == 201
    state, log = end_of(livy, batch.json()["id"])
    assert state == "success", log
    assert "counted 2" in log
    s3 = account("s3")
    assert s3.get_object(Bucket=BUCKET, Key="done.txt")["Body"].read().startswith(b"3.5.")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="counts/")["Contents"]]
    assert any(key.endswith(".parquet") for key in keys)
    again = submit(livy, "count.py", args=paths, name="prepare-2013-01-01")
    assert again.status_code == 400
    assert get(livy, "batches/prepare-2013-01-01")["id"] == batch.json()["id"]


def test_a_failing_batch_shows_its_exception(livy: str) -> None:
    state, log = end_of(livy, submit(livy, "fail.py").json()["id"])
    assert state == "dead"
    assert "ValueError: no such airport: XYZ" in log


def test_a_connection_without_a_rule_gets_no_answer(
    account: Callable[..., Any], cluster: dict[str, Any], master_group: str, livy: str
) -> None:
    ec2, host = account("ec2"), cluster["MasterPublicDnsName"]
    kept = requests.Session()
    assert kept.get(f"{livy}/version", timeout=TIMEOUT_SECONDS).ok
    assert [attempt(host, source) for source in (AIRFLOW, STUDIO, "127.0.0.3")] == [
        "connected",
        "connected",
        "no answer",
    ]
    [studio] = ec2.describe_security_groups(GroupNames=["StudioSecurityGroup"])["SecurityGroups"]
    rule = livy_from(studio["GroupId"])
    ec2.revoke_security_group_ingress(GroupId=master_group, IpPermissions=[rule])
    time.sleep(2 * LOOK_SECONDS)
    assert (attempt(host, AIRFLOW), attempt(host, STUDIO)) == ("connected", "no answer")
    ec2.authorize_security_group_ingress(GroupId=master_group, IpPermissions=[rule])
    time.sleep(2 * LOOK_SECONDS)
    assert attempt(host, STUDIO) == "connected"
    assert kept.get(f"{livy}/version", timeout=TIMEOUT_SECONDS).ok


def test_livy_comes_back_when_it_dies(emr: Any, cluster: dict[str, Any], livy: str) -> None:
    [server] = [process for process in psutil.process_iter() if "LivyServer" in _of_cluster(process, cluster)]
    server.kill()
    server.wait(5)
    deadline = time.monotonic() + 30
    while not answers(livy):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert get(livy, "batches")["total"] == 0
    assert emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"]["Status"]["State"] == "WAITING"


def test_a_terminated_cluster_is_gone(emr: Any, cluster: dict[str, Any], livy: str) -> None:
    batch_id = submit(livy, "sleep.py").json()["id"]
    while get(livy, f"batches/{batch_id}/state")["state"] != "running":
        time.sleep(0.1)
    time.sleep(2)  # the driver's Python process is up by then
    emr.terminate_job_flows(JobFlowIds=[cluster["Id"]])
    assert wait_for(emr, "cluster_terminated", cluster["Id"])["Status"]["State"] == "TERMINATED"
    assert attempt(cluster["MasterPublicDnsName"]) == "refused"
    left = [process for process in psutil.process_iter() if cluster["Id"] in " ".join(_command(process))]
    assert left == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.cwd()]
    except psutil.Error:
        return []


def _of_cluster(process: psutil.Process, cluster: dict[str, Any]) -> str:
    words = _command(process)
    return " ".join(words) if cluster["Id"] in " ".join(words) else ""
