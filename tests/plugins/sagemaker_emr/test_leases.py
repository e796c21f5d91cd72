from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import Lease, LeaseStore, SharedCluster, Watch, holder_id, lease_name

CLUSTER = SharedCluster("j-1", slots=2)
NEW = Lease("dev", "data-preparation", "20130101T000000Z")


def held_by(*holders: str, lease: Lease = NEW) -> Lease:
    for holder in holders:
        lease = lease.join(holder, "prepare_features", f"run {holder}")
    return lease


@pytest.fixture
def store(bucket) -> LeaseStore:
    return LeaseStore(ArtifactsHook(aws_conn_id=None), bucket, "dev", "data-preparation")


def test_who_joins_an_open_generation_stays_in_it():
    lease = held_by("a", "b")
    assert lease.generation == 1
    assert [holder.ticket for holder in lease.holders.values()] == [1, 2]


def test_who_joins_a_closed_generation_opens_the_next_without_the_old_holders():
    lease = held_by("b", lease=held_by("a").offer(1, CLUSTER).close(1, "its provider failed"))
    assert (lease.generation, lease.closed, lease.cluster) == (2, None, None)
    assert list(lease.holders) == ["b"]
    assert lease.provider_run_id != NEW.provider_run_id


def test_joining_twice_keeps_the_place_in_the_queue():
    lease = held_by("a", "b", "a")
    assert lease.holders["a"].ticket == 1
    assert lease.holders["a"].renewals == 1


def test_turns_are_given_in_the_order_of_joining_as_many_as_there_are_slots():
    lease = held_by("a", "b", "c").offer(1, CLUSTER)
    assert [lease.has_turn(holder) for holder in "abc"] == [True, True, False]
    assert lease.leave("a").has_turn("c")


def test_nobody_has_a_turn_before_the_cluster_is_there():
    assert not held_by("a").has_turn("a")


def test_a_lost_cluster_leaves_its_holders_to_the_next_generation_in_their_order():
    lease = held_by("a", "b").offer(1, CLUSTER).succeed(1, "it died")
    assert (lease.generation, lease.closed, lease.cluster) == (2, None, None)
    assert [holder.ticket for holder in lease.holders.values()] == [1, 2]


def test_a_lost_cluster_that_nobody_holds_has_no_successor():
    assert NEW.succeed(1, "it died").closed == "it died"


def test_a_provider_leaves_another_generation_alone():
    lease = held_by("a").succeed(1, "it died")
    for change in (
        lease.offer(1, CLUSTER),
        lease.close(1, "over"),
        lease.close_if_unused(1, "over"),
        lease.succeed(1, "it died"),
    ):
        assert change == lease


def test_who_was_given_up_joins_again_unless_the_generation_is_closed():
    lease = held_by("a").give_up({"a": 0})
    assert lease.holders == {}
    assert "a" in lease.keep("a", "prepare_features", "run a").holders
    closed = lease.close(1, "nobody needed it")
    assert closed.keep("a", "prepare_features", "run a") == closed


def test_who_renewed_meanwhile_is_not_given_up():
    lease = held_by("a").renew("a")
    assert lease.give_up({"a": 0}) == lease


def test_a_holder_is_silent_when_its_renewals_have_not_moved_for_a_lease():
    now = 0.0
    watch = Watch(lease_seconds=10, grace_seconds=5, clock=lambda: now)
    lease = held_by("a", "b")
    assert watch.silent(lease) == {}
    now = 9.0
    lease = lease.renew("a")
    assert watch.silent(lease) == {}
    now = 10.0
    assert watch.silent(lease) == {"b": 0}


def test_a_lease_is_unused_when_nobody_was_there_for_the_grace():
    now = 0.0
    watch = Watch(lease_seconds=10, grace_seconds=5, clock=lambda: now)
    assert not watch.unused(NEW)
    now = 4.0
    assert not watch.unused(held_by("a"))
    now = 5.0
    assert not watch.unused(NEW)
    now = 10.0
    assert watch.unused(NEW)


def test_only_runs_that_want_the_same_cluster_share_one():
    small = {"core_instance_count": 2, "emr_release": "emr-7.8.0"}
    assert lease_name("data", small) == lease_name("data", dict(reversed(small.items())))
    assert lease_name("data", small) != lease_name("data", {**small, "core_instance_count": 5})
    assert holder_id("d", "r1") != holder_id("d", "r2")


@pytest.mark.local_aws
def test_a_lease_is_stored_as_it_was_changed(store):
    joined = store.join("a", "prepare_features", "run a")
    offered = store.change(lambda lease: lease.offer(1, CLUSTER))
    assert store.read() == offered
    assert offered.holders == joined.holders
    assert store.leave("a").holders == {}


@pytest.mark.local_aws
def test_a_change_that_changes_nothing_is_not_written(store):
    store.join("a", "prepare_features", "run a")
    _, before = store.hook.get_json(store.uri)
    store.leave("nobody")
    assert store.hook.get_json(store.uri)[1] == before


@pytest.mark.local_aws
def test_of_two_writers_neither_loses_what_the_other_wrote(store):
    def slowly(lease: Lease) -> Lease:
        if "b" not in lease.holders:
            LeaseStore(store.hook, "artifacts", "dev", "data-preparation").join("b", "d", "run b")
        return lease.join("a", "d", "run a")

    store.join("c", "d", "run c")
    assert set(store.change(slowly).holders) == {"a", "b", "c"}


@pytest.mark.local_aws
def test_a_writer_that_always_loses_says_so(store, monkeypatch):
    monkeypatch.setattr("sagemaker_emr.leases.WRITE_TRIES", 2)
    monkeypatch.setattr(store.hook, "put_json_if_absent", lambda *_: None)
    with pytest.raises(ResourceConflict, match="could not be written in 2 tries"):
        store.join("a", "prepare_features", "run a")
