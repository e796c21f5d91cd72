from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from sagemaker_emr.costs import cluster_usd
from sagemaker_emr.costs.budget import BUDGET, ESTIMATE, check, keep_budget, spent_at
from sagemaker_emr.costs.estimate import (
    CLUSTER_SECONDS,
    TRAINING_SECONDS,
    cluster_instances,
    estimate,
)
from sagemaker_emr.exceptions import BudgetExceeded, PriceUnknown

REGION = "us-east-1"
FORM = {
    "master_instance_type": "m5.xlarge",
    "core_instance_type": "m5.xlarge",
    "core_instance_count": 2,
    "training_instance_type": "ml.m5.xlarge",
    "endpoint_instance_type": "ml.m5.large",
    "endpoint_instance_count": 2,
    "endpoint_hours": 10,
}
TRAINING = Decimal("0.23") * Decimal(TRAINING_SECONDS) / 3600
ENDPOINT = Decimal("0.115") * 2 * 10
CLUSTER = cluster_usd({"m5.xlarge": 3}, CLUSTER_SECONDS)


def test_a_run_costs_its_cluster_its_training_and_the_hours_of_its_endpoint():
    assert estimate(FORM, REGION).usd == pytest.approx(CLUSTER + TRAINING + ENDPOINT)
    assert estimate(FORM, REGION, with_cluster=False).usd == pytest.approx(TRAINING + ENDPOINT)
    assert estimate({**FORM, "endpoint_hours": 0}, REGION).usd == pytest.approx(CLUSTER + TRAINING)


def test_the_master_and_the_core_nodes_are_counted_by_their_types():
    assert cluster_instances(FORM) == {"m5.xlarge": 3}
    assert cluster_instances({**FORM, "core_instance_type": "m5.4xlarge"}) == {
        "m5.xlarge": 1,
        "m5.4xlarge": 2,
    }


def test_the_table_shows_every_part_the_sum_and_what_the_prices_are_of():
    costs = estimate(FORM, REGION)
    shown = costs.table("Estimate").splitlines()
    assert shown[0].startswith("Estimate (prices of us-east-1, 20")
    for part, line in zip(costs.parts, shown[2:-1], strict=True):
        assert line.startswith(part.what)
        assert line.split()[-1] == f"{part.usd:.2f}"
    assert shown[-1].split() == ["sum", f"{costs.usd:.2f}"]
    assert costs.to_json()["usd"] == f"{costs.usd:.2f}"


def test_an_estimate_above_the_budget_is_refused_with_the_sums():
    costs = estimate(FORM, REGION)
    check(costs, costs.usd)
    with pytest.raises(BudgetExceeded) as refused:
        check(costs, costs.usd - Decimal("0.01"))
    assert f"would cost {costs.usd:.2f} USD" in refused.value.what
    assert f"endpoint ml.m5.large {ENDPOINT:.2f}" in refused.value.reason
    with pytest.raises(BudgetExceeded, match=r"spent 3\.00"):
        check(costs, costs.usd + 2, spent=Decimal(3))


def test_what_the_rest_of_the_run_leaves_of_a_budget_is_the_time_that_the_cluster_may_be_used():
    costs = estimate(FORM, REGION)
    hour = cluster_usd({"m5.xlarge": 3}, 3600)
    budget = Decimal(1) + TRAINING + ENDPOINT + 2 * hour
    found = spent_at(costs, budget, Decimal(1), now=1_000_000.0)
    assert found["at"] == pytest.approx(1_000_000 + 2 * 3600 - 300)
    assert f"budget {budget:.2f} USD, spent 1.00" in found["sums"]


def kept(context, form, **kwargs):
    context["params"] = form
    keep_budget(context, REGION, **kwargs)
    return context["ti"].xcom


def test_a_run_without_a_budget_is_estimated_and_never_ends_by_one(context, caplog):
    with caplog.at_level(logging.INFO):
        pushed = kept(context, FORM)
    assert pushed[ESTIMATE]["usd"] == f"{estimate(FORM, REGION).usd:.2f}"
    assert BUDGET not in pushed
    assert "EC2 m5.xlarge" in caplog.text


def test_a_run_with_a_budget_knows_when_its_cluster_has_used_it_up(context):
    assert kept(context, {**FORM, "budget_usd": 20})[BUDGET]["at"] > 0
    assert BUDGET not in kept(
        {**context, "ti": _fresh(context)}, {**FORM, "budget_usd": 20}, with_cluster=False
    )


def _fresh(context):
    context["ti"].xcom.clear()
    return context["ti"]


def test_a_run_above_its_budget_is_refused(context):
    with pytest.raises(BudgetExceeded):
        kept(context, {**FORM, "budget_usd": 0.5})
    assert BUDGET not in context["ti"].xcom


def test_where_a_cluster_may_live_what_follows_finds_the_budget_used_up_instead(context):
    """A setup that fails keeps its teardown from running."""
    budget = kept(context, {**FORM, "budget_usd": 0.5}, refuse=False)[BUDGET]
    assert budget["at"] < spent_at(estimate(FORM, REGION), Decimal(20), Decimal(0), budget["at"])["at"]


def test_without_a_price_a_budget_is_refused_and_a_run_without_one_goes_on(context, caplog):
    form = {**FORM, "training_instance_type": "ml.x9.mega"}
    assert kept(context, form) == {}
    assert "ml.x9.mega" in caplog.text
    with pytest.raises(PriceUnknown, match=r"ml\.x9\.mega"):
        kept(context, {**form, "budget_usd": 20})


def test_a_form_without_a_clusters_fields_is_not_priced(context):
    assert kept(context, {"environment": "dev"}) == {}
