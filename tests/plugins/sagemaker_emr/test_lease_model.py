"""Every interleaving Hypothesis can think of, of runs that share a cluster and of what provides it.

The lease, its store, the holders' and the provider's waits are the real ones. Played are S3 (in memory, with
conditional puts whose answers may be lost, and another writer between a read and its write), Airflow (runs by
id, steps that are retried) and the clusters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sagemaker_emr import leases
from sagemaker_emr.exceptions import ClusterFailed
from sagemaker_emr.leases import GRACE_SECONDS, LEASE_SECONDS, Lease, LeaseStore, Watch
from sagemaker_emr.triggers import shared_cluster
from sagemaker_emr.triggers.shared_cluster import (
    Membership,
    SharedClusterTurnTrigger,
    SharedClusterUnusedTrigger,
)

HOLDERS = ("a", "b", "c")
SLOTS = 2
CONNECTION: dict[str, Any] = {}
STEPS = ("find_demand", "end_predecessor", "request", "wait", "lend", "terminate", "settle", "ended")


class AnswerLost(Exception):
    """The write was applied, and the writer does not know."""


class SharedS3:
    """One bucket, as :class:`ArtifactsHook` shows it."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, int]] = {}
        self.writes = 0
        self.before_next_write: Callable[[], None] | None = None
        self.lose_next_answer = False

    def get_json(self, uri: str) -> tuple[Any, str] | None:
        found = self.get_json_or_time(uri)
        return None if isinstance(found, datetime) else found

    def get_json_or_time(self, uri: str) -> tuple[Any, str] | datetime:
        if uri not in self.objects:
            return datetime.now(UTC)
        text, version = self.objects[uri]
        return json.loads(text), str(version)

    def put_json_if_absent(self, uri: str, value: Any) -> str | None:
        return self._put(uri, value, lambda: uri not in self.objects)

    def put_json_if_match(self, uri: str, value: Any, etag: str) -> str | None:
        return self._put(uri, value, lambda: uri in self.objects and str(self.objects[uri][1]) == etag)

    def _put(self, uri: str, value: Any, condition: Callable[[], bool]) -> str | None:
        if (other := self.before_next_write) is not None:
            self.before_next_write = None
            other()
        if not condition():
            return None
        self.writes += 1
        self.objects[uri] = json.dumps(value), self.writes
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise AnswerLost
        return str(self.writes)


class Clusters:
    """At most one a generation; in the place of EmrHook."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self.made: set[int] = set()

    def check_cluster(self, cluster_id: str) -> dict[str, Any]:
        if int(cluster_id) not in self.alive:
            raise ClusterFailed(f"Cluster {cluster_id} is TERMINATED", reason="it died")
        return {}


class Provider:
    """A run of provide_shared_cluster: the next step to do, and what the step keeps in memory."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.step = "find_demand"
        self.trigger: Any = None
        self.killed = False


class SharedClusterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.s3 = SharedS3()
        self.clusters = Clusters()
        self.providers: dict[str, Provider] = {}
        self.members: dict[str, Membership] = {}
        self.renewed_at: dict[str, float] = {}
        self.generation_of: dict[str, int] = {}
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(shared_cluster, "ArtifactsHook", lambda **_: self.s3)
        self.patch.setattr(leases.time, "monotonic", lambda: self.now)
        self.patch.setattr(leases.time, "sleep", lambda _: None)
        self.store = LeaseStore(self.s3, "artifacts", "dev", "shared")

    def teardown(self) -> None:
        try:
            self.everything_ends_once_the_holders_are_gone()
        finally:
            self.patch.undo()

    # Holders

    @initialize()
    def first_run(self) -> None:
        self.join("a")

    @rule(holder=st.sampled_from(HOLDERS))
    def join(self, holder: str) -> None:
        """The setup task and the start of the provider; a lost answer makes Airflow try again."""
        while True:
            try:
                lease = self.store.join(holder, "prepare_features", holder)
                break
            except AnswerLost:
                continue
        self.renewed_at[holder], self.generation_of[holder] = self.now, lease.generation
        self.members[holder] = Membership(self.member(holder), CONNECTION)
        self.members[holder]._renew_at = self.now + leases.RENEW_SECONDS
        self.start_provider(lease)

    @rule(holder=st.sampled_from(HOLDERS))
    def work(self, holder: str) -> None:
        """One look of a holder's wait: it learns that it goes on, or that the lease was closed."""
        if holder in self.members:
            self.look(holder)

    @rule(holder=st.sampled_from(HOLDERS))
    def leave(self, holder: str) -> None:
        if self.members.pop(holder, None):
            self.retried(lambda: self.store.leave(holder))

    @rule(holder=st.sampled_from(HOLDERS))
    def vanish(self, holder: str) -> None:
        """The worker and its machine are gone, without a word."""
        self.members.pop(holder, None)

    # What provides the cluster

    @rule(pick=st.integers(0, 5))
    def provider_goes_on(self, pick: int) -> None:
        going = self.going()
        if going:
            self.advance(going[pick % len(going)])

    @rule(pick=st.integers(0, 5))
    def provider_is_restarted(self, pick: int) -> None:
        """The triggerer or worker died: what was in memory is gone, the step begins anew."""
        going = self.going()
        if going:
            going[pick % len(going)].trigger = None

    @precondition(lambda self: self.going())
    @rule(pick=st.integers(0, 5))
    def provider_is_marked_failed(self, pick: int) -> None:
        """By hand: only the teardowns still run."""
        provider = self.going()[pick % len(self.going())]
        if STEPS.index(provider.step) < STEPS.index("terminate"):
            provider.step, provider.killed = "terminate", True

    @rule()
    def cluster_dies(self) -> None:
        self.clusters.alive.clear()

    # Trouble

    @rule(seconds=st.sampled_from([30.0, 90.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def all_go_on_for_longer_than_a_lease(self) -> None:
        self.settle_down(rounds=8, seconds=LEASE_SECONDS / 6)

    @rule()
    def nobody_needs_it_for_a_while(self) -> None:
        for holder in list(self.members):
            self.leave(holder)
        for step in (0.0, GRACE_SECONDS):
            for provider in self.going():
                if provider.step == "lend" and step == 0.0:
                    self.advance(provider)
            self.now += step

    @rule()
    def an_answer_will_be_lost(self) -> None:
        self.s3.lose_next_answer = True

    @rule()
    def another_joins_in_between(self) -> None:
        """Between the read and the write of whoever writes next."""
        newcomer = f"newcomer {len(self.renewed_at)}"
        self.s3.before_next_write = lambda: self.join(newcomer)

    # What must hold

    @invariant()
    def there_are_never_two_clusters(self) -> None:
        assert len(self.clusters.alive) <= 1

    @invariant()
    def a_lease_never_offers_more_turns_than_slots(self) -> None:
        lease = self.store.read()
        assert lease is None or sum(map(lease.has_turn, lease.holders)) <= SLOTS

    @invariant()
    def who_renews_in_time_is_neither_given_up_nor_shut_out(self) -> None:
        """Unless the provider was ended by hand: then its holders are told, instead of waiting for ever."""
        lease = self.store.read()
        for holder in self.members:
            fresh = self.now - self.renewed_at[holder] < LEASE_SECONDS
            if lease is None or not fresh or self.generation_of[holder] != lease.generation:
                continue
            assert holder in lease.holders
            assert lease.closed is None or self.providers[lease.provider_run_id].killed

    def everything_ends_once_the_holders_are_gone(self) -> None:
        """Runs that go on get their cluster; once they have left, no cluster is left past grace and lease."""
        self.s3.before_next_write, self.s3.lose_next_answer = None, False
        self.settle_down(rounds=40, seconds=1.0)
        lease = self.store.read()
        for holder in list(self.members):
            if lease is not None and lease.closed is None and self.look(holder):
                assert lease.cluster is not None, f"{holder} waits for a cluster that nobody provides"
        self.members.clear()
        self.settle_down(rounds=40, seconds=(LEASE_SECONDS + GRACE_SECONDS) / 10)
        assert self.clusters.alive == set()
        assert self.going() == []

    # The parts played

    def member(self, holder: str) -> dict[str, str]:
        return {
            "bucket": "artifacts",
            "environment": "dev",
            "name": "shared",
            "holder_id": holder,
            "dag_id": "prepare_features",
            "run_id": holder,
        }

    def retried(self, write: Callable[[], Any]) -> Any:
        while True:
            try:
                return write()
            except AnswerLost:
                continue

    def look(self, holder: str) -> bool:
        """Whether the holder goes on."""
        try:
            lease: Lease = self.retried(self.members[holder].look)
        except ClusterFailed:
            del self.members[holder]
            return False
        if self.members[holder]._renew_at == self.now + leases.RENEW_SECONDS:
            self.renewed_at[holder], self.generation_of[holder] = self.now, lease.generation
        turn = SharedClusterTurnTrigger(member=self.member(holder), deadline_at=1e12)
        turn.__dict__["hook"] = self.clusters
        result = self.retried(turn.look)
        if result is not None:
            assert int(result["turn_on"]) in self.clusters.alive
        assert lease.closed is None
        return True

    def start_provider(self, lease: Lease) -> None:
        self.providers.setdefault(lease.provider_run_id, Provider(lease.generation))

    def going(self) -> list[Provider]:
        return [provider for provider in self.providers.values() if provider.step != "ended"]

    def settle_down(self, rounds: int, seconds: float) -> None:
        for _ in range(rounds):
            self.now += seconds
            for holder in list(self.members):
                self.look(holder)
            for provider in self.going():
                self.advance(provider)

    def advance(self, provider: Provider) -> None:
        try:
            provider.step = getattr(self, f"step_{provider.step}")(provider)
        except AnswerLost:
            provider.trigger = None  # The task's next try.

    def step_find_demand(self, provider: Provider) -> str:
        lease = self.store.change(lambda stored: stored.close_if_unused(provider.generation, "nobody"))
        return "end_predecessor" if lease.is_open(provider.generation) else "ended"

    def step_end_predecessor(self, provider: Provider) -> str:
        self.clusters.alive -= {provider.generation - 1}
        return "request"

    def step_request(self, provider: Provider) -> str:
        if provider.generation not in self.clusters.made:
            self.clusters.made.add(provider.generation)
            self.clusters.alive.add(provider.generation)
        return "wait"

    def step_wait(self, provider: Provider) -> str:
        """As SharedClusterReadySensor does."""
        if provider.generation in self.clusters.alive:
            return "lend"
        self.store.change(lambda lease: lease.succeed(provider.generation, "lost before it was lent"))
        return "terminate"

    def step_lend(self, provider: Provider) -> str:
        if provider.trigger is None:
            provider.trigger = SharedClusterUnusedTrigger(
                lease=self.member("") | {"generation": provider.generation},
                cluster_id=str(provider.generation),
                slots=SLOTS,
                ends_at=1e12,
                deadline_at=1e12,
            )
            provider.trigger.__dict__["hook"] = self.clusters
            provider.trigger._watch = Watch(clock=lambda: self.now)
        return "terminate" if provider.trigger.look() else "lend"

    def step_terminate(self, provider: Provider) -> str:
        self.clusters.alive -= {provider.generation}
        return "settle"

    def step_settle(self, provider: Provider) -> str:
        lease = self.store.change(lambda stored: stored.close(provider.generation, "its provider ended"))
        if lease.closed is None and lease.generation > provider.generation:
            self.start_provider(lease)
        return "ended"


TestSharedCluster = SharedClusterMachine.TestCase
TestSharedCluster.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)
