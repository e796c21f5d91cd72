"""Training jobs through boto3: they run for real, and fail as SageMaker's do."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.script_mode import BUCKET, Ground, channel, revoke_s3, wait_while

pytestmark = pytest.mark.local_aws
Client = Callable[..., Any]


def finish(sagemaker: Any, name: str) -> dict[str, Any]:
    """Wait for a job's end; its description."""

    def look() -> str:
        return str(sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"])

    wait_while(look, "InProgress", "Stopping")
    described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return described


def reach(sagemaker: Any, name: str, secondary_status: str) -> None:
    """Wait until a job has come to a secondary status."""

    def look() -> str:
        return str(sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"])

    before = ("Starting", "Downloading", "Training", "Uploading")
    state = wait_while(look, *before[: before.index(secondary_status)])
    assert state == secondary_status


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of an error."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.mark.runtime
def test_a_training_job_runs_the_script_and_uploads_its_model(client: Client, ground: Ground) -> None:
    sagemaker, s3 = client("sagemaker"), client("s3")
    manifest = [{"prefix": f"s3://{BUCKET}/"}, "data/date=2013-02-01/part-0.csv"]
    s3.put_object(Bucket=BUCKET, Key="inputs/one.json", Body=json.dumps(manifest).encode())
    channels = [channel("train", f"s3://{BUCKET}/inputs/one.json", "ManifestFile")]
    sagemaker.create_training_job(**ground.training_job("complete", InputDataConfig=channels))

    job = finish(sagemaker, "complete")

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    states = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert states == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["TrainingStartTime"] < job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1
    (metric,) = job["FinalMetricDataList"]
    assert metric["MetricName"] == "train:mae"
    assert 0 < metric["Value"] < 3
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/output/complete/output/model.tar.gz"
    output = s3.get_object(Bucket=BUCKET, Key="output/complete/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(output)) as tar:
        evaluation = json.load(tar.extractfile("evaluation.json") or io.BytesIO())
    assert evaluation == {"mae": pytest.approx(metric["Value"], abs=1e-4), "host": "algo-1"}


@pytest.mark.runtime
def test_a_script_that_raises_fails_the_job_with_the_toolkits_reason(client: Client, ground: Ground) -> None:
    sagemaker, logs = client("sagemaker"), client("logs")
    request = ground.training_job("raises", hyperparameters={"behave": "raise"})
    sagemaker.create_training_job(**request)

    job = finish(sagemaker, "raises")

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1")
    assert job["FailureReason"].endswith("exit code: 1")
    events = logs.filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix="raises/",
        filterPattern='"ValueError: the"',
    )["events"]
    assert [event["message"] for event in events] == ["ValueError: the target column is missing"]
    missing = "output/raises/output/model.tar.gz"
    assert "404" in refused(client("s3").head_object, Bucket=BUCKET, Key=missing)[0]


@pytest.mark.runtime
def test_the_log_arrives_while_the_script_runs_and_stopping_ends_it(client: Client, ground: Ground) -> None:
    sagemaker, logs = client("sagemaker"), client("logs")
    sagemaker.create_training_job(**ground.training_job("stopped", hyperparameters={"behave": "sleep"}))
    reach(sagemaker, "stopped", "Training")
    group = "/aws/sagemaker/TrainingJobs"

    def said() -> str:
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not groups:
            return "nothing"
        found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="stopped/algo-1-")
        (name,) = [stream["logStreamName"] for stream in found["logStreams"]]
        events = logs.get_log_events(logGroupName=group, logStreamName=name)["events"]
        return "sleeping" if any(event["message"] == "sleeping" for event in events) else "nothing"

    wait_while(said, "nothing")
    sagemaker.stop_training_job(TrainingJobName="stopped")
    assert sagemaker.describe_training_job(TrainingJobName="stopped")["TrainingJobStatus"] in (
        "Stopping",
        "Stopped",
    )

    job = finish(sagemaker, "stopped")

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds() < 30
    code, message = refused(sagemaker.stop_training_job, TrainingJobName="stopped")
    assert (code, "status Stopped" in message) == ("ValidationException", True)


@pytest.mark.runtime
def test_a_job_longer_than_its_limit_is_stopped(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    limit = {"MaxRuntimeInSeconds": 2}
    request = ground.training_job("long", hyperparameters={"behave": "sleep"}, StoppingCondition=limit)
    sagemaker.create_training_job(**request)

    job = finish(sagemaker, "long")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_listed_object_that_is_missing_fails_the_download(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    manifest = [{"prefix": f"s3://{BUCKET}/data/"}, "date=2013-02-09/part-0.csv"]
    client("s3").put_object(Bucket=BUCKET, Key="inputs/gone.json", Body=json.dumps(manifest).encode())
    channels = [channel("train", f"s3://{BUCKET}/inputs/gone.json", "ManifestFile")]
    sagemaker.create_training_job(**ground.training_job("gone", InputDataConfig=channels))

    job = finish(sagemaker, "gone")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:NoSuchKey (404)")
    assert "date=2013-02-09/part-0.csv" in job["FailureReason"]


def test_a_stop_while_the_instances_start_trains_nothing(
    client: Client, ground: Ground, unhurried: None
) -> None:
    sagemaker = client("sagemaker")
    sagemaker.create_training_job(**ground.training_job("early"))
    sagemaker.stop_training_job(TrainingJobName="early")

    job = finish(sagemaker, "early")

    assert job["TrainingJobStatus"] == "Stopped"
    assert "TrainingStartTime" not in job


def test_a_job_name_is_used_once(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    arn = sagemaker.create_training_job(**ground.training_job("once"))["TrainingJobArn"]

    code, message = refused(sagemaker.create_training_job, **ground.training_job("once"))

    assert code == "ResourceInUse"
    assert arn in message
    sagemaker.stop_training_job(TrainingJobName="once")


def test_jobs_are_listed_in_order_by_status_and_name(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    for name in ("first-a", "second-a", "second-b"):
        sagemaker.create_training_job(**ground.training_job(name))
        sagemaker.stop_training_job(TrainingJobName=name)
        finish(sagemaker, name)

    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        StatusEquals="Stopped", SortOrder="Descending", PaginationConfig={"PageSize": 2}
    )
    names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert names == ["second-b", "second-a", "first-a"]
    found = sagemaker.list_training_jobs(NameContains="second", SortBy="Name", SortOrder="Ascending")
    assert [job["TrainingJobName"] for job in found["TrainingJobSummaries"]] == ["second-a", "second-b"]
    assert sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"] == []


def test_a_job_carries_tags(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    tags = [{"Key": "environment", "Value": "test"}]
    arn = sagemaker.create_training_job(**ground.training_job("tagged", Tags=tags))["TrainingJobArn"]
    sagemaker.stop_training_job(TrainingJobName="tagged")

    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "environment", "Value": "live"}])

    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "environment", "Value": "live"}]


