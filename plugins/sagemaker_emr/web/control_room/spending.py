"""What living clusters have cost so far: an estimate by their tags, for which nothing is asked of AWS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sagemaker_emr.catalog_clusters import INSTANCES_TAG
from sagemaker_emr.costs import cluster_usd, price_table
from sagemaker_emr.exceptions import PriceUnknown
from sagemaker_emr.web.control_room.models import Cluster, Spending

_INSTANCES = re.compile(r"([0-9]{1,4}) (\S{1,64}) \+ ([0-9]{1,4}) (\S{1,64})")


def instances_of(tags: Mapping[str, str]) -> dict[str, int] | None:
    """How many instances of each type a cluster was launched with; None where its tags do not tell.

    ``{"sagemaker-emr:instances": "1 m5.xlarge + 2 m5.2xlarge"}`` is a master and two core nodes. A later
    resize is not in it.
    """
    found = _INSTANCES.fullmatch(tags.get(INSTANCES_TAG, ""))
    if found is None:
        return None
    instances: Counter[str] = Counter()
    for count, instance_type in ((found[1], found[2]), (found[3], found[4])):
        instances[instance_type] += int(count)
    return dict(instances)


def usd_so_far(tags: Mapping[str, str], hours: float, region: str) -> float | None:
    """USD of a cluster that has lived for so long; None where instances or prices are not known."""
    instances = instances_of(tags)
    if instances is None:
        return None
    try:
        return float(cluster_usd(instances, hours * 3600, region=region))
    except PriceUnknown:
        return None


def spending(clusters: Sequence[Cluster], region: str) -> Spending:
    """The sum over an environment's clusters, and whose prices it was reckoned with."""
    alive = [cluster for cluster in clusters if cluster.cluster_id]
    known = [cluster.usd for cluster in alive if cluster.usd is not None]
    try:
        as_of = price_table(region).as_of
    except PriceUnknown:
        as_of = None
    return Spending(region=region, prices_of=as_of, usd=sum(known), without_price=len(alive) - len(known))
