"""Jobs and endpoints of the embedded SageMaker, met in the states that an earlier try left them in."""

from __future__ import annotations

import json

import pytest

from sagemaker_emr.exceptions import EndpointFailed
from sagemaker_emr.operators.sagemaker_endpoint import SageMakerDeployEndpointOperator
from sagemaker_emr.operators.sagemaker_training import SageMakerTrainModelOperator
from tests.airflow_names import TaskDeferred
from tests.local_aws.conftest import client, make_client
from tests.local_aws.sagemaker.conftest import ground, served_model, trained_model
from tests.local_aws.sagemaker.script_mode import BUCKET, INFERENCE, TRAIN, archive, wait_while
from tests.plugins.sagemaker_emr.conftest import reloaded

__all__ = ["client", "ground", "make_client", "served_model", "trained_model"]

pytestmark = [pytest.mark.local_aws, pytest.mark.runtime]

ENDPOINT = "flight-delay"
DAYS = ("2013-02-01", "2013-02-02")


@pytest.fixture
def deploy(client, served_model, endpoint_url, monkeypatch, run_task):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="group",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [served_model.container()],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]

    def run():
        return run_task(
            lambda: SageMakerDeployEndpointOperator(
                task_id="deploy",
                environment="dev",
                endpoint_name=ENDPOINT,
                model_package_arn=arn,
                role_arn=served_model.role_arn,
                aws_conn_id=None,
                deferrable=True,
                timeout_seconds=120,
            )
        )

    return run


def test_an_endpoint_that_failed_is_deleted_and_created_anew_with_the_same_configuration(
    deploy, client, trained_model
):
    s3, sagemaker = client("s3"), client("sagemaker")
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"no archive")
    with pytest.raises(EndpointFailed, match="is Failed"):
        deploy()
    failed = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert failed["EndpointStatus"] == "Failed"
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=trained_model)
    assert deploy()["endpoint_config_name"] == failed["EndpointConfigName"]
    assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


@pytest.fixture
def deploying(client, served_model, endpoint_url, monkeypatch, context):
    """``deploying(day)``: the trigger of a run that deploys a model trained until that day."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")

    def start(day):
        arn = sagemaker.create_model_package(
            ModelPackageGroupName="group",
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [served_model.container()],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
                "SupportedTransformInstanceTypes": ["ml.m5.large"],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={"trained_until": day},
        )["ModelPackageArn"]
        with pytest.raises(TaskDeferred) as deferred:
            SageMakerDeployEndpointOperator(
                task_id="deploy",
                environment="dev",
                endpoint_name=ENDPOINT,
                model_package_arn=arn,
                role_arn=served_model.role_arn,
                model_environment={"TRAINED_UNTIL": day},
                aws_conn_id=None,
                deferrable=True,
                timeout_seconds=120,
            ).execute(context)
        return reloaded(deferred.value.trigger)

    return start


@pytest.mark.parametrize(
    "days", [("2013-02-14", "2013-02-15"), ("2013-02-15", "2013-02-14")], ids=["older first", "newer first"]
)
def test_of_two_runs_that_deploy_at_once_the_newer_model_serves_in_the_end(deploying, client, days):
    sagemaker = client("sagemaker")
    waiting = {day: deploying(day) for day in days}
    results = dict.fromkeys(days)
    while None in results.values():
        for day, trigger in waiting.items():
            results[day] = results[day] or trigger.look()
    endpoint = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert endpoint["EndpointStatus"] == "InService"
    assert results["2013-02-14"]["endpoint_config_name"] != results["2013-02-15"]["endpoint_config_name"]
    assert endpoint["EndpointConfigName"] == results["2013-02-15"]["endpoint_config_name"]
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def test_after_a_kill_the_next_try_waits_for_the_stopping_job_and_trains_anew(
    client, ground, endpoint_url, monkeypatch, run_task, context
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    s3, sagemaker = client("s3"), client("sagemaker")
    s3.create_bucket(Bucket="features")
    for day in DAYS:
        folder = f"flights/date={day}"
        part = s3.put_object(Bucket="features", Key=f"{folder}/b-1/part-0.csv", Body=b"1,1,1\n2,2,2\n")
        file = {"key": f"{folder}/b-1/part-0.csv", "etag": part["ETag"], "size": 12}
        manifest = {"files": [file], "rows": 2, "schema_hash": "s"}
        s3.put_object(Bucket="features", Key=f"{folder}/_manifest.json", Body=json.dumps(manifest))
    code_key = f"code/training/{'c' * 64}/sourcedir.tar.gz"
    stubborn = TRAIN.replace(
        "time.sleep(60)", "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    )
    code = archive({"train.py": stubborn, "inference.py": INFERENCE})
    s3.put_object(Bucket=BUCKET, Key=code_key, Body=code)

    def operator(behave):
        return SageMakerTrainModelOperator(
            task_id="train",
            environment="dev",
            bucket=BUCKET,
            features_uri="s3://features/flights",
            training_window=(DAYS[0], DAYS[0]),
            evaluation_window=(DAYS[1], DAYS[1]),
            code_uri=f"s3://{BUCKET}/{code_key}",
            role_arn=ground.role_arn,
            hyperparameters={"num_round": 2, "behave": behave},
            aws_conn_id=None,
            deferrable=True,
            timeout_seconds=120,
        )

    killed = operator("sleep")
    with pytest.raises(TaskDeferred):
        killed.execute(context)
    wait_while(lambda: secondary_status(sagemaker), "Pending", "Starting", "Downloading")
    killed.on_kill()
    assert statuses(sagemaker)[0] in ("Stopping", "Stopped")

    result = run_task(lambda: operator("well"))

    assert statuses(sagemaker) == ["Stopped", "Completed"]
    assert result["job_name"].endswith("-2")


def secondary_status(sagemaker):
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    return sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])["SecondaryStatus"]


def statuses(sagemaker):
    jobs = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Ascending")
    return [job["TrainingJobStatus"] for job in jobs["TrainingJobSummaries"]]
