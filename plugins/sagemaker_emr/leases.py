"""Leases: who needs a shared cluster, kept in one S3 document that only conditional writes change.

A shared cluster has a DAG run of its own, its *provider*, which brings it up and takes it down. Whoever
wants to use the cluster joins its lease and goes on renewing until it leaves. The document at
``s3://<bucket>/leases/<environment>/<digest>.json`` is all that the two sides know of each other:

- a *generation* is one cluster, and one provider. It is open until its provider closes it, and who joins a
  closed one opens the next.
- a *holder* keeps its generation open while its renewals are seen. Nobody compares clocks of two machines:
  the provider counts, by its own clock, how long a holder's ``renewals`` have not moved (as lock clients on
  DynamoDB do: https://github.com/awslabs/amazon-dynamodb-lock-client).
- a *ticket* gives each holder its turn: the cluster takes ``slots`` batches at once, in the order of joining.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sagemaker_emr import names
from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook

LEASE_SECONDS = 600.0
"""How long a holder's silence lasts before its provider gives it up. Longer than Airflow takes to notice a
dead worker (``task_instance_heartbeat_timeout``, 300 s) and to start the task's next try."""

RENEW_SECONDS = 60.0
GRACE_SECONDS = 60.0
"""How long a cluster without holders is kept for the next one: a run that follows needs seconds."""

RUN_ID_PARTS = 5
"""Of a provider's run id: see :meth:`Lease.provider_run_id_of`."""

WRITE_TRIES = 40
WRITE_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Holder:
    """One user of a shared cluster.

    :param ticket: its place in the queue, from 1.
    :param renewals: moves while the holder lives.
    """

    ticket: int
    dag_id: str
    run_id: str
    renewals: int = 0


@dataclass(frozen=True)
class SharedCluster:
    """The cluster of a lease's open generation, once Livy answers on it.

    :param slots: how many batches it takes at once.
    """

    cluster_id: str
    slots: int


@dataclass(frozen=True)
class Lease:
    """Who needs the cluster of one name, as it is stored.

    :param opened: when the document was first written, as ISO 8601, by S3's clock: of two, the first tells
        which provider stays. Part of the provider's run id, since a document that was lost starts again at
        generation 1 while Airflow remembers its runs.
    :param closed: why the generation takes nobody any more; None while it is open.
    """

    environment: str
    name: str
    opened: str
    generation: int = 1
    closed: str | None = None
    cluster: SharedCluster | None = None
    next_ticket: int = 1
    holders: Mapping[str, Holder] = field(default_factory=dict)

    @property
    def provider_run_id(self) -> str:
        """Run id of the DAG run that provides this generation's cluster."""
        return self.provider_run_id_of(self.generation)

    def provider_run_id_of(self, generation: int) -> str:
        return f"shared__{self.environment}__{self.name}__{self.opened}__{generation}"

    def join(self, holder_id: str, dag_id: str, run_id: str) -> Lease:
        """With the holder, in the open generation; the next one is opened where this one is closed."""
        if self.closed is None and holder_id in self.holders:
            return self.renew(holder_id)
        lease = self
        if self.closed is not None:
            lease = replace(self, generation=self.generation + 1, closed=None, cluster=None, holders={})
        holder = Holder(lease.next_ticket, dag_id, run_id)
        return replace(lease, next_ticket=lease.next_ticket + 1, holders={**lease.holders, holder_id: holder})

    def renew(self, holder_id: str) -> Lease:
        """With the holder's renewals moved on; it must be there."""
        holder = self.holders[holder_id]
        return replace(
            self, holders={**self.holders, holder_id: replace(holder, renewals=holder.renewals + 1)}
        )

    def keep(self, holder_id: str, dag_id: str, run_id: str) -> Lease:
        """Renewed; a holder that was given up meanwhile joins again, unless the generation is closed."""
        return self if self.closed is not None else self.join(holder_id, dag_id, run_id)

    def leave(self, holder_id: str) -> Lease:
        """Without the holder, if it is there."""
        return replace(self, holders={key: value for key, value in self.holders.items() if key != holder_id})

    def give_up(self, silent: Mapping[str, int]) -> Lease:
        """Without those holders that still have the number of renewals they were seen with."""
        return replace(
            self,
            holders={key: item for key, item in self.holders.items() if silent.get(key) != item.renewals},
        )

    def has_turn(self, holder_id: str) -> bool:
        """Whether the cluster is there and fewer than ``slots`` holders came before this one."""
        if self.cluster is None or self.closed is not None or holder_id not in self.holders:
            return False
        ticket = self.holders[holder_id].ticket
        return sum(other.ticket < ticket for other in self.holders.values()) < self.cluster.slots

    # What the provider of one generation does; another generation's is not its business.

    def reclaim(self, opened: str, generation: int) -> Lease:
        """With its provider's cluster to come, where the document was lost and others began another one.

        The older provider has it: its holders' cluster lives, while that of a new one is only requested.
        """
        if opened >= self.opened:
            return self
        return replace(self, opened=opened, generation=generation, closed=None, cluster=None)

    def offer(self, generation: int, cluster: SharedCluster) -> Lease:
        """With its cluster, which is ready."""
        return self if not self.is_open(generation) else replace(self, cluster=cluster)

    def close(self, generation: int, reason: str) -> Lease:
        """Nobody joins this generation any more; its holders, if any, read why."""
        return self if not self.is_open(generation) else replace(self, closed=reason, cluster=None)

    def close_if_unused(self, generation: int, reason: str) -> Lease:
        """Closed, unless there is a holder."""
        return self if self.holders else self.close(generation, reason)

    def succeed(self, generation: int, reason: str) -> Lease:
        """The cluster is lost: its holders go on with the next generation; with none it is closed."""
        if not self.is_open(generation):
            return self
        if not self.holders:
            return self.close(generation, reason)
        return replace(self, generation=generation + 1, cluster=None)

    def is_open(self, generation: int) -> bool:
        """Whether this generation is the lease's, and not closed."""
        return self.generation == generation and self.closed is None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Lease:
        cluster, holders = value["cluster"], value["holders"]
        return cls(
            **{
                **value,
                "cluster": SharedCluster(**cluster) if cluster else None,
                "holders": {key: Holder(**item) for key, item in holders.items()},
            }
        )


