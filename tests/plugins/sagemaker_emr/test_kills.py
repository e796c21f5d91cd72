"""What a kill stops: of everything in the package that waits, a declared answer; and each answer proven."""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError

import sagemaker_emr
from local_aws import clock
from sagemaker_emr import leases
from sagemaker_emr.exceptions import DeadlineExceeded, SageMakerEmrError
from sagemaker_emr.hooks.livy import LivyClient
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LeaseStore, SharedCluster
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.operators.sagemaker_training import SageMakerTrainModelOperator
from sagemaker_emr.operators.sagemaker_training_stop import SageMakerStopTrainingJobOperator
from sagemaker_emr.operators.shared_cluster import (
    SHARED_BY,
    SharedClusterLeaveOperator,
    SharedClusterRunBatchOperator,
    member_of,
)
from sagemaker_emr.sensors.base import AwsWaitSensor
from sagemaker_emr.triggers.base import WaitTrigger
from tests.airflow_names import TaskDeferred
from tests.local_aws.emr.conftest import make_default_roles, parameters, wait_for
from tests.local_aws.sagemaker.script_mode import BUCKET as CODE_BUCKET
from tests.local_aws.sagemaker.script_mode import make_ground
from tests.plugins.sagemaker_emr.airflow_kills import kill_deferred, kill_running, until
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.livy_server import FakeLivy

READS = "it reads only"
STACK = "CloudFormation ends a stack operation or rolls it back by itself; the next try attaches to it"
STUDIO = "what is being deleted is asked for piece by piece; the next try goes on with the rest"
TEARDOWN = "a termination that was asked for goes on by itself; the next try asks for what was not"
CLUSTER = "the run's teardown ends the cluster, also one that is still coming up"
ENDPOINT = "SageMaker can't stop an endpoint's update; what serves goes on serving, the next try attaches"
LENT = "holders work on it; the provider's teardown ends the cluster, and its lease tells them why"

OUTLIVE = {
    "CloudFormationChangeSetTrigger": "a change set that is not executed changes nothing",
    "CloudFormationStackTrigger": STACK,
    "CloudFormationDriftTrigger": READS,
    "EmrClusterReadyTrigger": f"{READS}: {CLUSTER}",
    "EmrClusterTerminatedTrigger": TEARDOWN,
    "S3ObjectsExistTrigger": READS,
    "SageMakerDomainLeftoversTrigger": STUDIO,
    "SageMakerEndpointTrigger": ENDPOINT,
    "SageMakerProjectDeletedTrigger": TEARDOWN,
    "SageMakerStudioEmptiedTrigger": STUDIO,
    "SageMakerTrainingJobEndedTrigger": "its job is Stopping already",
    "ServiceCatalogProductTerminatedTrigger": TEARDOWN,
    "ServiceCatalogRecordSucceededTrigger": f"{READS}: {CLUSTER}",
    "SharedClusterTurnTrigger": "nothing was submitted; the run's teardown leaves the lease",
    "SharedClusterUnusedTrigger": LENT,
    "CheckPlatformOperator": READS,
    "CloudFormationDeployStackOperator": STACK,
    "CloudFormationDeleteStackOperator": STACK,
    "CloudFormationDeleteStacksOperator": STACK,
    "SageMakerDeleteSpacesOperator": STUDIO,
    "SageMakerDeleteUserProfileOperator": STUDIO,
    "SageMakerDeployEndpointOperator": ENDPOINT,
    "SageMakerDeployFirstUserProfileOperator": STACK,
    "SageMakerDeployUserProfileOperator": STACK,
    "SageMakerEmptyDomainOperator": STUDIO,
    "SageMakerRemoveDomainLeftoversOperator": STUDIO,
    "SageMakerStopTrainingJobOperator": "it has asked for the stop before it waits",
    "ServiceCatalogEndProductsOperator": TEARDOWN,
    "ServiceCatalogTerminateClusterOperator": TEARDOWN,
    "ServiceCatalogTerminateProductOperator": TEARDOWN,
    "EndOrphanOperator": TEARDOWN,
    "SharedClusterLendOperator": LENT,
    "EmrClusterReadySensor": f"{READS}: {CLUSTER}",
    "EmrClusterTerminatedSensor": READS,
    "HoldClusterSensor": READS,
    "LivyBatchFinishedSensor": f"{READS}: the batch is another task's",
    "S3PartitionCompleteSensor": READS,
    "SharedClusterReadySensor": f"{READS}: {CLUSTER}, and its lease tells the holders why",
    "ServiceCatalogRecordSucceededSensor": f"{READS}: {CLUSTER}",
}
"""What waits for work that outlives a kill, and why it may."""

