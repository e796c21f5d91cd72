"""A budget, kept: refused where the estimate is above it, and turned into the time a cluster may live.

A cluster costs the same every second, so what is left of a budget is a moment: the waits of a run compare it
with their clock, and ask AWS nothing for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from sagemaker_emr.costs.estimate import CLUSTER_FIELDS, estimate
from sagemaker_emr.costs.parts import Costs, usd
from sagemaker_emr.exceptions import BudgetExceeded, PriceUnknown

TERMINATION_SECONDS = 300.0
"""Set aside for the cluster's end, which is paid too."""

ESTIMATE, BUDGET = "cost_estimate", "budget"
"""XCom keys of the task that :func:`keep_budget` was called in."""

log = logging.getLogger(__name__)


class SpentAt(TypedDict):
    """When a cluster will have used up its budget; JSON, as a trigger keeps it.

    ``at`` is in seconds since the epoch, ``sums`` says for the reader how it came about.
    """

    at: float
    sums: str


def budget_of(form: Mapping[str, Any]) -> Decimal | None:
    """The budget of a run's form; None for a run without one."""
    budget = form.get("budget_usd")
    return None if budget in (None, "") else Decimal(str(budget))


def keep_budget(
    context: Mapping[str, Any],
    region: str,
    *,
    with_cluster: bool = True,
    spent: Decimal = Decimal(0),
    refuse: bool = True,
) -> None:
    """Log what the run is going to cost, and refuse it where that is above its budget.

    Pushes the estimate; and with a budget, where there is a cluster, the moment when the cluster has used up
    what the rest of the run leaves of it.

    :param spent: in USD, on the same budget before.
    :param refuse: False where a cluster of the run may live, whose teardown a failed setup would keep from
        running. Then what follows finds the budget used up, and ends.
    :raises BudgetExceeded: with the sums.
    :raises PriceUnknown: there is a budget, and no price for something. Without one that is only logged.
    """
    form = context.get("params") or {}
    budget = budget_of(form)
    if not form.keys() >= CLUSTER_FIELDS:
        return
    try:
        costs = estimate(form, region, with_cluster=with_cluster)
    except PriceUnknown as unknown:
        if budget is not None and refuse:
            raise
        log.warning("What this run costs can't be estimated: %s", unknown)
        return
    log.info("%s", costs.table("Estimate"))
    context["ti"].xcom_push(key=ESTIMATE, value=costs.to_json())
    if budget is None:
        return
    try:
        check(costs, budget, spent)
    except BudgetExceeded as exceeded:
        if refuse:
            raise
        log.warning("%s", exceeded)
    if costs.cluster:
        context["ti"].xcom_push(key=BUDGET, value=spent_at(costs, budget, spent, time.time()))


def check(costs: Costs, budget: Decimal, spent: Decimal = Decimal(0)) -> None:
    """Refuse an estimate that is above a budget, with what was spent on it before.

    :raises BudgetExceeded: with the sums.
    """
    if spent + costs.usd <= budget:
        log.info("Budget: %s USD", usd(budget))
        return
    parts = "; ".join(f"{part.what} {usd(part.usd)}" for part in costs.parts)
    raise BudgetExceeded(
        f"This run would cost {usd(spent + costs.usd)} USD, and its budget is {usd(budget)}",
        reason=f"spent {usd(spent)}, estimated {usd(costs.usd)}: {parts}",
        next_step="Start it with a larger budget (budget_usd), or with smaller or fewer instances.",
    )


def spent_at(costs: Costs, budget: Decimal, spent: Decimal, now: float) -> SpentAt:
    """When a cluster that begins now has used up what the rest of a run leaves of a budget."""
    left = budget - spent - costs.others_usd
    rate = costs.cluster_usd_per_hour
    at = now + float(left / rate) * 3600 - TERMINATION_SECONDS
    sums = (
        f"budget {usd(budget)} USD, spent {usd(spent)}, kept for what follows {usd(costs.others_usd)}: "
        f"{usd(left)} for a cluster of {usd(rate)} USD an hour, its end included"
    )
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    log.info("The cluster may be used until %s: %s", until, sums)
    return {"at": at, "sums": sums}


def end_of(deadline_at: float, budget: SpentAt | None) -> float:
    """When a wait ends: at its deadline, or before it where a budget is used up; seconds since the epoch."""
    return min(deadline_at, budget["at"]) if budget else deadline_at


def used_up(what: str, budget: SpentAt, stopped: str) -> BudgetExceeded:
    """The error for a budget that was used up while something was waited for.

    :param stopped: a sentence that says what became of the work.
    """
    return BudgetExceeded(
        f"The budget was used up while waiting for {what}",
        reason=budget["sums"],
        next_step=f"{stopped} The run's teardown ends the cluster. Start a run with a larger budget.",
    )
