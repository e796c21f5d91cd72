"""What is left over and may end: the decision on each thing, from what was read of it.

Each function is a table, read from the top: the first row that applies decides, and says why. They ask
nobody, so a decision can be made again, from what is read anew, just before the thing is ended.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sagemaker_emr.hooks.emr import ENDED_STATES, ENDING_STATES
from sagemaker_emr.hooks.service_catalog import PRODUCT_STATES, ProductState

GRACE_HOURS = 0.25
"""What is younger is left alone: it may have been asked for while Airflow and AWS were being read."""

PRODUCT, CLUSTER, LEASE = "provisioned product", "cluster", "lease"
CONFIG, MODEL, UPLOAD = "endpoint configuration", "model", "upload"
"""Kinds of resources, as the report calls them."""

ENDED = "ended"
"""The outcome of what was ended, or was gone meanwhile."""


class RunState(StrEnum):
    """What Airflow says of the run that owns a thing, in words that complete "its run …"."""

    LIVE = "goes on"
    ENDED = "has ended"
    UNKNOWN = "is not known to this Airflow"
    UNNAMED = "can't be told: its tags may not spell its name exactly, and there is no claim"
    UNTOLD = "can't be asked for: this version of Airflow does not tell a task of other runs"


class Decision(StrEnum):
    """What is done with a thing."""

    END = "end"
    KEEP = "keep"
    NOT_OURS = "not ours"


@dataclass(frozen=True)
class Limits:
    """What the form says.

    :param max_age_hours: of clusters and their products, whoever owns them.
    :param only_deployment: a run that this Airflow does not know is no other Airflow's.
    :param leftover_hours: of endpoint configurations and models that serve nowhere.
    :param keep_newest: of those, of each endpoint.
    :param upload_hours: of multipart uploads.
    """

    max_age_hours: float
    only_deployment: bool = False
    leftover_hours: float = 168
    keep_newest: int = 3
    upload_hours: float = 24


@dataclass(frozen=True)
class Launched:
    """A provisioned product of the environment's catalog with its cluster, or a cluster that has none.

    :param name: the product's; of a cluster without one, the cluster's id.
    :param product_status: None where there is no product.
    :param owner: who launched it, for the reader.
    :param run: of the run that owns it; None where a person does.
    :param foreign: why it is not the environment's, where it is not.
    :param holders: runs that go on and hold the lease of this shared cluster.
    """

    name: str
    owner: str
    age_hours: float
    product_status: str | None = None
    cluster_id: str | None = None
    cluster_state: str | None = None
    run: RunState | None = None
    foreign: str | None = None
    holders: int = 0

    @property
    def what(self) -> str:
        """What it is, for the reader."""
        cluster = f"cluster {self.cluster_id} {self.cluster_state}" if self.cluster_id else "no cluster"
        if self.product_status is None:
            return f"{cluster}, its product is gone"
        return f"product {self.product_status}, {cluster}"


@dataclass(frozen=True)
class SharedLease:
    """The lease of a shared cluster.

    :param provider: the run that provides the open generation's cluster.
    :param has_product: that run's product is there, and decided on by itself.
    """

    name: str
    owner: str
    age_hours: float
    provider: RunState
    closed: str | None = None
    has_product: bool = False


@dataclass(frozen=True)
class Served:
    """An endpoint configuration or a model.

    :param used_by: what needs it, for the reader; empty where nothing does.
    :param newer: how many there are of the same endpoint that are newer.
    """

    name: str
    owner: str
    age_hours: float
    used_by: str = ""
    newer: int = 0
    foreign: str | None = None


@dataclass(frozen=True)
class Row:
    """A decision as the report has it.

    :param kind: of resource.
    :param where: what else is needed to name it: the bucket and the id of an upload.
    :param outcome: what came of it: ``ended``, why the second look kept it, or why it could not be ended.
    """

    resource: str
    kind: str
    what: str
    owner: str
    age_hours: float
    decision: str
    why: str
    where: str = ""
    outcome: str = ""
    environment: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


Decided = tuple[Decision, str]


def decide_launched(seen: Launched, limits: Limits) -> Decided:
    """On a product, or on a cluster without one."""
    if seen.foreign:
        return Decision.NOT_OURS, seen.foreign
    if seen.product_status is None and seen.cluster_state in ENDING_STATES:
        return Decision.KEEP, f"it is {seen.cluster_state}, which needs nobody"
    if seen.age_hours > limits.max_age_hours:
        return Decision.END, f"it is older than {limits.max_age_hours:g} h, the most that anything may be"
    if seen.run is None:
        return Decision.KEEP, f"a person launched it: it may be {limits.max_age_hours:g} h old"
    return _decide_by_run(seen, seen.run, limits)


def _decide_by_run(seen: Launched, run: RunState, limits: Limits) -> Decided:
    if run is RunState.LIVE:
        return Decision.KEEP, f"its run {run}"
    if seen.age_hours < GRACE_HOURS:
        return Decision.KEEP, f"its run {run}, but it is younger than {GRACE_HOURS:g} h"
    if seen.holders:
        return Decision.KEEP, f"its run {run}, but {seen.holders} runs that go on hold its lease"
    surely_ended = run is RunState.ENDED or (run is RunState.UNKNOWN and limits.only_deployment)
    if not surely_ended:
        return Decision.KEEP, f"its run {run}: it may be {limits.max_age_hours:g} h old"
    return Decision.END, f"its run {run}: {_left_over(seen)}"


def _left_over(seen: Launched) -> str:
    if seen.product_status is None:
        return "the cluster outlived its product"
    state = PRODUCT_STATES.of(seen.product_status, seen.name)
    if state is ProductState.FAILED:
        return f"the product is {seen.product_status}"
    if seen.cluster_state in ENDED_STATES:
        return f"the product is {seen.product_status}, but its cluster has ended"
    return f"the product is {seen.product_status}, and nobody needs it"


def decide_lease(seen: SharedLease) -> Decided:
    """On a lease; to end it is to close its generation, so that who joins next gets a cluster."""
    if seen.closed is not None:
        return Decision.KEEP, f"it is closed ({seen.closed}): who joins opens the next generation"
    if seen.provider is not RunState.ENDED:
        return Decision.KEEP, f"its provider's run {seen.provider}"
    if seen.has_product:
        return Decision.KEEP, "its provider's run has ended, its product is there: see that"
    return Decision.END, "its provider's run has ended, and nobody will bring up its cluster"


def decide_served(seen: Served, limits: Limits) -> Decided:
    """On an endpoint configuration or a model."""
    if seen.foreign:
        return Decision.NOT_OURS, seen.foreign
    if seen.used_by:
        return Decision.KEEP, f"used by {seen.used_by}"
    if seen.newer < limits.keep_newest:
        return Decision.KEEP, f"one of the {limits.keep_newest} newest of its endpoint"
    if seen.age_hours <= limits.leftover_hours:
        return Decision.KEEP, f"unused, but not older than {limits.leftover_hours:g} h"
    return Decision.END, f"unused, older than {limits.leftover_hours:g} h, {seen.newer} are newer"


def decide_upload(age_hours: float, limits: Limits) -> Decided:
    """On a multipart upload."""
    if age_hours <= limits.upload_hours:
        return Decision.KEEP, f"not older than {limits.upload_hours:g} h: it may go on"
    return Decision.END, f"abandoned: begun more than {limits.upload_hours:g} h ago"