STOP = {
    "LivyBatchTrigger": "batch",
    "LivyRunBatchOperator": "batch",
    "SharedClusterBatchTrigger": "batch on a shared cluster",
    "SharedClusterRunBatchOperator": "batch on a shared cluster",
    "SageMakerTrainingJobTrigger": "training job",
    "SageMakerTrainModelOperator": "training job",
    "ServiceCatalogProvisionProductOperator": "cluster request",
    "SageMakerConnectNotebookOperator": "interactive session",
}
"""What a kill stops. The first three are proven here by either way; the request in ``test_bad_input.py``, the
session in ``operators/test_sagemaker_notebook.py``."""

ABSTRACT = {WaitTrigger.__name__, "AwsWaiterTrigger", AwsWaitingOperator.__name__, AwsWaitSensor.__name__}


def subclasses(cls: type) -> set[type]:
    direct = set(cls.__subclasses__())
    return direct.union(*map(subclasses, direct))


def ours(cls: type) -> set[type]:
    """The package's classes of a kind, by its code: every module is imported."""
    for module in pkgutil.walk_packages(sagemaker_emr.__path__, "sagemaker_emr."):
        importlib.import_module(module.name)
    return {found for found in subclasses(cls) if found.__module__.startswith("sagemaker_emr.")}


def is_sensor(cls: type) -> bool:
    return any(base.__name__ == "BaseSensorOperator" for base in cls.__mro__)


def waiting() -> dict[str, type]:
    """Every class that waits or can be killed."""
    operators = [
        cls
        for cls in ours(BaseOperator)
        if issubclass(cls, AwsWaitingOperator) or is_sensor(cls) or "on_kill" in vars(cls)
    ]
    found = {cls.__name__: cls for cls in (*operators, *ours(WaitTrigger))}
    return {name: cls for name, cls in found.items() if name not in ABSTRACT and not name.startswith("_")}


def test_whatever_waits_says_what_a_kill_stops_or_why_it_may_go_on() -> None:
    assert set(waiting()) == set(OUTLIVE) | set(STOP)
    assert not set(OUTLIVE) & set(STOP)


@pytest.mark.parametrize("name", sorted(OUTLIVE))
def test_what_may_outlive_a_kill_stops_nothing(name: str) -> None:
    cls = waiting()[name]
    if issubclass(cls, WaitTrigger):
        assert cls.stop is WaitTrigger.stop
    elif issubclass(cls, AwsWaitingOperator):
        assert cls.on_kill is AwsWaitingOperator.on_kill


@pytest.mark.parametrize("name", sorted(STOP))
def test_what_a_kill_stops_is_stopped_by_operator_and_trigger(name: str) -> None:
    cls = waiting()[name]
    if issubclass(cls, WaitTrigger):
        assert cls.stop is not WaitTrigger.stop
        assert cls.on_kill is WaitTrigger.on_kill
    else:
        assert cls.on_kill is not BaseOperator.on_kill