# The execution role loses its permissions


def test_a_job_whose_role_may_not_list_its_data_is_refused(client: Client, ground: Ground) -> None:
    revoke_s3(client("iam"))
    code, message = refused(client("sagemaker").create_training_job, **ground.training_job("refused"))
    assert code == "ValidationException"
    assert f'the role "{ground.role_arn}" has "s3:ListBucket" permissions' in message


@pytest.mark.parametrize("by", ["policy", "role"])
@pytest.mark.usefixtures("unhurried")
def test_a_role_revoked_before_the_data_is_read_fails_the_job(
    client: Client, ground: Ground, by: str
) -> None:
    sagemaker, iam = client("sagemaker"), client("iam")
    sagemaker.create_training_job(**ground.training_job("revoked"))
    revoke_s3(iam)
    if by == "role":
        iam.delete_role(RoleName="execution")

    job = finish(sagemaker, "revoked")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:AccessDenied (403)")
    assert ground.role_arn in job["FailureReason"]
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-2:] == ["Downloading", "Failed"]


@pytest.mark.runtime
def test_a_role_revoked_while_the_script_runs_fails_the_job_at_its_upload(
    client: Client, ground: Ground
) -> None:
    sagemaker, s3 = client("sagemaker"), client("s3")
    sagemaker.create_training_job(**ground.training_job("revoked"))
    reach(sagemaker, "revoked", "Training")
    revoke_s3(client("iam"))

    job = finish(sagemaker, "revoked")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:AccessDenied (403)")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="output/revoked/")


def test_an_unknown_job_is_not_found(client: Client) -> None:
    code, message = refused(client("sagemaker").describe_training_job, TrainingJobName="nobody")
    assert (code, message) == ("ValidationException", "Requested resource not found.")


REFUSALS = {
    "role": ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
    "image": (
        {
            "AlgorithmSpecification": {
                "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
                "TrainingInputMode": "File",
            }
        },
        "plays sagemaker-xgboost:3.0-5 only",
    ),
    "data": ({"InputDataConfig": [channel("train", f"s3://{BUCKET}/nothing/")]}, "No S3 objects found under"),
    "name": (
        {"TrainingJobName": "no_underscores"},
        "constraint: Member must satisfy regular expression",
    ),
    "script": ({"HyperParameters": {"num_round": "5"}}, "hyperparameter sagemaker_program is missing"),
    "spot": ({"EnableManagedSpotTraining": True}, "EnableManagedSpotTraining = True is not played"),
    "vpc": (
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
        "CreateTrainingJob.VpcConfig is not played",
    ),
}


@pytest.mark.parametrize(("change", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_request_that_cannot_be_met_is_refused(
    client: Client, ground: Ground, change: dict[str, Any], reason: str
) -> None:
    sagemaker = client("sagemaker")

    code, message = refused(sagemaker.create_training_job, **(ground.training_job("refused") | change))

    assert code == "ValidationException"
    assert reason in message
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
