"""Waits on a shared cluster: for one's turn, for a batch, and for the last holder to leave."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

from sagemaker_emr.costs.budget import used_up
from sagemaker_emr.exceptions import ClusterFailed, SharedClusterLost
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import (
    GRACE_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    Lease,
    LeaseStore,
    SharedCluster,
    Watch,
)
from sagemaker_emr.triggers.base import WaitTrigger
from sagemaker_emr.triggers.livy import LivyBatchTrigger

JOIN_AGAIN = "Clear join_cluster and what follows it: the run joins a new cluster."


class Membership:
    """A holder's side of a lease: renewed at most once in ``RENEW_SECONDS``.

    :param member: ``bucket``, ``environment``, ``name``, ``holder_id``, ``dag_id``, ``run_id``; JSON, as a
        trigger keeps it.
    """

    def __init__(self, member: dict[str, str], connection: dict[str, Any]) -> None:
        self._who = member["holder_id"], member["dag_id"], member["run_id"]
        self._store = LeaseStore(
            ArtifactsHook(**connection), member["bucket"], member["environment"], member["name"]
        )
        self._renew_at = 0.0

    def look(self) -> Lease:
        """The lease, renewed where it is time.

        :raises ClusterFailed: it was closed, so nobody will bring up a cluster for its holders.
        """
        if time.monotonic() >= self._renew_at:
            lease = self._store.keep(*self._who)
            self._renew_at = time.monotonic() + RENEW_SECONDS
        else:
            found = self._store.read()
            if found is None:
                self._renew_at = 0.0
                return self.look()
            lease = found
        if lease.closed is None and self._who[0] not in lease.holders:
            lease = self._store.keep(*self._who)  # given up, or the document was lost and begun anew
        if lease.closed is not None:
            raise ClusterFailed(
                f"The shared cluster {lease.name} was closed",
                reason=lease.closed,
                next_step=f"Remove the cause. {JOIN_AGAIN}",
            )
        return lease

    def has_turn(self, lease: Lease) -> bool:
        return lease.has_turn(self._who[0])


class SharedClusterTurnTrigger(WaitTrigger):
    """Waits until the shared cluster is up and it is this holder's turn to submit.

    :param member: see :class:`Membership`.
    """

    hook_class = EmrHook
    waits_for = "a turn on the shared cluster"

    def __init__(self, *, member: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member
        self._membership: Membership | None = None

    def describe(self) -> str:
        return f"a turn on the shared cluster {self.member['name']}"

    def look(self) -> dict[str, Any] | None:
        """:raises ClusterFailed: the lease was closed."""
        self._membership = self._membership or Membership(self.member, self.connection)
        lease = self._membership.look()
        if lease.cluster is None:
            self.report(f"Waiting for the cluster of {lease.provider_run_id}")
            return None
        if not self._membership.has_turn(lease):
            self.report(f"Waiting for a turn: {lease.cluster.slots} batches at once")
            return None
        try:
            self.hook.check_cluster(lease.cluster.cluster_id)
        except ClusterFailed as lost:
            self.report(f"Waiting for a successor: {lost}")
            return None
        return {"turn_on": lease.cluster.cluster_id}


class SharedClusterBatchTrigger(LivyBatchTrigger):
    """Waits for a batch on a shared cluster, and renews the lease meanwhile.

    :param member: see :class:`Membership`.
    """

    def __init__(self, *, member: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member
        self._membership: Membership | None = None

    def look(self) -> dict[str, Any] | None:
        """Look once.

        :raises SharedClusterLost: the cluster has ended, and a successor comes: the task goes on there.
        :raises ClusterFailed: the lease was closed.
        """
        self._membership = self._membership or Membership(self.member, self.connection)
        try:
            result = super().look()
        except ClusterFailed as lost:
            raise shared_cluster_lost(lost) from lost
        if result is None:
            self._membership.look()
        return result


def shared_cluster_lost(lost: ClusterFailed) -> SharedClusterLost:
    """The error for a shared cluster that ended under its holder, who may go on with the next."""
    return SharedClusterLost(
        lost.what,
        reason=lost.reason,
        next_step=f"The next try goes on with the cluster's successor. After the last one: {JOIN_AGAIN}",
    )


class SharedClusterUnusedTrigger(WaitTrigger):
    """Offers a ready cluster to the holders of its lease, and waits until it is needed no more.

    It ends when nobody has held the lease for the grace, or when the cluster is lost or too old: then the
    lease goes on to the next generation, if anybody holds it. A budget that is used up closes the lease.

    :param lease: ``bucket``, ``environment``, ``name`` and ``generation`` of the lease, and when it was
        ``opened``, by which a document that was lost and begun anew is told from it.
    :param cluster_id: the cluster.
    :param slots: how many batches it takes at once.
    :param ends_at: the cluster's maximum age, in seconds since the epoch.
    """

    hook_class = EmrHook

    def __init__(
        self,
        *,
        lease: dict[str, Any],
        cluster_id: str,
        slots: int,
        ends_at: float,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lease = lease
        self.cluster_id = cluster_id
        self.slots = slots
        self.ends_at = ends_at
        self.lease_seconds = lease_seconds
        self.grace_seconds = grace_seconds
        self._watch = Watch(lease_seconds, grace_seconds)

    def describe(self) -> str:
        return f"cluster {self.cluster_id} to be needed no more"

    @cached_property
    def _store(self) -> LeaseStore:
        of = self.lease
        return LeaseStore(ArtifactsHook(**self.connection), of["bucket"], of["environment"], of["name"])

    def look(self) -> dict[str, Any] | None:
        store, generation = self._store, int(self.lease["generation"])
        lost = self._end_of_cluster()
        if lost is not None:
            after = store.change(lambda lease: lease.succeed(generation, lost))
            return {"ended": lost, "successor": after.generation > generation}
        if not self._is_provider():
            return {"ended": "another provider has the lease: its document was lost", "successor": False}
        if self.budget and self.budget_is_used_up:
            spent = used_up(self.describe(), self.budget, "The lease was closed.")
            store.change(lambda lease: lease.close(generation, f"{spent.what}: {spent.reason}"))
            raise spent
        offered = SharedCluster(self.cluster_id, self.slots)
        lease = store.change(lambda lease: lease.offer(generation, offered))
        if silent := self._watch.silent(lease):
            self.log.warning("Not heard of for %.0f s: %s", self.lease_seconds, ", ".join(silent))
            lease = store.change(lambda lease: lease.give_up(silent))
        if self._watch.unused(lease):
            reason = f"nobody needed it for {self.grace_seconds:.0f} s"
            lease = store.change(lambda lease: lease.close_if_unused(generation, reason))
        if not lease.is_open(generation):
            return {"ended": lease.closed, "successor": False}
        self.report(f"Cluster {self.cluster_id} has {len(lease.holders)} holders")
        return None

    def _is_provider(self) -> bool:
        """Whether the lease is ours, put in order now where its document was lost."""
        opened = self.lease.get("opened")
        if opened is None:
            return True
        before = self._store.read()
        after = self._store.change(lambda lease: lease.reclaim(opened, int(self.lease["generation"])))
        if before is None or before.opened != after.opened:
            self.log.warning("The lease's document was lost; it is written anew for its holders to join")
            self._watch = Watch(self.lease_seconds, max(self.grace_seconds, 2 * RENEW_SECONDS))
        return bool(after.opened == opened)

    def _end_of_cluster(self) -> str | None:
        """Why the cluster can't be lent any more."""
        try:
            self.hook.check_cluster(self.cluster_id)
        except ClusterFailed as failed:
            return f"{failed.what}: {failed.reason}"
        return f"cluster {self.cluster_id} has its maximum age" if time.time() >= self.ends_at else None