class Batch:
    """A Spark batch on a cluster of the embedded EMR, before which stands the tests' Livy."""

    stop_call = None

    def __init__(self, local_aws: Any, context: Any) -> None:
        for bucket in ("artifacts", "features"):
            local_aws("s3").create_bucket(Bucket=bucket)
        make_default_roles(local_aws("iam"))
        emr = local_aws("emr")
        self.cluster_id = emr.run_job_flow(**parameters())["JobFlowId"]
        cluster = wait_for(emr, "cluster_running", self.cluster_id)
        self.livy = FakeLivy(cluster["MasterPublicDnsName"])
        self.livy.script = ["running"]
        self.livy.__enter__()
        self.parameters: dict[str, Any] = {
            "task_id": "prepare_features",
            "aws_conn_id": None,
            "environment": "dev",
            "file": "s3://artifacts/code/job.py",
            "completion_manifest": "s3://features/_batches/{batch_name}.json",
            "livy_port": self.livy.port,
        }

    def make(self, deferrable: bool, timeout_seconds: float = 600.0) -> Any:
        return LivyRunBatchOperator(
            cluster_id=self.cluster_id,
            deferrable=deferrable,
            timeout_seconds=timeout_seconds,
            **self.parameters,
        )

    def is_running(self) -> bool:
        looked = [path for method, path in self.livy.requests if method == "GET" and path.endswith("/log")]
        return bool(self.livy.batches) and len(looked) > 1

    def has_stopped(self) -> bool:
        return not self.livy.batches and bool(self.livy.deleted)

    def fail_stops(self, faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.livy.delete_faults = list(faults)

    def end(self) -> None:
        self.livy.__exit__()


class SharedBatch(Batch):
    """The same on a shared cluster: its holder has its turn at once."""

    def __init__(self, local_aws: Any, context: Any) -> None:
        super().__init__(local_aws, context)
        member = member_of(context, "dev", "artifacts", None, SHARED_BY)
        self.store = LeaseStore(ArtifactsHook(aws_conn_id=None), "artifacts", "dev", member["name"])
        self.store.join(member["holder_id"], member["dag_id"], member["run_id"])
        self.store.join("another", "d", "another")
        self.store.change(lambda lease: lease.offer(1, SharedCluster(self.cluster_id, 2)))
        self.livy.add("of-another-holder", ["running"])

    def make(self, deferrable: bool, timeout_seconds: float = 600.0) -> Any:
        return SharedClusterRunBatchOperator(
            bucket="artifacts", deferrable=deferrable, timeout_seconds=timeout_seconds, **self.parameters
        )

    def is_running(self) -> bool:
        return len(self.livy.batches) > 1 and super().is_running()

    def has_stopped(self) -> bool:
        """Its own batch alone; the cluster is lent on, also to the holder itself."""
        lease = self.store.read()
        assert lease is not None
        assert lease.cluster == SharedCluster(self.cluster_id, 2)
        assert len(lease.holders) == 2
        return list(self.livy.batches) == ["of-another-holder"] and len(self.livy.deleted) == 1


class Training:
    """A training job of the embedded SageMaker that is getting its instance."""

    def __init__(self, local_aws: Any, context: Any) -> None:
        self.sagemaker, s3 = local_aws("sagemaker"), local_aws("s3")
        self.role = make_ground(local_aws).role_arn
        s3.create_bucket(Bucket="features")
        for day in ("2013-02-01", "2013-02-02"):
            folder = f"flights/date={day}"
            part = s3.put_object(Bucket="features", Key=f"{folder}/b-1/part-0.csv", Body=b"1,1,1\n")
            file = {"key": f"{folder}/b-1/part-0.csv", "etag": part["ETag"], "size": 6}
            manifest = {"files": [file], "rows": 1, "schema_hash": "s"}
            s3.put_object(Bucket="features", Key=f"{folder}/_manifest.json", Body=json.dumps(manifest))

    def make(self, deferrable: bool, timeout_seconds: float = 600.0) -> Any:
        return SageMakerTrainModelOperator(
            task_id="train_model",
            environment="dev",
            bucket=CODE_BUCKET,
            features_uri="s3://features/flights",
            training_window=("2013-02-01", "2013-02-01"),
            evaluation_window=("2013-02-02", "2013-02-02"),
            code_uri=f"s3://{CODE_BUCKET}/code/training/{'c' * 64}/sourcedir.tar.gz",
            role_arn=self.role,
            aws_conn_id=None,
            deferrable=deferrable,
            timeout_seconds=timeout_seconds,
        )

    def statuses(self) -> list[str]:
        jobs = self.sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Ascending")
        return [job["TrainingJobStatus"] for job in jobs["TrainingJobSummaries"]]

    def is_running(self) -> bool:
        return self.statuses()[-1:] == ["InProgress"]

    def has_stopped(self) -> bool:
        return self.statuses()[-1] in ("Stopping", "Stopped")

    def fail_stops(self, faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        left, call = list(faults), BaseClient._make_api_call

        def failing(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
            fault = left.pop(0) if left and operation == "StopTrainingJob" else ""
            if fault == "refused":
                raise aws_error("ThrottlingException", "Rate exceeded")
            answer = call(client, operation, request)
            if fault == "lost":
                raise ConnectionClosedError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", failing)

    def end(self) -> None:
        """A job ends with the embedded AWS."""


WORK = {"batch": Batch, "batch on a shared cluster": SharedBatch, "training job": Training}
aws = pytest.mark.local_aws
both = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "running"])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training job gets its instance after ten seconds."""
    monkeypatch.setattr(clock, "settings", replace(clock.settings, time_scale=6.0))


@pytest.fixture(params=WORK)
def work(request: Any, local_aws: Any, context: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    made = WORK[request.param](local_aws, context)
    if request.param == "training job":
        request.getfixturevalue("slow")
    yield made
    made.end()


def start_and_kill(work: Any, context: Any, deferrable: bool) -> None:
    operator = work.make(deferrable)
    if deferrable:
        trigger = deferred_wait(operator, context, work)
        kill_deferred(trigger, work.is_running)
    else:
        with pytest.raises(SageMakerEmrError, match=r"was killed|vanished|is Stopp"):
            kill_running(operator, context, work.is_running)


def deferred_wait(operator: Any, context: Any, work: Any) -> Any:
    """The last trigger of the operator's, which may wait for a turn before."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value.trigger


@aws
@both
def test_a_kill_stops_the_work_and_the_next_try_begins_anew(
    work: Any, context: Any, deferrable: bool, run_task: Any
) -> None:
    start_and_kill(work, context, deferrable)
    assert work.has_stopped()
    if isinstance(work, Batch):
        name = work.livy.deleted[0]
        assert work.livy.find(name) is None, "its name is free again"
    deferred_wait(work.make(True), context, work)
    assert work.is_running()


@aws
@both
def test_the_deadline_stops_the_work(work: Any, run_task: Any, deferrable: bool) -> None:
    with pytest.raises(DeadlineExceeded, match="The work was stopped"):
        run_task(lambda: work.make(deferrable, timeout_seconds=1.5))
    assert work.has_stopped()


@aws
@both
def test_a_stop_that_fails_for_a_while_is_tried_again(
    work: Any, context: Any, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.fail_stops(["refused", "refused", "lost"], monkeypatch)
    start_and_kill(work, context, deferrable)
    assert work.has_stopped()


@aws
def test_what_nobody_stopped_is_attached_to_by_the_next_try(work: Any, context: Any) -> None:
    """Killed before a triggerer took the wait over, or with the triggerer gone: nobody calls on_kill."""
    deferred_wait(work.make(True), context, work)
    trigger = deferred_wait(work.make(True), context, work)
    kill_deferred(trigger, work.is_running)
    assert work.has_stopped(), "there was one only"


@aws
def test_a_kill_between_the_turn_on_a_shared_cluster_and_the_batch_leaves_no_batch(
    local_aws: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn was waited for deferred; the task resumes in a new process, and is killed as it submits."""
    shared = SharedBatch(local_aws, context)
    submit, submitted, killed = LivyClient.submit_batch, [], []
    operator = shared.make(True)
    on_kill = operator.on_kill
    monkeypatch.setattr(operator, "on_kill", lambda: (on_kill(), killed.append(True)))

    def answered_late(client: LivyClient, **request: Any) -> Any:
        submitted.append(submit(client, **request))
        until(lambda: bool(killed))
        return submitted[-1]

    monkeypatch.setattr(LivyClient, "submit_batch", answered_late)
    event = {"result": {"turn_on": shared.cluster_id}, "deadline_at": time.time() + 60}
    with pytest.raises(SageMakerEmrError, match="was killed while it requested Livy batch"):
        kill_running(operator, context, lambda: bool(submitted), event=event)
    assert shared.has_stopped()
    shared.end()


@aws
def test_a_kill_while_a_turn_is_waited_for_leaves_the_lease_to_the_runs_teardown(
    local_aws: Any, context: Any
) -> None:
    shared = SharedBatch(local_aws, context)
    shared.store.change(lambda lease: replace(lease, cluster=None))
    trigger = deferred_wait(shared.make(True), context, shared)
    kill_deferred(trigger, lambda: True)
    assert list(shared.livy.batches) == ["of-another-holder"]
    leave = {"environment": "dev", "bucket": "artifacts", "aws_conn_id": None}
    SharedClusterLeaveOperator(task_id="leave_cluster", **leave).execute(context)
    assert [holder.run_id for holder in shared.store.read().holders.values()] == ["another"]
    shared.end()


@aws
@both
def test_a_training_job_that_nobody_stopped_is_stopped_by_the_runs_teardown(
    local_aws: Any, context: Any, slow: None, run_task: Any, deferrable: bool
) -> None:
    training = Training(local_aws, context)

    def stop() -> Any:
        return SageMakerStopTrainingJobOperator(
            task_id="stop_training", environment="dev", aws_conn_id=None, deferrable=deferrable
        )

    assert run_task(stop) is None
    deferred_wait(training.make(True), context, training)
    assert training.is_running()
    assert run_task(stop).startswith("train-model-")
    assert training.statuses() == ["Stopped"]
    assert run_task(stop) is None


@aws
def test_a_batch_whose_cluster_has_ended_has_stopped(local_aws: Any, context: Any) -> None:
    """Its Livy does not answer any more, which is no reason to go on asking."""
    batch = Batch(local_aws, context)
    trigger = deferred_wait(batch.make(True), context, batch)
    batch.livy.__exit__()
    emr = local_aws("emr")
    emr.terminate_job_flows(JobFlowIds=[batch.cluster_id])
    wait_for(emr, "cluster_terminated", batch.cluster_id)
    trigger.stop()
