from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagemaker_emr import names
from sagemaker_emr.exceptions import (
    NEW_CLUSTER,
    STAGE_AGAIN,
    BatchLost,
    ClusterFailed,
    DeadlineExceeded,
    InvalidInput,
    LivyUnreachable,
    NotRetryable,
    SageMakerEmrError,
    SparkJobFailed,
    SparkJobRejected,
    StagedFileGone,
)
from sagemaker_emr.hooks.livy import LivyClient
from sagemaker_emr.operators import livy as livy_operator
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.triggers import livy as livy_trigger
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import DAG_ID, RUN_ID, Run, ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.livy_server import DRIVER, FakeLivy
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

FILE = "s3://artifacts/code/spark/prepare_features.py"
BATCHES = "s3://features/_batches"
COMPLETION = {"batch": "b", "dates": {"2013-02-01": {"rows": 3}}, "seconds": 12.5}
WAITING = {"Id": "j-1", "Name": "c", "Status": {"State": "WAITING"}, "MasterPublicDnsName": "127.0.0.1"}
ENDED = {
    "Id": "j-1",
    "Name": "c",
    "LogUri": "s3://aws-logs/emr/",
    "Status": {
        "State": "TERMINATED_WITH_ERRORS",
        "StateChangeReason": {"Code": "INSTANCE_FAILURE", "Message": "The master failed"},
    },
}


def name(generation: int) -> str:
    return names.derive("prepare-features", "dev", DAG_ID, RUN_ID, generation=generation)


def mark_uri(generation: int) -> str:
    return f"{BATCHES}/{name(generation)}.json.submitted"


def put_mark(s3: MemoryS3, generation: int, cluster_id: str = "j-1", batch_id: int | None = 0) -> None:
    """What a try leaves that Livy had a batch of; without ``batch_id``, one that is only about to submit."""
    mark = {"batch": name(generation), "cluster_id": cluster_id, "batch_id": batch_id}
    s3.put(mark_uri(generation), json.dumps(mark))


@pytest.fixture
def livy() -> Iterator[FakeLivy]:
    with FakeLivy() as server:
        yield server


@pytest.fixture
def s3(aws: ScriptedAws, livy: FakeLivy) -> MemoryS3:
    """S3 where a batch that succeeds leaves its completion manifest; a cluster that is alive."""
    objects = MemoryS3(aws)
    objects.put(FILE, "the job")
    aws.on("DescribeCluster", {"Cluster": WAITING})
    livy.on_state["success"] = lambda batch: objects.put(
        f"{BATCHES}/{batch['name']}.json", json.dumps(COMPLETION)
    )
    return objects


@pytest.fixture
def make(livy: FakeLivy, s3: MemoryS3) -> Callable[..., Callable[[], LivyRunBatchOperator]]:
    def with_parameters(**changes: Any) -> Callable[[], LivyRunBatchOperator]:
        parameters = {
            "task_id": "prepare_features",
            "aws_conn_id": None,
            "environment": "dev",
            "cluster_id": "j-1",
            "file": FILE,
            "args": ["--batch-name", "{batch_name}", "--from", "2013-02-01"],
            "completion_manifest": BATCHES + "/{batch_name}.json",
            "livy_port": livy.port,
            "timeout_seconds": 60,
            **changes,
        }
        return lambda: LivyRunBatchOperator(**parameters)

    return with_parameters


both = pytest.mark.parametrize("deferrable", [True, False])


