from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_emr.exceptions import ModelRejected, ResourceConflict, TrainingFailed
from sagemaker_emr.operators.sagemaker_model import (
    SageMakerEvaluateModelOperator,
    SageMakerRegisterModelOperator,
    check_beats_baselines,
    table,
)
from tests.plugins.sagemaker_emr.conftest import Run, ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

GROUP = "sagemaker-emr-dev-flight-delay"
GROUP_ARN = f"arn:aws:sagemaker:us-east-1:123456789012:model-package-group/{GROUP}"
PACKAGE = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/"
TRAINING: dict[str, Any] = {
    "job_name": "job-1",
    "job_arn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job-1",
    "model_data": "s3://artifacts/training/job-1/output/model.tar.gz",
    "output_data": "s3://artifacts/training/job-1/output/output.tar.gz",
    "image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
    "code_uri": f"s3://artifacts/code/training/{'c' * 64}/sourcedir.tar.gz",
    "code_hash": "c" * 64,
    "partition_etags": {"2013-02-14": "e1", "2013-02-15": "e2"},
}
EVALUATION: dict[str, Any] = {
    "rmse": 17.6,
    "baseline_rmse": 19.1,
    "baselines": {"mean": 20.0, "route_mean": 19.1},
    "evaluation_rows": 2500,
    "training_rows": 60000,
    "training_dates": ["2013-02-14"],
    "evaluation_dates": ["2013-02-15", "2013-02-16"],
}
JUDGED = EVALUATION | {
    "job_name": "job-1",
    "evaluation_uri": "s3://artifacts/evaluations/job-1/evaluation.json",
    "predictions_uri": "s3://artifacts/evaluations/job-1/predictions.jsonl",
}
ROW = {"features": {"distance": 1400, "wind": None}, "actual": -3.0, "prediction": -4.5}


@pytest.fixture
def s3(aws: ScriptedAws) -> MemoryS3:
    return MemoryS3(aws)


def put_output(s3: MemoryS3, evaluation: dict[str, Any]) -> None:
    files = {"evaluation.json": json.dumps(evaluation), "predictions.jsonl": json.dumps(ROW)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    s3.put(TRAINING["output_data"], packed.getvalue())


def evaluate() -> SageMakerEvaluateModelOperator:
    return SageMakerEvaluateModelOperator(task_id="evaluate_model", aws_conn_id=None, training=TRAINING)


def test_a_model_that_beats_its_baselines_passes(run_task: Run, s3: MemoryS3) -> None:
    put_output(s3, EVALUATION)
    assert run_task(evaluate) == JUDGED
    assert json.loads(s3.get(JUDGED["evaluation_uri"])) == EVALUATION
    assert json.loads(s3.get(JUDGED["predictions_uri"])) == ROW


def test_a_model_that_does_not_is_rejected_by_how_much(run_task: Run, s3: MemoryS3) -> None:
    put_output(s3, EVALUATION | {"rmse": 19.5})
    with pytest.raises(ModelRejected, match=r"route_mean 19\.100 \(model worse by 0\.400\)") as caught:
        run_task(evaluate)
    assert "mean 20" not in str(caught.value)
    assert JUDGED["evaluation_uri"] in s3.objects, "a refused model can be looked at"


def test_as_good_as_a_baseline_is_not_better() -> None:
    with pytest.raises(ModelRejected):
        check_beats_baselines(EVALUATION | {"rmse": 19.1}, "job-1")


def test_a_job_without_an_evaluation_can_not_be_judged(run_task: Run, s3: MemoryS3) -> None:
    with pytest.raises(TrainingFailed, match="does not exist"):
        run_task(evaluate)


def test_the_table_shows_model_and_baselines_by_error() -> None:
    lines = table(EVALUATION).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["model", "route_mean", "mean"]
    assert lines[3].split()[1:] == ["19.100", "+1.500"]


class Registry:
    """A model package group and its versions."""

    def __init__(self, aws: ScriptedAws, group_exists: bool = True) -> None:
        self.packages: list[dict[str, Any]] = []
        group = {
            "ModelPackageGroupName": GROUP,
            "ModelPackageGroupArn": GROUP_ARN,
            "CreationTime": datetime.now(UTC),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }
        missing = aws_error("ValidationException", f"ModelPackageGroup {GROUP_ARN} does not exist.")
        aws.on("DescribeModelPackageGroup", group if group_exists else missing)
        aws.on("CreateModelPackageGroup", {"ModelPackageGroupArn": GROUP_ARN})
        aws.on("ListModelPackages", lambda request: {"ModelPackageSummaryList": self.packages})
        aws.on("CreateModelPackage", self._create)

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = f"{PACKAGE}{len(self.packages) + 1}"
        self.add(arn, request["ModelPackageDescription"])
        return {"ModelPackageArn": arn}

    def add(self, arn: str, description: str, status: str = "Completed") -> None:
        package = {
            "ModelPackageArn": arn,
            "ModelPackageDescription": description,
            "ModelPackageStatus": status,
        }
        self.packages.insert(0, package | {"CreationTime": datetime.now(UTC)})


def register(**changes: Any) -> SageMakerRegisterModelOperator:
    parameters = {"training": TRAINING, "evaluation": JUDGED, **changes}
    return SageMakerRegisterModelOperator(
        task_id="register_model",
        aws_conn_id=None,
        environment="dev",
        bucket="artifacts",
        model_package_group=GROUP,
        **parameters,
    )


def test_a_package_tells_where_its_model_comes_from(run_task: Run, aws: ScriptedAws, s3: MemoryS3) -> None:
    Registry(aws)
    assert run_task(register) == {"model_package_arn": f"{PACKAGE}1", "version": 1}

    [request] = aws.requests("CreateModelPackage")
    [container] = request["InferenceSpecification"]["Containers"]
    assert container == {
        "Image": TRAINING["image"],
        "ModelDataUrl": TRAINING["model_data"],
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": TRAINING["code_uri"],
            "SAGEMAKER_REGION": "us-east-1",
        },
    }
    metadata = request["CustomerMetadataProperties"]
    assert metadata["training_job"] == "job-1"
    assert metadata["code_hash"] == "c" * 64
    assert metadata["trained_until"] == "2013-02-14"
    assert metadata["partitions_digest"] in metadata["partitions_uri"]
    assert json.loads(s3.get(metadata["partitions_uri"])) == TRAINING["partition_etags"]
    assert request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == JUDGED["evaluation_uri"]
    assert request["ModelApprovalStatus"] == "Approved"
    assert len(request["ClientToken"]) <= 36
    assert "Tags" not in request, "a version in a group can't have tags of its own"


