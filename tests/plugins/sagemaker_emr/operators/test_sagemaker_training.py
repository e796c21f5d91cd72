from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_emr import names
from sagemaker_emr.exceptions import (
    STAGE_AGAIN,
    DeadlineExceeded,
    InvalidInput,
    SageMakerEmrError,
    StagedFileGone,
    TrainingFailed,
    UnknownState,
)
from sagemaker_emr.operators.sagemaker_training import SageMakerTrainModelOperator
from sagemaker_emr.triggers.sagemaker_training import SageMakerTrainingJobTrigger
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import DAG_ID, RUN_ID, Run, ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"
ROLE = "arn:aws:iam::123456789012:role/execution"
CODE = f"s3://artifacts/code/training/{'c' * 64}/sourcedir.tar.gz"
DAYS = ["2013-02-12", "2013-02-13", "2013-02-14", "2013-02-15"]

both = pytest.mark.parametrize("deferrable", [True, False])


def name(generation: int) -> str:
    return names.derive("train-model", "dev", DAG_ID, RUN_ID, generation=generation)


class Jobs:
    """Training jobs whose states are a script: each DescribeTrainingJob moves on by one."""

    def __init__(self, aws: ScriptedAws) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.script = ["InProgress", "InProgress", "Completed"]
        self.lines: list[str] = []
        self.failure_reason = "AlgorithmError: no rows"
        aws.on("CreateTrainingJob", self._create).on("DescribeTrainingJob", self._describe)
        aws.on("StopTrainingJob", self._stop)
        aws.on("DescribeLogStreams", {"logStreams": [{"logStreamName": "job/algo-1"}]})
        aws.on("GetLogEvents", self._log)

    def add(self, request: dict[str, Any], script: list[str]) -> None:
        self.jobs[request["TrainingJobName"]] = {"request": request, "script": list(script)}

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["TrainingJobName"] in self.jobs:
            raise aws_error("ResourceInUse")
        self.add(request, self.script)
        return {"TrainingJobArn": ARN + request["TrainingJobName"]}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["TrainingJobName"] not in self.jobs:
            raise aws_error("ValidationException", "Requested resource not found.")
        job = self.jobs[request["TrainingJobName"]]
        status = job["script"].pop(0) if len(job["script"]) > 1 else job["script"][0]
        kept = {key: value for key, value in job["request"].items() if key != "Tags"}
        now = datetime.now(UTC)
        described = {
            **kept,
            "TrainingJobArn": ARN + request["TrainingJobName"],
            "TrainingJobStatus": status,
            "SecondaryStatus": "Training" if status == "InProgress" else status,
            "SecondaryStatusTransitions": [
                {"Status": "Training", "StartTime": now, "StatusMessage": "Training image"}
            ],
            "ModelArtifacts": {
                "S3ModelArtifacts": f"s3://artifacts/training/{request['TrainingJobName']}/model.tar.gz"
            },
            "CreationTime": now,
            "TrainingTimeInSeconds": 42,
        }
        return described | ({"FailureReason": self.failure_reason} if status == "Failed" else {})

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["TrainingJobName"] not in self.jobs:
            raise aws_error("ValidationException", "Requested resource not found.")
        self.jobs[request["TrainingJobName"]]["script"] = ["Stopped"]
        return {}

    def _log(self, request: dict[str, Any]) -> dict[str, Any]:
        start = int(request.get("nextToken", "0"))
        return {
            "events": [{"message": line} for line in self.lines[start:]],
            "nextForwardToken": str(len(self.lines)),
        }


@pytest.fixture
def jobs(aws: ScriptedAws) -> Jobs:
    return Jobs(aws)


@pytest.fixture
def s3(aws: ScriptedAws) -> MemoryS3:
    objects = MemoryS3(aws)
    objects.put(CODE, "the code")
    for day in DAYS:
        commit(objects, day)
    return objects


def commit(objects: MemoryS3, day: str, batch: str = "b-1") -> str:
    key = f"flights/date={day}/{batch}/part-0.parquet"
    manifest = {"files": [{"key": key, "etag": "e", "size": 1}], "rows": 9, "schema_hash": "s"}
    return objects.put(f"s3://features/flights/date={day}/_manifest.json", json.dumps(manifest))


