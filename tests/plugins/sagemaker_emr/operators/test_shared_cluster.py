from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_emr import leases
from sagemaker_emr.exceptions import (
    BatchLost,
    BudgetExceeded,
    ClusterFailed,
    InvalidInput,
    NotRetryable,
    ProvisioningFailed,
    SharedClusterLost,
)
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import Lease, LeaseStore, SharedCluster, lease_name
from sagemaker_emr.operators.shared_cluster import (
    SHARED_BY,
    SharedClusterJoinOperator,
    SharedClusterLeaveOperator,
    SharedClusterLendOperator,
    SharedClusterRunBatchOperator,
    SharedClusterSettleLeaseOperator,
    batch_slots,
    member_of,
)
from sagemaker_emr.sensors.shared_cluster import SharedClusterReadySensor
from sagemaker_emr.task_groups.shared_cluster import find_demand
from sagemaker_emr.triggers.livy import LivyBatchTrigger
from sagemaker_emr.triggers.shared_cluster import Membership, SharedClusterTurnTrigger
from tests.airflow_names import AirflowSkipException
from tests.plugins.sagemaker_emr.conftest import RUN_ID, Run, ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.livy_server import FakeLivy
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

COMPLETION = {"batch": "b", "dates": {"2013-01-05": {"rows": 3}}, "seconds": 2.0}
SIZE = {
    "emr_release": "emr-7.8.0",
    "master_instance_type": "m5.xlarge",
    "core_instance_type": "m5.xlarge",
    "core_instance_count": 2,
}
LEASE = {"environment": "dev", "bucket": "artifacts"}
BATCH = {
    "task_id": "prepare_features",
    "aws_conn_id": None,
    "environment": "dev",
    "file": "s3://artifacts/code/job.py",
    "args": ["--batch-name", "{batch_name}"],
    "completion_manifest": "s3://features/_batches/{batch_name}.json",
    "timeout_seconds": 60,
}
both = pytest.mark.parametrize("deferrable", [True, False])


def cluster(state: str) -> dict[str, Any]:
    status = {"State": state, "StateChangeReason": {"Code": "INSTANCE_FAILURE", "Message": "gone"}}
    return {"Cluster": {"Id": "j-1", "Name": "c", "Status": status, "MasterPublicDnsName": "127.0.0.1"}}


@pytest.fixture
def livy() -> Iterator[FakeLivy]:
    with FakeLivy() as server:
        yield server


@pytest.fixture
def s3(aws: ScriptedAws, livy: FakeLivy) -> MemoryS3:
    objects = MemoryS3(aws)
    aws.on("DescribeCluster", cluster("WAITING"))
    livy.on_state["success"] = lambda batch: objects.put(
        f"s3://features/_batches/{batch['name']}.json", json.dumps(COMPLETION)
    )
    return objects


@pytest.fixture
def store(s3: MemoryS3) -> LeaseStore:
    return LeaseStore(ArtifactsHook(aws_conn_id=None), "artifacts", "dev", lease_name(SHARED_BY, SIZE))


def join(run_task: Run, **changes: Any) -> dict[str, Any]:
    made = {"task_id": "join_cluster", "aws_conn_id": None, **LEASE, **changes}
    joined: dict[str, Any] = run_task(lambda: SharedClusterJoinOperator(**made))
    return joined


def batch(livy: FakeLivy, **changes: Any) -> Callable[[], Any]:
    return lambda: SharedClusterRunBatchOperator(
        **{**BATCH, "bucket": "artifacts", "livy_port": livy.port, **changes}
    )


@pytest.fixture
def member(run_task: Run, store: LeaseStore, context: dict[str, Any]) -> dict[str, str]:
    """The run, as the holder it is once it has joined."""
    join(run_task)
    return member_of(context, "dev", "artifacts", SIZE, SHARED_BY)