def test_the_group_is_made_where_it_is_missing(run_task: Run, aws: ScriptedAws, s3: MemoryS3) -> None:
    Registry(aws, group_exists=False)
    run_task(register)
    [request] = aws.requests("CreateModelPackageGroup")
    assert request["ModelPackageGroupName"] == GROUP
    assert "ModelPackageGroupDescription" not in request


def test_what_a_model_is_and_where_it_may_run_are_the_dags_words(
    run_task: Run, aws: ScriptedAws, s3: MemoryS3
) -> None:
    Registry(aws, group_exists=False)
    run_task(lambda: register(description="Minutes late", inference_instance_types=["ml.c5.large"]))
    assert aws.requests("CreateModelPackageGroup")[0]["ModelPackageGroupDescription"] == "Minutes late"
    specification = aws.requests("CreateModelPackage")[0]["InferenceSpecification"]
    assert specification["SupportedRealtimeInferenceInstanceTypes"] == ["ml.c5.large"]
    assert specification["SupportedTransformInstanceTypes"] == ["ml.c5.large"]


def test_the_same_training_job_has_one_package(run_task: Run, aws: ScriptedAws, s3: MemoryS3) -> None:
    registry = Registry(aws)
    first = run_task(register)
    registry.add(f"{PACKAGE}2", "Model of training job job-2")
    assert run_task(register) == first
    assert len(aws.requests("CreateModelPackage")) == 1


def test_a_package_that_failed_is_not_taken_for_the_models(
    run_task: Run, aws: ScriptedAws, s3: MemoryS3
) -> None:
    Registry(aws).add(f"{PACKAGE}1", "Model of training job job-1", status="Failed")
    assert run_task(register)["version"] == 2


def test_an_evaluation_of_another_model_is_refused(run_task: Run, aws: ScriptedAws, s3: MemoryS3) -> None:
    with pytest.raises(ResourceConflict, match="job-0"):
        run_task(lambda: register(evaluation=JUDGED | {"job_name": "job-0"}))
