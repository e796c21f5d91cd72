"""What a run has cost, beside what it was estimated at: in the log of its last task, and in its XCom."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sagemaker_emr.costs.budget import ESTIMATE, budget_of
from sagemaker_emr.costs.estimate import cluster_instances
from sagemaker_emr.costs.parts import Costs, Part, cluster_parts, usd
from sagemaker_emr.costs.prices import price_table
from sagemaker_emr.costs.spent import Serving, serving, training_parts
from sagemaker_emr.hooks.sagemaker import SageMakerHook

COSTS = "costs"
"""The XCom key: ``estimate``, ``actual``, ``endpoint``, ``budget_usd``; each may be None."""

ESTIMATED_BY = ("claim_cluster", "choose_window")

log = logging.getLogger(__name__)


def report_costs(context: Mapping[str, Any]) -> None:
    """Log what the run has cost, and push it. What can't be counted is logged, and fails nothing."""
    try:
        _report(context)
    except Exception:
        log.exception("What this run has cost could not be counted")


def _report(context: Mapping[str, Any]) -> None:
    ti, form = context["ti"], context["params"]
    hook = SageMakerHook()
    actual, endpoint = _actual(ti, form, hook), _endpoint(ti, hook)
    found = [estimate for task in ESTIMATED_BY if (estimate := ti.xcom_pull(task_ids=task, key=ESTIMATE))]
    budget = budget_of(form)
    log.info("%s", actual.table("Actual"))
    log.info(
        "Estimated: %s USD; budget: %s",
        found[0]["usd"] if found else "nothing",
        f"{usd(budget)} USD" if budget is not None else "none",
    )
    if endpoint:
        log.info(
            "Endpoint %s, since %s: %s USD so far, at what it serves with now; it goes on at %s USD a day",
            *(endpoint.endpoint_name, endpoint.since, usd(endpoint.usd), usd(endpoint.usd_per_hour * 24)),
        )
    told = {
        "estimate": found[0] if found else None,
        "actual": actual.to_json(),
        "endpoint": endpoint.to_json() if endpoint else None,
        "budget_usd": None if budget is None else str(budget),
    }
    ti.xcom_push(key=COSTS, value=told)


def _actual(ti: Any, form: Mapping[str, Any], hook: SageMakerHook) -> Costs:
    region = str(hook.conn_region_name)
    seconds = float(ti.xcom_pull(task_ids="terminate_cluster", key="cluster_seconds") or 0)
    cluster: tuple[Part, ...] = ()
    if seconds:
        cluster = cluster_parts(cluster_instances(form), seconds, region=region)
    others: list[Part] = []
    if "training_instance_type" in form:
        others = training_parts(hook, "train-model", form["environment"], ti.dag_id, ti.run_id)
    return Costs(region, price_table(region).as_of, cluster, tuple(others))


def _endpoint(ti: Any, hook: SageMakerHook) -> Serving | None:
    name = ti.xcom_pull(task_ids="deploy_model", key="endpoint_name")
    return serving(hook, name) if name else None