def lend(**changes: Any) -> Callable[[], Any]:
    made = {
        "task_id": "lend_cluster",
        "aws_conn_id": None,
        **LEASE,
        "lease": lease_name(SHARED_BY, SIZE),
        "generation": "1",
        "cluster_id": "j-1",
        "core_instance_type": "m5.xlarge",
        "core_instance_count": "2",
        "grace_seconds": "0",
        **changes,
    }
    return lambda: SharedClusterLendOperator(**made)


def settle() -> Any:
    lease = {"lease": lease_name(SHARED_BY, SIZE), "generation": "1"}
    return SharedClusterSettleLeaseOperator(task_id="settle_lease", aws_conn_id=None, **LEASE, **lease)


def test_joining_names_the_provider_and_what_it_is_to_provide(run_task: Run, store: LeaseStore) -> None:
    joined = join(run_task)
    lease = store.read()
    assert joined["provider_run_id"] == lease.provider_run_id
    assert joined["provider_conf"] == {
        "environment": "dev",
        "budget_usd": None,
        **SIZE,
        "lease": lease.name,
        "generation": 1,
        "lease_bucket": "artifacts",
    }
    assert [holder.run_id for holder in lease.holders.values()] == [RUN_ID]


def test_the_cluster_wanted_is_the_one_of_the_runs_form(
    run_task: Run, store: LeaseStore, context: dict[str, Any]
) -> None:
    context["params"] = {**SIZE, "core_instance_count": 5, "date": None}
    assert join(run_task)["provider_conf"]["core_instance_count"] == 5
    assert store.read() is None


def test_a_retry_joins_as_the_same_holder(run_task: Run, store: LeaseStore) -> None:
    join(run_task)
    join(run_task)
    assert len(store.read().holders) == 1


def test_who_leaves_twice_has_left(run_task: Run, store: LeaseStore) -> None:
    join(run_task)
    for _ in range(2):
        run_task(lambda: SharedClusterLeaveOperator(task_id="leave", aws_conn_id=None, **LEASE))
    assert store.read().holders == {}


@both
def test_a_batch_runs_on_the_cluster_that_is_lent(
    run_task: Run, member: dict[str, str], store: LeaseStore, livy: FakeLivy, deferrable: bool
) -> None:
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    result = run_task(batch(livy, deferrable=deferrable))
    assert result["completion"] == COMPLETION
    assert len(livy.submitted) == 1


def test_work_that_is_done_needs_no_cluster(
    run_task: Run, member: dict[str, str], store: LeaseStore, livy: FakeLivy
) -> None:
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    run_task(batch(livy))
    store.change(lambda lease: lease.close(1, "over"))
    assert run_task(batch(livy))["completion"] == COMPLETION
    assert len(livy.submitted) == 1