@pytest.fixture
def make(jobs: Jobs, s3: MemoryS3) -> Callable[..., Callable[[], SageMakerTrainModelOperator]]:
    def with_parameters(**changes: Any) -> Callable[[], SageMakerTrainModelOperator]:
        parameters = {
            "task_id": "train_model",
            "aws_conn_id": None,
            "environment": "dev",
            "bucket": "artifacts",
            "features_uri": "s3://features/flights",
            "training_window": ("2013-02-12", "2013-02-14"),
            "evaluation_window": ("2013-02-15", "2013-02-15"),
            "code_uri": CODE,
            "role_arn": ROLE,
            "hyperparameters": {"max_depth": "6", "eta": 0.1},
            "max_runtime_seconds": 600,
            **changes,
        }
        return lambda: SageMakerTrainModelOperator(**parameters)

    return with_parameters


@both
def test_a_job_trains_on_what_is_committed(
    run_task: Run, make: Any, aws: ScriptedAws, s3: MemoryS3, deferrable: bool
) -> None:
    result = run_task(make(deferrable=deferrable))

    [request] = aws.requests("CreateTrainingJob")
    assert request["TrainingJobName"] == name(1)
    assert request["HyperParameters"] == {
        "max_depth": "6",
        "eta": "0.1",
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": f'"{CODE}"',
        "sagemaker_region": '"us-east-1"',
    }
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
    assert request["AlgorithmSpecification"]["TrainingImage"] == image
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]
        for channel in request["InputDataConfig"]
    }
    assert {channel["S3DataType"] for channel in channels.values()} == {"ManifestFile"}
    inputs = {channel: json.loads(s3.get(source["S3Uri"])) for channel, source in channels.items()}
    assert inputs["train"] == [
        {"prefix": "s3://features/"},
        *(f"flights/date={day}/b-1/part-0.parquet" for day in DAYS[:3]),
    ]
    assert inputs["evaluation"][1:] == ["flights/date=2013-02-15/b-1/part-0.parquet"]
    assert {tag["Key"] for tag in request["Tags"]} > {"sagemaker-emr:environment", "sagemaker-emr:run"}

    assert set(result.pop("partition_etags")) == set(DAYS)
    assert set(result.pop("inputs")) == {"train", "evaluation"}
    assert result == {
        "job_name": name(1),
        "job_arn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name(1)}",
        "model_data": f"s3://artifacts/training/{name(1)}/model.tar.gz",
        "output_data": f"s3://artifacts/training/{name(1)}/output/output.tar.gz",
        "image": image,
        "code_uri": CODE,
        "code_hash": "c" * 64,
        "training_seconds": 42,
    }


@both
def test_the_jobs_log_is_shown_once(
    run_task: Run, make: Any, jobs: Jobs, capsys: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    jobs.lines = [f"[{number}] validation-rmse" for number in range(4)]
    run_task(make(deferrable=deferrable))
    shown = capsys.readouterr().out
    assert [shown.count(line) for line in jobs.lines] == [1, 1, 1, 1]
    assert "Training image" in shown


@both
@pytest.mark.parametrize("script", [["InProgress", "Completed"], ["Completed"]])
def test_a_retry_answers_for_the_job_that_ran(
    run_task: Run, make: Any, aws: ScriptedAws, s3: MemoryS3, deferrable: bool, script: list[str], jobs: Jobs
) -> None:
    """Though the features were prepared again meanwhile."""
    first = run_task(make(deferrable=deferrable))
    jobs.jobs[name(1)]["script"] = script
    commit(s3, DAYS[0], batch="b-2")

    assert run_task(make(deferrable=deferrable)) == first
    assert len(aws.requests("CreateTrainingJob")) == 1


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_past_a_job_that_failed_comes_the_next_generation(
    run_task: Run, make: Any, jobs: Jobs, status: str
) -> None:
    job = {
        "TrainingJobName": name(1),
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 30},
        "StoppingCondition": {},
    }
    jobs.add(job, [status])
    assert run_task(make())["job_name"] == name(2)


def test_a_job_that_another_try_creates_meanwhile_is_attached_to(
    run_task: Run, make: Any, aws: ScriptedAws, jobs: Jobs
) -> None:
    def created_by_another(request: dict[str, Any]) -> dict[str, Any]:
        jobs.add(request, ["InProgress", "Completed"])
        raise aws_error("ResourceInUse")

    aws.on("CreateTrainingJob", created_by_another)
    assert run_task(make())["job_name"] == name(1)


@both
def test_a_job_whose_code_vanished_names_what_brings_it_back(
    run_task: Run, make: Any, jobs: Jobs, s3: MemoryS3, deferrable: bool
) -> None:
    jobs.script = ["InProgress", "Failed"]
    del s3.objects[CODE]
    with pytest.raises(StagedFileGone, match="AlgorithmError: no rows") as caught:
        run_task(make(deferrable=deferrable))
    assert f"{CODE} was staged, and is gone from S3" in str(caught.value)
    assert STAGE_AGAIN in str(caught.value)