def opened_of(provider_run_id: str) -> str | None:
    """When the lease of a provider's run was opened; None for a run of another name."""
    parts = provider_run_id.split("__")
    return parts[-2] if parts[0] == "shared" and len(parts) == RUN_ID_PARTS else None


class LeaseStore:
    """One lease, read and changed in S3.

    Every change is a function of what is stored. It is applied to what was just read and written only if that
    is still there; else both are done again. So a change whose answer was lost is applied to its own effect:
    each of :class:`Lease`'s is such that this does no harm.
    """

    def __init__(self, hook: ArtifactsHook, bucket: str, environment: str, name: str) -> None:
        self.hook = hook
        self.uri = f"s3://{bucket}/leases/{environment}/{name}.json"
        self._environment, self._name = environment, name

    def read(self) -> Lease | None:
        """What is stored, or None before anybody joined."""
        found = self.hook.get_json(self.uri)
        return Lease.from_json(found[0]) if found else None

    def change(self, change: Callable[[Lease], Lease]) -> Lease:
        """Apply a change; nothing is written where it changes nothing.

        :return: the lease with the change.
        :raises ResourceConflict: too many writers at once; the next try goes on.
        """
        for attempt in range(WRITE_TRIES):
            found = self.hook.get_json_or_time(self.uri)
            before = self._new(found) if isinstance(found, datetime) else Lease.from_json(found[0])
            after = change(before)
            if after == before:
                return before
            written = (
                self.hook.put_json_if_absent(self.uri, after.to_json())
                if isinstance(found, datetime)
                else self.hook.put_json_if_match(self.uri, after.to_json(), found[1])
            )
            if written:
                return after
            time.sleep(WRITE_PAUSE_SECONDS * random.uniform(0, min(attempt + 1, 10)))
        raise ResourceConflict(
            f"{self.uri} could not be written in {WRITE_TRIES} tries",
            reason="other writers were faster each time",
            next_step="The next try goes on. If it persists, fewer runs at once help.",
        )

    def join(self, holder_id: str, dag_id: str, run_id: str) -> Lease:
        return self.change(lambda lease: lease.join(holder_id, dag_id, run_id))

    def keep(self, holder_id: str, dag_id: str, run_id: str) -> Lease:
        return self.change(lambda lease: lease.keep(holder_id, dag_id, run_id))

    def leave(self, holder_id: str) -> Lease:
        return self.change(lambda lease: lease.leave(holder_id))

    def _new(self, now: datetime) -> Lease:
        return Lease(self._environment, self._name, f"{now:%Y%m%dT%H%M%SZ}")


class Watch:
    """What a provider has seen of its lease, by its own clock: who is silent, and since when nobody is there.

    A provider that was restarted begins to count anew: it gives more time, never less.
    """

    def __init__(
        self,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease_seconds, self._grace_seconds, self._clock = lease_seconds, grace_seconds, clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._empty_since: float | None = None

    def silent(self, lease: Lease) -> dict[str, int]:
        """Holders not renewed for the length of a lease, each with the renewals it was last seen with."""
        now = self._clock()
        self._seen = {
            holder_id: self._seen[holder_id]
            if self._seen.get(holder_id, (None,))[0] == holder.renewals
            else (holder.renewals, now)
            for holder_id, holder in lease.holders.items()
        }
        return {
            holder_id: renewals
            for holder_id, (renewals, since) in self._seen.items()
            if now - since >= self._lease_seconds
        }

    def unused(self, lease: Lease) -> bool:
        """Whether nobody has been there for the length of the grace."""
        if lease.holders:
            self._empty_since = None
            return False
        now = self._clock()
        if self._empty_since is None:
            self._empty_since = now
        return now - self._empty_since >= self._grace_seconds


def lease_name(purpose: str, parameters: Mapping[str, Any]) -> str:
    """The name under which runs share a cluster: only those that want the same one do."""
    return names.derive(purpose, sorted(parameters.items()))


def holder_id(*key: str) -> str:
    """Who a holder is: the same in every try of its task."""
    return names.digest("holder", *key)