@both
def test_a_batch_runs_to_its_completion_manifest(
    run_task: Run, make: Any, livy: FakeLivy, deferrable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_task(make(deferrable=deferrable))

    assert result == {
        "batch_name": name(1),
        "batch_id": 0,
        "app_id": "application_1_0001",
        "completion": COMPLETION,
        "batch_seconds": 12.5,
    }
    assert livy.submitted == [
        {"name": name(1), "file": FILE, "args": ["--batch-name", name(1), "--from", "2013-02-01"]}
    ]
    shown = capsys.readouterr().out
    assert [shown.count(line) for line in DRIVER] == [1, 1, 1], "each line of the job's log is shown once"


@both
def test_a_retry_attaches_to_the_running_batch(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3, deferrable: bool
) -> None:
    put_mark(s3, 1)
    livy.add(name(1), ["running", "running", "success"])
    assert run_task(make(deferrable=deferrable))["batch_name"] == name(1)
    assert not livy.submitted


def test_work_that_is_done_is_not_done_again(run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3) -> None:
    """Neither the cluster nor its Livy need be there any more."""
    s3.put(f"{BATCHES}/{name(2)}.json", json.dumps(COMPLETION))
    result = run_task(make(cluster_id="j-gone"))
    assert (result["batch_name"], result["batch_id"]) == (name(2), None)
    assert (result["completion"], result["batch_seconds"]) == (COMPLETION, 12.5)
    assert not livy.requests


def test_a_job_that_does_not_tell_its_seconds_has_none(run_task: Run, make: Any, s3: MemoryS3) -> None:
    s3.put(f"{BATCHES}/{name(1)}.json", "[]")
    assert run_task(make())["batch_seconds"] is None


@pytest.mark.parametrize("state", ["dead", "killed", "error"])
def test_a_dead_predecessor_is_deleted_and_the_next_generation_submitted(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3, state: str
) -> None:
    put_mark(s3, 1)
    livy.add(name(1), [state])
    assert run_task(make())["batch_name"] == name(2)
    assert livy.deleted == [name(1)]


def test_a_predecessor_that_livy_forgot_keeps_its_name_to_itself(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3
) -> None:
    """Its Spark application may still be writing under its name."""
    for generation in (1, 2):
        put_mark(s3, generation)
    assert run_task(make())["batch_name"] == name(3)


@pytest.mark.parametrize("posted", [False, True], ids=["before its POST", "after its POST"])
def test_two_tries_at_once_submit_one_batch(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3, posted: bool
) -> None:
    put_mark(s3, 1, batch_id=None)
    if posted:
        livy.add(name(1), ["running", "running", "success"])
    assert run_task(make())["batch_name"] == name(1)
    assert [request["name"] for request in livy.submitted] == ([] if posted else [name(1)])
    assert mark_uri(2) not in s3.objects


def test_a_batch_submitted_while_its_mark_is_read_is_attached_to(
    run_task: Run, make: Any, aws: ScriptedAws, livy: FakeLivy, s3: MemoryS3
) -> None:
    def another_try_is_faster(request: dict[str, Any]) -> Exception:
        livy.add(name(1), ["running", "success"])
        put_mark(s3, 1)
        return aws_error("PreconditionFailed", status=412)

    aws.on("PutObject", another_try_is_faster)
    assert run_task(make())["batch_name"] == name(1)
    assert not livy.submitted


def test_a_duplicate_name_is_attached_to(
    run_task: Run, make: Any, aws: ScriptedAws, livy: FakeLivy, s3: MemoryS3
) -> None:
    """The other try submitted between our mark and our POST."""
    etag = '"written"'

    def marked(request: dict[str, Any]) -> dict[str, Any]:
        livy.add(name(1), ["running", "success"])
        return {"ETag": etag}

    aws.on("PutObject", marked, {"ETag": etag})
    assert run_task(make())["batch_id"] == 0
    assert not livy.submitted


@pytest.mark.parametrize("state", ["running", "dead"])
def test_a_later_generation_whose_marks_vanished_is_found_in_livy(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3, state: str
) -> None:
    """Somebody emptied the bucket while generation 3 ran; the first one must not be submitted beside it."""
    livy.add("of another run", ["running"])
    livy.add(name(3), [state, "success"] if state == "running" else [state])
    found = run_task(make())["batch_name"]
    submitted = [request["name"] for request in livy.submitted]
    assert (found, submitted) == ((name(3), []) if state == "running" else (name(4), [name(4)]))
    assert mark_uri(3) in s3.objects
    assert mark_uri(1) not in s3.objects


def test_a_new_cluster_takes_the_next_generation(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3
) -> None:
    """The old cluster's Livy, which alone could tell of the batch, is not the one that is asked."""
    put_mark(s3, 1, cluster_id="j-0", batch_id=None)
    assert run_task(make())["batch_name"] == name(2)
    assert json.loads(s3.get(mark_uri(2))) == {"batch": name(2), "cluster_id": "j-1", "batch_id": 0}


def test_a_lost_answer_does_not_lose_the_batch(run_task: Run, make: Any, livy: FakeLivy) -> None:
    livy.lose_next_answer = True
    assert run_task(make())["batch_name"] == name(1)
    assert len(livy.submitted) == 1


@both
def test_a_failed_job_tells_its_exception(run_task: Run, make: Any, livy: FakeLivy, deferrable: bool) -> None:
    livy.script = ["running", "dead"]
    livy.log = [
        "Traceback (most recent call last):",
        '  File "job.py", line 1, in <module>',
        "KeyError: 'tailnum'",
    ]
    with pytest.raises(SparkJobFailed, match="KeyError: 'tailnum'") as caught:
        run_task(make(deferrable=deferrable))
    assert caught.value.what == f"Livy batch {name(1)} is dead"


@both
def test_a_job_whose_code_vanished_names_what_brings_it_back(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3, deferrable: bool
) -> None:
    livy.script = ["running", "dead"]
    livy.log = [f"java.io.FileNotFoundException: No such file or directory: {FILE}"]
    livy.on_state["dead"] = lambda _: s3.objects.pop(FILE, None)
    with pytest.raises(StagedFileGone, match=f"{FILE} was staged, and is gone from S3") as caught:
        run_task(make(deferrable=deferrable))
    assert "FileNotFoundException" in str(caught.value)
    assert STAGE_AGAIN in str(caught.value)
    assert NEW_CLUSTER not in str(caught.value)
    assert isinstance(caught.value, NotRetryable)


@both
def test_success_without_a_manifest_is_failure(
    run_task: Run, make: Any, livy: FakeLivy, deferrable: bool
) -> None:
    livy.on_state.clear()
    with pytest.raises(SparkJobFailed, match=f"_batches/{name(1)}.json does not exist"):
        run_task(make(deferrable=deferrable))


@both
def test_a_batch_that_vanished_is_submitted_again_in_the_same_try(
    run_task: Run, make: Any, livy: FakeLivy, deferrable: bool
) -> None:
    def restart(batch: dict[str, Any]) -> None:
        livy.batches.clear()
        livy.script = ["success"]

    livy.script = ["starting", "running"]
    livy.on_state["running"] = restart
    result = run_task(make(deferrable=deferrable))
    assert (result["batch_name"], "losses" in result) == (name(2), False)
    assert [batch["name"] for batch in livy.submitted] == [name(1), name(2)]


def test_a_batch_that_is_submitted_again_has_what_is_left_until_the_tries_deadline(
    run_task: Run, make: Any, livy: FakeLivy, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: set[float] = set()
    look = livy_trigger.LivyBatchTrigger.look

    def note(trigger: livy_trigger.LivyBatchTrigger) -> Any:
        deadlines.add(trigger.deadline_at)
        return look(trigger)

    monkeypatch.setattr(livy_trigger.LivyBatchTrigger, "look", note)
    livy.script = ["starting", "running"]
    livy.on_state["running"] = lambda batch: livy.batches.clear()
    with pytest.raises(BatchLost):
        run_task(make(deferrable=True))
    assert len(livy.submitted) == livy_operator.MAX_LOSSES + 1
    assert len(deadlines) == 1


def test_a_batch_that_is_lost_after_the_tries_deadline_is_not_submitted_again(
    run_task: Run, make: Any, livy: FakeLivy, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanished = livy_trigger.LivyBatchTrigger._vanished

    def late(trigger: livy_trigger.LivyBatchTrigger) -> Any:
        time.sleep(0.3)
        return vanished(trigger)

    monkeypatch.setattr(livy_trigger.LivyBatchTrigger, "_vanished", late)
    livy.script, livy.on_state["running"] = ["running"], lambda batch: livy.batches.clear()
    with pytest.raises(BatchLost):
        run_task(make(timeout_seconds=0.2))
    assert [batch["name"] for batch in livy.submitted] == [name(1)]


@both
def test_a_job_whose_batches_always_vanish_fails_its_try(
    run_task: Run, make: Any, livy: FakeLivy, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be what brings Livy down; the task's next try goes on all the same."""
    monkeypatch.setattr(livy_operator, "MAX_LOSSES", 2)
    livy.script = ["starting", "running"]
    livy.on_state["running"] = lambda batch: livy.batches.clear()
    with pytest.raises(BatchLost, match="vanished") as lost:
        run_task(make(deferrable=deferrable))
    assert not isinstance(lost.value, NotRetryable)
    assert str(lost.value.reason).count("2 were lost before it in this try") == 1
    assert [batch["name"] for batch in livy.submitted] == [name(1), name(2), name(3)]

    livy.script = ["success"]
    assert run_task(make(deferrable=deferrable))["batch_name"] == name(4)


def test_a_batch_that_vanished_with_its_work_done_is_done(
    run_task: Run, make: Any, livy: FakeLivy, s3: MemoryS3
) -> None:
    def restart(batch: dict[str, Any]) -> None:
        livy.batches.clear()
        s3.put(f"{BATCHES}/{batch['name']}.json", json.dumps(COMPLETION))

    livy.on_state["running"] = restart
    assert run_task(make())["completion"] == COMPLETION


@both
def test_a_cluster_that_dies_says_why(
    run_task: Run, make: Any, aws: ScriptedAws, livy: FakeLivy, deferrable: bool
) -> None:
    def die(batch: dict[str, Any]) -> None:
        livy.broken = True

    livy.script = ["running", "running"]
    livy.on_state["running"] = die
    aws.on("DescribeCluster", {"Cluster": WAITING}, {"Cluster": ENDED})
    with pytest.raises(ClusterFailed, match="INSTANCE_FAILURE: The master failed"):
        run_task(make(deferrable=deferrable))


def test_livy_that_stays_silent_on_a_living_cluster_is_unreachable(
    run_task: Run, make: Any, livy: FakeLivy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_silent(batch: dict[str, Any]) -> None:
        livy.broken = True

    monkeypatch.setattr(livy_trigger, "SILENCE_SECONDS", 0.1)
    livy.script = ["running", "running"]
    livy.on_state["running"] = go_silent
    with pytest.raises(LivyUnreachable, match="Cannot connect to livy service"):
        run_task(make())


def test_livy_that_does_not_answer_at_first_names_the_rule_that_is_missing(run_task: Run, make: Any) -> None:
    with pytest.raises(LivyUnreachable, match="must admit TCP 1 "):
        run_task(make(livy_port=1))


@both
def test_the_deadline_deletes_the_batch(run_task: Run, make: Any, livy: FakeLivy, deferrable: bool) -> None:
    livy.script = ["running"]
    with pytest.raises(DeadlineExceeded, match="The work was stopped"):
        run_task(make(deferrable=deferrable, timeout_seconds=0.2))
    assert livy.deleted == [name(1)]


@pytest.mark.parametrize("answered", [True, False], ids=["before its answer", "before it is there"])
def test_a_kill_while_the_batch_is_submitted_deletes_it(
    make: Any, livy: FakeLivy, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    """Airflow's signal handler returns to execute, whose POST goes on."""
    operator = make(deferrable=True)()
    submit = LivyClient.submit_batch

    def submit_and_be_killed(client: LivyClient, **request: Any) -> Any:
        if not answered:
            operator.on_kill()
            assert not livy.deleted
        batch = submit(client, **request)
        if answered:
            operator.on_kill()
            assert livy.deleted == [name(1)]
        return batch

    monkeypatch.setattr(LivyClient, "submit_batch", submit_and_be_killed)
    with pytest.raises(SageMakerEmrError, match=f"was killed while it requested Livy batch {name(1)}"):
        operator.execute(context)
    assert livy.deleted == [name(1)]


def test_a_manifest_without_the_batchs_name_is_refused(run_task: Run, make: Any) -> None:
    with pytest.raises(InvalidInput, match="batch_name"):
        run_task(make(completion_manifest=f"{BATCHES}/done.json"))


def test_run_conf_does_not_reach_spark_unchecked(run_task: Run, make: Any, livy: FakeLivy) -> None:
    with pytest.raises(InvalidInput, match=r"spark\.submit\.pyFiles"):
        run_task(make(conf={"spark.submit.pyFiles": "s3://elsewhere/evil.py"}))
    assert not livy.submitted


def test_a_kill_while_the_batch_is_being_submitted_deletes_it(
    make: Any, livy: FakeLivy, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As a signal's handler raises it."""

    def killed(client: LivyClient, **request: Any) -> None:
        livy.add(request["name"], ["running"])
        raise Killed

    monkeypatch.setattr(LivyClient, "submit_batch", killed)
    operator = make()()
    with pytest.raises(Killed):
        operator.execute(context)
    operator.on_kill()
    assert livy.deleted == [name(1)]


@pytest.mark.parametrize("state", aws_enums.CLUSTER)
def test_in_each_state_of_its_cluster_a_batch_is_submitted_or_the_state_is_named(
    run_task: Run, make: Any, aws: ScriptedAws, livy: FakeLivy, state: str
) -> None:
    has_master = state not in ("STARTING", "BOOTSTRAPPING")
    described = WAITING | {"Status": {"State": state}}
    aws.on(
        "DescribeCluster", {"Cluster": described if has_master else {"Id": "j-1", "Status": {"State": state}}}
    )
    if state in ("RUNNING", "WAITING"):
        assert run_task(make())["batch_name"] == name(1)
        return
    with pytest.raises(ClusterFailed) as raised:
        run_task(make())
    assert state in str(raised.value)
    assert raised.value.next_step
    assert not livy.submitted


@both
def test_an_error_that_the_same_input_brings_about_again_is_not_retried(
    run_task: Run, make: Any, livy: FakeLivy, deferrable: bool
) -> None:
    livy.script = ["dead"]
    livy.log = [
        "Traceback (most recent call last):",
        '  File "job.py", line 3, in <module>',
        "    main()",
        "raw_tables.RawDataError: s3://raw/flights/date=2013-02-01/flights.csv.gz is damaged after 3 lines",
    ]
    with pytest.raises(SparkJobRejected, match="damaged after 3 lines") as rejected:
        run_task(make(deferrable=deferrable, final_errors=["RawDataError"]))
    assert isinstance(rejected.value, NotRetryable)
    with pytest.raises(SparkJobFailed, match="damaged after 3 lines") as failed:
        run_task(make(deferrable=deferrable, final_errors=["DataQualityFailed"], batch_name_key=["another"]))
    assert not isinstance(failed.value, NotRetryable)