@both
def test_a_failed_job_tells_its_failure_reason(
    run_task: Run, make: Any, jobs: Jobs, deferrable: bool
) -> None:
    jobs.script = ["InProgress", "Failed"]
    with pytest.raises(TrainingFailed, match="AlgorithmError: no rows"):
        run_task(make(deferrable=deferrable))


@both
def test_a_job_whose_role_was_revoked_names_the_role_and_who_tells_what_it_lacks(
    run_task: Run, make: Any, jobs: Jobs, deferrable: bool
) -> None:
    jobs.script = ["InProgress", "Failed"]
    jobs.failure_reason = "ClientError: Artifact upload failed:AccessDenied (403): Access Denied"
    with pytest.raises(TrainingFailed, match=f"Next step: Run check_platform(.|\n)*{ROLE}") as caught:
        run_task(make(deferrable=deferrable))
    assert caught.value.reason == jobs.failure_reason


@pytest.mark.parametrize(
    "refusal",
    [
        f"Could not assume role {ROLE}. Please ensure that the role exists",
        f'No S3 objects found. Please ensure that the role "{ROLE}" has "s3:ListBucket" permissions',
    ],
)
def test_a_job_that_is_refused_for_its_role_names_who_tells_what_it_lacks(
    run_task: Run, make: Any, aws: ScriptedAws, refusal: str
) -> None:
    def refuse(request: dict[str, Any]) -> dict[str, Any]:
        raise aws_error("ValidationException", refusal)

    aws.on("CreateTrainingJob", refuse)
    with pytest.raises(
        TrainingFailed, match=rf"refused training job {name(1)}(.|\n)*Run check_platform"
    ) as caught:
        run_task(make())
    assert refusal in str(caught.value.reason)


@both
def test_a_stopped_job_is_never_success(run_task: Run, make: Any, jobs: Jobs, deferrable: bool) -> None:
    jobs.script = ["InProgress", "Stopped"]
    with pytest.raises(TrainingFailed, match="is Stopped"):
        run_task(make(deferrable=deferrable))


@both
def test_the_deadline_stops_the_job(run_task: Run, make: Any, jobs: Jobs, deferrable: bool) -> None:
    jobs.script = ["InProgress"]
    with pytest.raises(DeadlineExceeded, match=name(1)):
        run_task(make(deferrable=deferrable, timeout_seconds=0.2))
    assert jobs.jobs[name(1)]["script"] == ["Stopped"]


@pytest.mark.parametrize("code", [None, "ValidationException", "ResourceNotFound"])
def test_killing_stops_the_job_also_when_it_has_ended(aws: ScriptedAws, jobs: Jobs, code: str | None) -> None:
    jobs.add({"TrainingJobName": "job-1"}, ["InProgress"])
    if code:
        aws.on("StopTrainingJob", aws_error(code, "The request was rejected: the job is Completed"))
    SageMakerTrainingJobTrigger(job_name="job-1", deadline_at=0, aws_conn_id=None).stop()
    assert aws.requests("StopTrainingJob") == [{"TrainingJobName": "job-1"}]


@pytest.mark.parametrize("created", [True, False], ids=["before the answer", "before it is there"])
def test_a_kill_while_the_job_is_created_stops_it(
    make: Any, aws: ScriptedAws, jobs: Jobs, context: dict[str, Any], created: bool
) -> None:
    """Airflow's signal handler returns to execute, whose request goes on."""
    operator = make(deferrable=True)()

    def create_and_be_killed(request: dict[str, Any]) -> dict[str, Any]:
        if created:
            jobs.add(request, ["InProgress"])
        operator.on_kill()
        assert not created or jobs.jobs[name(1)]["script"] == ["Stopped"]
        jobs.jobs.setdefault(request["TrainingJobName"], {"request": request, "script": ["InProgress"]})
        return {"TrainingJobArn": ARN + request["TrainingJobName"]}

    aws.on("CreateTrainingJob", create_and_be_killed)
    with pytest.raises(SageMakerEmrError, match=f"was killed while it requested training job {name(1)}"):
        operator.execute(context)
    assert jobs.jobs[name(1)]["script"] == ["Stopped"]


