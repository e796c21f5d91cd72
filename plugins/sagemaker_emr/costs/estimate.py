"""What a run is going to cost, by its form, before anything is created."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sagemaker_emr.costs.parts import Costs, Part, cluster_parts, instance_part
from sagemaker_emr.costs.prices import price_table

CLUSTER_SECONDS = 30 * 60.0
"""An assumption: what a cluster lives for a run's window. A budget's end is reckoned from its real age."""

TRAINING_SECONDS = 10 * 60.0
"""An assumption: what SageMaker bills for training a month of flights."""

CLUSTER_FIELDS = frozenset({"master_instance_type", "core_instance_type", "core_instance_count"})


def cluster_instances(form: Mapping[str, Any]) -> dict[str, int]:
    """How many instances of each type the cluster of a form has: one master, and the core group."""
    instances = Counter({form["master_instance_type"]: 1})
    instances[form["core_instance_type"]] += int(form["core_instance_count"])
    return dict(instances)


def estimate(form: Mapping[str, Any], region: str, *, with_cluster: bool = True) -> Costs:
    """What a run costs that does what its form says; the fields that the form lacks cost nothing.

    :param with_cluster: False for a run that needs none.
    :raises PriceUnknown: an instance type or the Region has no price.
    """
    cluster: tuple[Part, ...] = ()
    if with_cluster and form.keys() >= CLUSTER_FIELDS:
        cluster = cluster_parts(cluster_instances(form), CLUSTER_SECONDS, region=region)
    others: list[Part] = []
    if "training_instance_type" in form:
        instance_type = form["training_instance_type"]
        others.append(instance_part("training", instance_type, 1, TRAINING_SECONDS, region=region))
    if form.get("endpoint_hours"):
        instance_type, count = form["endpoint_instance_type"], int(form["endpoint_instance_count"])
        seconds = float(form["endpoint_hours"]) * 3600
        others.append(instance_part("endpoint", instance_type, count, seconds, region=region))
    return Costs(region, price_table(region).as_of, cluster, tuple(others))