def test_the_lease_is_renewed_while_the_batch_runs(
    run_task: Run, member: dict[str, str], store: LeaseStore, livy: FakeLivy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagemaker_emr.triggers.shared_cluster.RENEW_SECONDS", 0.0)
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    livy.script = ["running"] * 5 + ["success"]
    run_task(batch(livy))
    assert store.read().holders[member["holder_id"]].renewals >= 4


def test_a_turn_is_waited_for_until_the_cluster_is_up_and_those_before_have_left(
    run_task: Run, member: dict[str, str], store: LeaseStore
) -> None:
    store.leave(member["holder_id"])
    store.join("earlier", "d", "earlier")
    join(run_task)
    trigger = SharedClusterTurnTrigger(member=member, deadline_at=2e9, aws_conn_id=None)
    assert trigger.look() is None
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    assert trigger.look() is None
    store.leave("earlier")
    assert trigger.look() == {"turn_on": "j-1"}


def test_nobody_gets_a_turn_on_a_cluster_that_has_ended(
    run_task: Run, member: dict[str, str], store: LeaseStore, aws: ScriptedAws
) -> None:
    aws.on("DescribeCluster", cluster("TERMINATED"))
    trigger = SharedClusterTurnTrigger(member=member, deadline_at=2e9, aws_conn_id=None)
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    assert trigger.look() is None


@both
def test_a_batch_whose_cluster_is_lost_goes_on_with_the_next_in_the_same_try(
    run_task: Run,
    member: dict[str, str],
    store: LeaseStore,
    livy: FakeLivy,
    aws: ScriptedAws,
    deferrable: bool,
) -> None:
    def lose(batch: dict[str, Any]) -> None:
        livy.broken = True

    def look(request: dict[str, Any]) -> dict[str, Any]:
        if not livy.broken:
            return cluster("WAITING")
        livy.broken, livy.script = False, ["success"]
        livy.batches.clear()
        store.change(lambda lease: lease.succeed(1, "lost").offer(2, SharedCluster("j-2", 1)))
        return cluster("TERMINATED_WITH_ERRORS")

    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    livy.script, livy.on_state["running"] = ["starting", "running"], lose
    aws.on("DescribeCluster", look)
    assert run_task(batch(livy, deferrable=deferrable))["completion"] == COMPLETION
    assert len(livy.submitted) == 2
    assert {request["ClusterId"] for request in aws.requests("DescribeCluster")} == {"j-1", "j-2"}


@both
def test_a_lease_that_is_closed_when_a_batch_was_lost_ends_the_task_for_good(
    run_task: Run,
    member: dict[str, str],
    store: LeaseStore,
    livy: FakeLivy,
    aws: ScriptedAws,
    deferrable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vanished, count_loss = LivyBatchTrigger._vanished, SharedClusterRunBatchOperator._count_loss
    losses: list[BatchLost] = []

    def close(trigger: LivyBatchTrigger) -> Any:
        store.change(lambda lease: lease.close(1, "its budget is used up"))
        return vanished(trigger)

    def note(operator: SharedClusterRunBatchOperator, context: Any, lost: BatchLost) -> None:
        losses.append(lost)
        count_loss(operator, context, lost)

    monkeypatch.setattr(LivyBatchTrigger, "_vanished", close)
    monkeypatch.setattr(SharedClusterRunBatchOperator, "_count_loss", note)
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    livy.script, livy.on_state["running"] = ["starting", "running"], lambda batch: livy.batches.clear()
    aws.on("DescribeCluster", cluster("WAITING"))
    with pytest.raises(ClusterFailed, match="was closed"):
        run_task(batch(livy, deferrable=deferrable))
    assert len(livy.submitted) == 1
    assert [type(lost) for lost in losses] == [BatchLost]


@both
def test_who_lost_too_many_clusters_fails_its_try_and_the_next_goes_on(
    run_task: Run,
    member: dict[str, str],
    store: LeaseStore,
    livy: FakeLivy,
    aws: ScriptedAws,
    deferrable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sagemaker_emr.operators.livy.MAX_LOSSES", 0)
    store.change(lambda lease: lease.offer(1, SharedCluster("j-1", 1)))
    aws.on("DescribeCluster", cluster("WAITING"), cluster("TERMINATED_WITH_ERRORS"))
    livy.broken = True
    with pytest.raises(SharedClusterLost, match="The next try goes on with the cluster's successor") as lost:
        run_task(batch(livy, deferrable=deferrable))
    assert not isinstance(lost.value, NotRetryable)


@both
def test_a_closed_lease_fails_its_holders_with_the_reason(
    run_task: Run, member: dict[str, str], store: LeaseStore, livy: FakeLivy, deferrable: bool
) -> None:
    store.change(lambda lease: lease.close(1, "its provider ended early: run x"))
    with pytest.raises(ClusterFailed, match="its provider ended early: run x"):
        run_task(batch(livy, deferrable=deferrable))


@both
def test_a_cluster_is_lent_until_the_last_holder_has_left(
    run_task: Run, store: LeaseStore, livy: FakeLivy, aws: ScriptedAws, deferrable: bool
) -> None:
    join(run_task)
    holder = next(iter(store.read().holders))

    def look(request: dict[str, Any]) -> dict[str, Any]:
        if len(aws.requests("DescribeCluster")) == 5:
            assert store.read().cluster == SharedCluster("j-1", 2)
            store.leave(holder)
        return cluster("WAITING")

    aws.on("DescribeCluster", look)
    assert run_task(lend(deferrable=deferrable)) == {
        "ended": "nobody needed it for 0 s",
        "successor": False,
    }
    assert store.read().closed == "nobody needed it for 0 s"


def test_a_holder_that_vanished_is_given_up(run_task: Run, store: LeaseStore) -> None:
    join(run_task)
    assert run_task(lend(lease_seconds=0.05))["successor"] is False
    assert store.read().holders == {}


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({}, "TERMINATED", "Cluster j-1 is TERMINATED: INSTANCE_FAILURE: gone"),
        ({"max_age_hours": "0"}, "WAITING", "cluster j-1 has its maximum age"),
    ],
    ids=["lost", "too old"],
)
def test_the_holders_of_a_cluster_that_ends_go_on_with_a_successor(
    run_task: Run,
    store: LeaseStore,
    aws: ScriptedAws,
    context: dict[str, Any],
    change: dict[str, str],
    state: str,
    reason: str,
) -> None:
    join(run_task)
    aws.on("DescribeCluster", cluster(state))
    assert run_task(lend(**change)) == {"ended": reason, "successor": True}

    context["params"] = {"environment": "dev", **SIZE, "lease": "x", "generation": 1}
    successor = run_task(settle)
    assert successor["successor_run_id"] == store.read().provider_run_id
    assert successor["successor_conf"] == {**context["params"], "generation": 2}


def test_a_cluster_that_is_lost_without_holders_has_no_successor(
    run_task: Run, store: LeaseStore, aws: ScriptedAws, context: dict[str, Any]
) -> None:
    store.join("a", "d", "a")
    store.leave("a")
    aws.on("DescribeCluster", cluster("TERMINATED"))
    assert run_task(lend())["successor"] is False
    context["params"] = {}
    assert run_task(settle) == {"successor_run_id": "", "successor_conf": {}}


def test_a_provider_that_was_stopped_closes_its_lease_and_says_so(
    run_task: Run, store: LeaseStore, context: dict[str, Any]
) -> None:
    join(run_task)
    context["params"] = {}
    assert run_task(settle)["successor_run_id"] == ""
    assert RUN_ID in store.read().closed


def test_the_clusters_size_bounds_its_batches() -> None:
    assert batch_slots("m5.xlarge", 2) == 2
    assert batch_slots("m5.4xlarge", 10) == 40
    with pytest.raises(InvalidInput, match=r"m5\.xlarge, m5\.2xlarge, m5\.4xlarge"):
        batch_slots("c5.xlarge", 2)


def test_every_core_instance_type_of_the_form_has_a_known_size() -> None:
    from sagemaker_emr.params import CLUSTER_SIZE

    for instance_type in CLUSTER_SIZE["core_instance_type"].schema["enum"]:
        assert batch_slots(instance_type, 2) >= 1


def test_a_lease_outlasts_airflows_notice_of_a_dead_worker() -> None:
    from sagemaker_emr.airflow_versions import conf

    assert conf.getint("scheduler", "task_instance_heartbeat_timeout") < leases.LEASE_SECONDS


# A bucket that was emptied under a lease


def run_id_of(store: LeaseStore, generation: int, opened: str = "20130101T000000Z") -> str:
    lease = Lease("dev", lease_name(SHARED_BY, SIZE), opened, generation)
    return lease.provider_run_id


@both
def test_a_lease_that_was_lost_is_written_anew_by_its_provider_for_its_holders(
    run_task: Run,
    store: LeaseStore,
    s3: MemoryS3,
    aws: ScriptedAws,
    context: dict[str, Any],
    member: dict[str, str],
    deferrable: bool,
) -> None:
    """Also where the cluster is that of a later generation, and a holder looked first."""
    context["ti"].run_id = run_id_of(store, 3)
    holder = Membership(member, {"aws_conn_id": None})
    seen = []

    def look(request: dict[str, Any]) -> dict[str, Any]:
        looks = len(aws.requests("DescribeCluster"))
        if looks == 2:
            s3.objects.clear()
            assert holder.look().cluster is None
        if looks == 4:
            seen.append(store.read())
            store.leave(member["holder_id"])
            store.join("last", "d", "last")
            store.leave("last")
        return cluster("WAITING")

    s3.objects.clear()
    store.change(lambda lease: replace(lease, opened="20130101T000000Z", generation=3))
    store.join(member["holder_id"], member["dag_id"], member["run_id"])
    aws.on("DescribeCluster", look)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("sagemaker_emr.triggers.shared_cluster.RENEW_SECONDS", 0.1)
    with monkey.context():
        ended = run_task(lend(generation="3", deferrable=deferrable))
    monkey.undo()
    assert ended["ended"].startswith("nobody needed it for")
    assert seen[0].cluster == SharedCluster("j-1", 2)
    assert (seen[0].generation, seen[0].opened) == (3, "20130101T000000Z")
    assert list(seen[0].holders) == [member["holder_id"]]


def test_runs_with_a_budget_share_a_cluster_with_those_of_the_same_amount_and_name(
    store: LeaseStore, context: dict[str, Any]
) -> None:
    def lease_of(**params: Any) -> str:
        context["params"] = params
        return member_of(context, "dev", "artifacts", SIZE, SHARED_BY)["name"]

    none = lease_of()
    assert lease_of(budget_usd=None, budget_name="a") == none
    budgets = [
        {"budget_usd": usd, "budget_name": name} for usd, name in ((5, "a"), (6, "a"), (5, "b"), (5, "a"))
    ]
    names = [lease_of(**budget) for budget in budgets]
    assert names[0] == names[3]
    assert len({none, *names}) == 4


def test_a_budget_that_is_used_up_ends_the_lending_and_the_holders_read_the_sums(
    run_task: Run, store: LeaseStore, member: dict[str, str], context: dict[str, Any]
) -> None:
    context["ti"].xcom_pull = lambda task_ids, key: {"at": 1.0, "sums": "budget 5.00 USD, spent 4.90"}
    with pytest.raises(BudgetExceeded, match=r"spent 4\.90"):
        run_task(lend(budget_from="claim_cluster"))
    assert not store.read().is_open(1)
    assert not store.read().is_open(2)
    with pytest.raises(ClusterFailed, match=r"spent 4\.90"):
        Membership(member, {"aws_conn_id": None}).look()


def test_a_provider_names_all_before_it_whose_clusters_its_budget_paid(
    store: LeaseStore, context: dict[str, Any]
) -> None:
    context["params"] = {
        "environment": "dev",
        "lease": lease_name(SHARED_BY, SIZE),
        "generation": 3,
        "lease_bucket": "artifacts",
    }
    store.join("a", "d", "a")
    store.change(lambda lease: lease.succeed(1, "lost"))
    store.change(lambda lease: lease.succeed(2, "lost"))
    context["run_id"] = store.read().provider_run_id
    assert find_demand(context, "artifacts")["earlier_run_ids"] == [
        store.read().provider_run_id_of(generation) for generation in (1, 2)
    ]


def test_a_provider_of_a_lease_that_was_begun_anew_gives_way_to_the_older_one(
    run_task: Run, store: LeaseStore, context: dict[str, Any]
) -> None:
    store.change(lambda lease: replace(lease, opened="20130101T000000Z", generation=3))
    context["ti"].run_id = run_id_of(store, 1, opened="20130102T000000Z")
    assert run_task(lend())["successor"] is False
    before = store.read()
    context["params"] = {}
    assert run_task(settle)["successor_run_id"] == ""
    assert store.read() == before, "it is not its lease to close"


def test_a_provider_that_ends_starts_one_for_those_who_began_its_lost_lease_anew(
    run_task: Run, store: LeaseStore, context: dict[str, Any]
) -> None:
    store.join("a", "d", "a")
    context["ti"].run_id = run_id_of(store, 1)
    context["params"] = {"lease": "x"}
    begun = store.read()
    settled = run_task(settle)
    assert settled["successor_run_id"] == begun.provider_run_id
    assert settled["successor_conf"] == {"lease": "x", "generation": 1}
    assert store.read() == begun


def test_a_provider_whose_lease_was_lost_before_it_began_goes_on_for_its_holders(
    store: LeaseStore, context: dict[str, Any]
) -> None:
    context["params"] = {
        "environment": "dev",
        "lease": lease_name(SHARED_BY, SIZE),
        "generation": 2,
        "lease_bucket": "artifacts",
    }
    context["run_id"] = run_id_of(store, 2)
    assert find_demand(context, "artifacts")["predecessor_run_id"] == run_id_of(store, 1)
    assert store.read().is_open(2)
    context["run_id"] = run_id_of(store, 1, opened="20130102T000000Z")
    with pytest.raises(AirflowSkipException, match="has the lease"):
        find_demand(context, "artifacts")
    context["params"]["lease_bucket"] = "another"
    with pytest.raises(InvalidInput, match="another is not where environment dev keeps its leases"):
        find_demand(context, "artifacts")


def ready(deferrable: bool) -> Callable[[], Any]:
    lease = {"lease": lease_name(SHARED_BY, SIZE), "generation": "1", **LEASE}
    return lambda: SharedClusterReadySensor(
        task_id="wait_for_cluster",
        aws_conn_id=None,
        record_id="rec-1",
        timeout=60,
        deferrable=deferrable,
        **lease,
    )


def record(status: str) -> dict[str, Any]:
    detail = {"RecordId": "rec-1", "Status": status, "ProvisionedProductName": "cluster-x-1"}
    return {"RecordDetail": detail, "RecordOutputs": [{"OutputKey": "ClusterId", "OutputValue": "j-1"}]}


@both
def test_a_cluster_lost_before_it_was_lent_has_a_successor_for_who_waits(
    run_task: Run,
    store: LeaseStore,
    aws: ScriptedAws,
    member: dict[str, str],
    context: dict[str, Any],
    deferrable: bool,
) -> None:
    aws.on("DescribeRecord", record("IN_PROGRESS"), record("SUCCEEDED"))
    aws.on("DescribeCluster", cluster("TERMINATED_WITH_ERRORS"))
    with pytest.raises(ClusterFailed):
        run_task(ready(deferrable))
    lease = store.read()
    assert lease.is_open(2)
    assert list(lease.holders) == [member["holder_id"]]
    context["params"] = {"lease": lease.name, "generation": 1}
    assert run_task(settle)["successor_run_id"] == lease.provider_run_id


@both
def test_a_cluster_that_does_not_start_has_no_successor(
    run_task: Run,
    store: LeaseStore,
    aws: ScriptedAws,
    member: dict[str, str],
    context: dict[str, Any],
    deferrable: bool,
) -> None:
    failed = record("FAILED")
    failed["RecordDetail"]["RecordErrors"] = [{"Code": "X", "Description": "no capacity"}]
    aws.on("DescribeRecord", record("IN_PROGRESS"), failed)
    aws.on("DescribeProvisionedProduct", aws_error("ResourceNotFoundException"))
    with pytest.raises(ProvisioningFailed):
        run_task(ready(deferrable))
    assert store.read().is_open(1)
    context["params"] = {"lease": store.read().name, "generation": 1}
    assert run_task(settle)["successor_run_id"] == ""
    assert "its provider ended early" in str(store.read().closed)