def test_days_without_features_are_named(run_task: Run, make: Any, aws: ScriptedAws) -> None:
    with pytest.raises(InvalidInput, match="2013-02-16"):
        run_task(make(evaluation_window=("2013-02-15", "2013-02-16")))
    assert not aws.requests("CreateTrainingJob")


def test_evaluating_on_training_days_is_refused(run_task: Run, make: Any) -> None:
    with pytest.raises(InvalidInput, match="within the training window"):
        run_task(make(evaluation_window=("2013-02-14", "2013-02-15")))


def test_unstaged_code_is_refused(run_task: Run, make: Any) -> None:
    with pytest.raises(InvalidInput, match="no staged code"):
        run_task(make(code_uri="s3://artifacts/train.py"))


def test_the_consoles_pages_are_linked(run_task: Run, make: Any, context: dict[str, Any]) -> None:
    run_task(make())
    pushed = context["ti"].xcom
    assert pushed["sagemaker_training_job"]["job_name"] == name(1)
    assert pushed["sagemaker_training_log"]["region_name"] == "us-east-1"


NEW_JOB = [name(2)]
TRIED_AGAIN = {
    "InProgress": [],
    "Completed": [],
    "Failed": NEW_JOB,
    "Stopping": NEW_JOB,
    "Stopped": NEW_JOB,
    "Deleting": NEW_JOB,
}


@both
@pytest.mark.parametrize("status", aws_enums.TRAINING_JOB)
def test_from_each_state_of_an_earlier_job_a_model_is_trained(
    run_task: Run, make: Any, aws: ScriptedAws, jobs: Jobs, status: str, deferrable: bool
) -> None:
    run_task(make())
    aws.calls.clear()
    ends_in = {"InProgress": "Completed", "Stopping": "Stopped"}.get(status, status)
    jobs.jobs[name(1)]["script"] = [status, status, ends_in]
    result = run_task(make(deferrable=deferrable))
    created = [request["TrainingJobName"] for request in aws.requests("CreateTrainingJob")]
    assert created == TRIED_AGAIN[status]
    assert result["job_name"] == (created or [name(1)])[0]


@pytest.mark.parametrize("status", aws_enums.TRAINING_JOB)
def test_in_each_state_a_job_that_is_waited_for_goes_on_ends_or_fails_by_its_state(
    run_task: Run, make: Any, jobs: Jobs, status: str
) -> None:
    jobs.script = ["InProgress", status, "Completed" if status == "InProgress" else status]
    if status in ("InProgress", "Completed"):
        assert run_task(make())["job_name"] == name(1)
        return
    if status == "Stopping":
        jobs.script[-1] = "Stopped"
    with pytest.raises(TrainingFailed, match=f"{name(1)} is {jobs.script[-1]}") as raised:
        run_task(make())
    assert "next try starts a new job" in str(raised.value)


def test_a_job_in_a_state_from_the_future_is_named(run_task: Run, make: Any, jobs: Jobs) -> None:
    jobs.script = ["Paused"]
    with pytest.raises(UnknownState, match="Paused"):
        run_task(make())


def test_two_jobs_never_run_at_once(run_task: Run, make: Any, aws: ScriptedAws, jobs: Jobs) -> None:
    """A job that is Stopping has two minutes for its last words."""
    run_task(make())
    jobs.jobs[name(1)]["script"] = ["Stopping"] * 5 + ["Stopped"]
    run_task(make())
    described = [request["TrainingJobName"] for request in aws.requests("DescribeTrainingJob")]
    assert described.count(name(1)) > 6
    assert len(jobs.jobs[name(1)]["script"]) == 1, "it had ended when its successor was created"


def test_a_deleted_job_does_not_hide_its_successor(
    run_task: Run, make: Any, aws: ScriptedAws, jobs: Jobs
) -> None:
    run_task(make())
    jobs.jobs[name(1)]["script"] = ["Failed"]
    run_task(make())
    del jobs.jobs[name(1)]
    aws.calls.clear()
    assert run_task(make())["job_name"] == name(2)
    assert not aws.requests("CreateTrainingJob")


def test_a_kill_while_the_job_is_being_created_stops_it(make: Any, aws: ScriptedAws, context: Any) -> None:
    class Killed(BaseException):
        """As a signal's handler raises it."""

    def killed(request: dict[str, Any]) -> dict[str, Any]:
        raise Killed

    aws.on("CreateTrainingJob", killed).on("StopTrainingJob", {})
    operator = make()()
    with pytest.raises(Killed):
        operator.execute(context)
    operator.on_kill()
    assert aws.requests("StopTrainingJob") == [{"TrainingJobName": name(1)}]
