"""What a backfill took and cost in AWS's seconds, computed from what was measured here.

Of AWS's waits a factor's share passes here (``LOCAL_AWS_TIME_SCALE``): a wait of W seconds takes W / factor.
A state's time here is the wait or the real work beneath it, whichever is longer; so what a state would have
taken on AWS is what was measured, and W x (1 - 1 / factor) more. Work, Airflow's own time, polling and idle
time are never scaled, nor is the grace for which a shared cluster is kept: each counts as it was measured.

**Cluster seconds** of a cluster: from creation to end by EMR's timeline, with the waits of its start
(STARTING and BOOTSTRAPPING) and of its end (TERMINATING). One that Service Catalog made is charged all the
waits of its product too, as far as any may pass while the cluster lives.

**Wall seconds on AWS**: each run takes what was measured, and the wait of its cluster's start, as far as the
run was there to wait. The runs are then lined up as the backfill does it: in their order, the next when
one of the places is free. What the backfill took here beyond the same line-up of the measured times, the
scheduler's time, is added. With one place this is the sum of all. A sensor asks as often as its default
on AWS in AWS's time, but notices an end of work, which is not scaled, sooner: that favours whoever has
sensors.

Several Spark jobs at once share this machine's cores, whosoever clusters they run on. On AWS each cluster has
its own, so with more than one run at once the control's work, and its cluster seconds, are measured too
long here; and its wall time too. Only the setting of one run at a time is free of this.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local_aws.cloudformation import engine
from local_aws.emr import cluster
from local_aws.servicecatalog import provisioning

START_WAIT_SECONDS = float(cluster.PROVISIONING_SECONDS + cluster.BOOTSTRAPPING_SECONDS)
END_WAIT_SECONDS = float(cluster.TERMINATING_SECONDS)
PRODUCT_WAIT_SECONDS = (
    provisioning.CREATED_SECONDS + engine.RESOURCE_SECONDS + engine.POLL_SECONDS + provisioning.POLL_SECONDS
)
"""Of a product's record and stack around the cluster, at either end."""


@dataclass(frozen=True)
class Span:
    """From when to when, in seconds since the epoch."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def share_within(self, other: Span) -> float:
        """How much of it lies in the other: 0 to 1."""
        inside = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, inside) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class ClusterLife:
    """A cluster by EMR's timeline.

    :param run: which run it belongs to; None if it is shared.
    :param is_product: whether Service Catalog made it.
    """

    cluster_id: str
    start: Span
    ended: float
    run: str | None = None
    is_product: bool = False

    @property
    def start_wait_seconds(self) -> float:
        """What AWS lets one wait for it."""
        return START_WAIT_SECONDS + (PRODUCT_WAIT_SECONDS if self.is_product else 0.0)

    @property
    def wait_seconds(self) -> float:
        """All its scaled waits."""
        return self.start_wait_seconds + END_WAIT_SECONDS + (PRODUCT_WAIT_SECONDS if self.is_product else 0.0)

    def measured_seconds(self) -> float:
        """Its lifetime here."""
        return self.ended - self.start.start

    def paid_seconds(self, factor: float) -> float:
        """Its lifetime on AWS."""
        return self.measured_seconds() + unscaled(self.wait_seconds, factor)


def unscaled(wait_seconds: float, factor: float) -> float:
    """What of a wait of AWS's is missing here."""
    return wait_seconds * (1 - 1 / factor)


def wait_of(run: str, span: Span, clusters: Iterable[ClusterLife], factor: float) -> float:
    """What of its cluster's start is missing in a run's time here."""
    return sum(
        unscaled(life.start_wait_seconds, factor) * life.start.share_within(span)
        for life in clusters
        if life.run in (None, run)
    )


def line_up(seconds: Sequence[float], places: int) -> float:
    """When the last of several runs ends, each beginning as soon as one of the places is free."""
    free = [0.0] * min(places, max(1, len(seconds)))
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


def aws_wall_seconds(
    runs: dict[str, Span], clusters: Sequence[ClusterLife], places: int, wall_seconds: float, factor: float
) -> float:
    """How long the backfill would have taken on AWS.

    :param wall_seconds: how long it took here.
    """
    spans = sorted(runs.items(), key=lambda item: item[1].start)
    measured = [span.seconds for _, span in spans]
    on_aws = [span.seconds + wait_of(run, span, clusters, factor) for run, span in spans]
    return wall_seconds - line_up(measured, places) + line_up(on_aws, places)
