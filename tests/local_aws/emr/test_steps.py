"""Steps: what is accepted, and spark-submit that really runs."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import describe, parameters, wait_for, wait_until_ended

pytestmark = pytest.mark.local_aws

BUCKET = "step-jobs"
STEP_SECONDS = 120
ENDED = ("COMPLETED", "CANCELLED", "FAILED")
COUNT = """
import sys
from beside import CARRIER
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.read.option("header", True).csv(sys.argv[1])
print("counted", rows.where(rows.carrier == CARRIER).count())
"""


def step(*args: str, name: str = "count", **more: Any) -> dict[str, Any]:
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", *args]}
    return {"Name": name, "HadoopJarStep": jar, "ActionOnFailure": "CONTINUE", **more}


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def states(emr: Any, cluster_id: str) -> dict[str, str]:
    steps = emr.list_steps(ClusterId=cluster_id)["Steps"]
    return {found["Name"]: found["Status"]["State"] for found in steps}


def status(emr: Any, cluster_id: str, step_id: str) -> dict[str, Any]:
    found: dict[str, Any] = emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]
    return found


def wait_until(emr: Any, cluster_id: str, step_id: str, *wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + STEP_SECONDS
    while (found := status(emr, cluster_id, step_id))["State"] not in wanted:
        assert found["State"] not in ENDED, found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def jobs(account: Callable[..., Any]) -> Any:
    """S3 with the scripts."""
    s3 = account("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, body in {
        "count.py": COUNT,
        "beside.py": "CARRIER = 'UA'",
        "flights.csv": "carrier,delay\nUA,1\nUA,2\nDL,3\n",
        "fail.py": "raise ValueError('no such airport: XYZ')",
        "sleep.py": "import time; time.sleep(600)",
    }.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return s3


@pytest.fixture(scope="module")
def cluster_id(emr: Any, jobs: Any) -> str:
    asked = parameters(Name="steps", LogUri=f"s3://{BUCKET}/logs/")
    started: str = emr.run_job_flow(**asked)["JobFlowId"]
    wait_for(emr, "cluster_running", started)
    return started


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"HadoopJarStep": {"Jar": "s3://bucket/own.jar"}}, "Jar s3://bucket/own.jar is not played"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar"}}, "only spark-submit"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["hive"]}}, "command-runner.jar hive"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar", "MainClass": "M"}}, "HadoopJarStep.MainClass"),
        (step("--deploy-mode", "cluster", "s3://b/job.py"), "--deploy-mode cluster is not played"),
        (step("--master=yarn", "s3://b/job.py"), "--master yarn is not played"),
        (step("s3://b/job.py", "x" * 10_300), "exceed 10240 characters"),
    ],
    ids=["jar", "nothing", "hive", "main class", "cluster mode", "yarn", "length"],
)
@pytest.mark.usefixtures("unhurried")
def test_a_step_that_can_not_be_played_is_refused_with_the_reason(
    emr: Any, changed: dict[str, Any], named: str
) -> None:
    started = emr.run_job_flow(**parameters())["JobFlowId"]
    code, message = refused(
        emr.add_job_flow_steps, JobFlowId=started, Steps=[step("s3://b/ok.py"), step() | changed]
    )
    assert code == "ValidationException"
    assert named in message
    assert states(emr, started) == {}
    emr.terminate_job_flows(JobFlowIds=[started])


def test_an_applications_own_arguments_are_not_looked_at(emr: Any) -> None:
    started = emr.run_job_flow(**parameters())["JobFlowId"]
    emr.add_job_flow_steps(JobFlowId=started, Steps=[step("s3://b/job.py", "cluster", "yarn")])
    emr.terminate_job_flows(JobFlowIds=[started])


def test_a_cluster_without_spark_takes_no_spark_step(emr: Any) -> None:
    asked = parameters(Applications=[{"Name": "Hadoop"}], Steps=[step("s3://b/job.py")])
    assert "Spark is not among its Applications" in refused(emr.run_job_flow, **asked)[1]


@pytest.mark.usefixtures("unhurried")
def test_steps_wait_for_a_cluster_that_starts_and_are_cancelled_with_it(emr: Any) -> None:
    started = emr.run_job_flow(**parameters())["JobFlowId"]
    steps = [step("s3://b/job.py", name=name) for name in ("first", "second", "third")]
    ids = emr.add_job_flow_steps(JobFlowId=started, Steps=steps)["StepIds"]
    assert [found["Id"] for found in emr.list_steps(ClusterId=started)["Steps"]] == ids[::-1]
    assert [found["Id"] for found in emr.list_steps(ClusterId=started, StepIds=ids)["Steps"]] == ids
    assert set(states(emr, started).values()) == {"PENDING"}
    answer = emr.cancel_steps(ClusterId=started, StepIds=[ids[0]])["CancelStepsInfoList"]
    assert answer == [{"StepId": ids[0], "Status": "SUBMITTED"}]
    assert status(emr, started, ids[0])["StateChangeReason"] == {"Message": "Cancelled by user"}
    emr.terminate_job_flows(JobFlowIds=[started])
    wait_until_ended(emr, started)
    assert set(states(emr, started).values()) == {"CANCELLED"}
    code, message = refused(emr.add_job_flow_steps, JobFlowId=started, Steps=steps)
    assert (code, "may not be modified" in message) == ("ValidationException", True)


def test_a_step_or_cluster_that_does_not_exist_is_refused(emr: Any, cluster_id: str) -> None:
    assert refused(emr.describe_step, ClusterId=cluster_id, StepId="s-ABCDEFGHIJKLM") == (
        "InvalidRequestException",
        "Step id 's-ABCDEFGHIJKLM' is not valid.",
    )
    assert refused(emr.add_job_flow_steps, JobFlowId="j-ABCDEFGHIJKLM", Steps=[])[0] == "ValidationException"


@pytest.mark.usefixtures("unhurried")
def test_more_steps_than_emr_allows_are_refused(emr: Any) -> None:
    started = emr.run_job_flow(**parameters())["JobFlowId"]
    emr.add_job_flow_steps(JobFlowId=started, Steps=[step("s3://b/job.py")] * 256)
    assert "256" in refused(emr.add_job_flow_steps, JobFlowId=started, Steps=[step("s3://b/job.py")])[1]
    first = emr.list_steps(ClusterId=started)
    assert len(first["Steps"]) == 50
    assert len(emr.list_steps(ClusterId=started, Marker=first["Marker"])["Steps"]) == 50
    emr.terminate_job_flows(JobFlowIds=[started])


@pytest.mark.runtime
def test_spark_submit_runs_and_its_logs_are_archived(emr: Any, jobs: Any, cluster_id: str) -> None:
    files = (
        "--py-files",
        f"s3://{BUCKET}/beside.py",
        f"s3://{BUCKET}/count.py",
        f"s3://{BUCKET}/flights.csv",
    )
    [step_id] = emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step(*files)])["StepIds"]
    wait_until(emr, cluster_id, step_id, "RUNNING")
    found = wait_until(emr, cluster_id, step_id, "COMPLETED")
    times = [found["Timeline"][f"{name}DateTime"] for name in ("Creation", "Start", "End")]
    assert times == sorted(set(times))

    def archived(name: str) -> str:
        key = f"logs/{cluster_id}/steps/{step_id}/{name}.gz"
        return gzip.decompress(jobs.get_object(Bucket=BUCKET, Key=key)["Body"].read()).decode()

    assert archived("stdout") == "counted 2\n"
    assert "exit code 0" in archived("controller")


@pytest.mark.runtime
def test_a_failed_step_cancels_what_waits_where_it_is_asked_to(emr: Any, cluster_id: str) -> None:
    failing = step(f"s3://{BUCKET}/fail.py", name="failing", ActionOnFailure="CANCEL_AND_WAIT")
    first, second = emr.add_job_flow_steps(
        JobFlowId=cluster_id, Steps=[failing, step(f"s3://{BUCKET}/sleep.py", name="behind it")]
    )["StepIds"]
    found = wait_until(emr, cluster_id, first, "FAILED")
    assert found["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "LogFile": f"s3://{BUCKET}/logs/{cluster_id}/steps/{first}/stderr.gz",
    }
    wait_until(emr, cluster_id, second, "CANCELLED")
    deadline = time.monotonic() + 10
    while describe(emr, cluster_id)["Status"]["State"] != "WAITING":
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.runtime
def test_a_running_step_is_cancelled_and_the_next_one_begins(emr: Any, cluster_id: str) -> None:
    sleeping = step(f"s3://{BUCKET}/sleep.py", name="sleeping")
    first, second = emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[sleeping, sleeping])["StepIds"]
    wait_until(emr, cluster_id, first, "RUNNING")
    assert status(emr, cluster_id, second)["State"] == "PENDING"
    emr.cancel_steps(ClusterId=cluster_id, StepIds=[first], StepCancellationOption="TERMINATE_PROCESS")
    wait_until(emr, cluster_id, first, "CANCELLED")
    [refusal] = emr.cancel_steps(ClusterId=cluster_id, StepIds=[second])["CancelStepsInfoList"]
    assert refusal["Status"] == "SUBMITTED"
    wait_until(emr, cluster_id, second, "CANCELLED")


@pytest.mark.runtime
def test_a_failed_step_ends_its_cluster_unless_told_otherwise(emr: Any, jobs: Any) -> None:
    failing = step(f"s3://{BUCKET}/fail.py")
    del failing["ActionOnFailure"]
    started = emr.run_job_flow(**parameters(Steps=[failing]))["JobFlowId"]
    ended = wait_until_ended(emr, started)
    assert ended["State"] == "TERMINATED_WITH_ERRORS"
    assert ended["StateChangeReason"]["Code"] == "STEP_FAILURE"
    assert states(emr, started) == {"count": "FAILED"}


@pytest.mark.runtime
def test_a_cluster_of_steps_ends_with_its_last_step(emr: Any, jobs: Any) -> None:
    job = (f"s3://{BUCKET}/count.py", f"s3://{BUCKET}/flights.csv")
    steps = [step("--py-files", f"s3://{BUCKET}/beside.py", *job)]
    asked = parameters(Steps=steps, Instances={"KeepJobFlowAliveWhenNoSteps": False})
    started = emr.run_job_flow(**asked)["JobFlowId"]
    ended = wait_until_ended(emr, started)
    assert ended["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    assert states(emr, started) == {"count": "COMPLETED"}
