from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal

import pytest

from sagemaker_emr.costs import cluster_usd, price_table
from sagemaker_emr.costs.prices import EMR_STORAGE_GIB, PRICES
from sagemaker_emr.exceptions import PriceUnknown
from sagemaker_emr.params import CLUSTER_SIZE, ENDPOINT, TRAINING

TABLES = sorted(PRICES.glob("*.json"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_price_is_dated_has_its_source_and_says_how_far_it_was_checked(path):
    table = json.loads(path.read_text())
    assert table["region"] == path.stem
    assert date.fromisoformat(table["as_of"]) <= date.today()
    for row in table["prices"]:
        assert Decimal(row["usd"]) > 0
        assert re.match(r"https://(pricing\.[a-z0-9-]+\.amazonaws|aws\.amazon)\.com/", row["source"]), row
        assert row["checked"]
        assert row["service"] in table["units"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_nothing_has_two_prices(path):
    rows = [(row["service"], row["item"]) for row in json.loads(path.read_text())["prices"]]
    assert len(rows) == len(set(rows))


def test_the_forms_instance_types_have_a_price_in_the_default_region():
    table = price_table("us-east-1")
    for field in ("master_instance_type", "core_instance_type"):
        for instance_type in CLUSTER_SIZE[field].schema["enum"]:
            assert table.price("ec2", instance_type) > 0
            assert table.price("emr", instance_type) > 0
            assert table.storage(instance_type) > 0
    assert table.price("training", TRAINING["training_instance_type"].value) > 0
    assert table.price("endpoint", ENDPOINT["endpoint_instance_type"].value) > 0


def test_a_cluster_costs_ec2_emr_and_its_volumes():
    # By hand: 3 instances for half an hour; 64 GiB that EMR attaches and 20 of the root volume each.
    hour = Decimal("0.192") + Decimal("0.048") + Decimal("0.10") * 84 / 720
    assert cluster_usd({"m5.xlarge": 3}, 1800) == pytest.approx(hour * 3 / 2)


def test_a_cluster_of_two_types_costs_both():
    together = cluster_usd({"m5.xlarge": 1, "m5.2xlarge": 5}, 3600)
    assert together == cluster_usd({"m5.xlarge": 1}, 3600) + cluster_usd({"m5.2xlarge": 5}, 3600)


def test_a_cluster_is_billed_for_a_minute_at_least_and_one_that_never_was_for_nothing():
    assert cluster_usd({"m5.xlarge": 3}, 5) == cluster_usd({"m5.xlarge": 3}, 60)
    assert cluster_usd({"m5.xlarge": 3}, 0) == 0


def test_an_instance_type_without_a_price_is_refused_by_name_and_those_with_one_are_listed():
    with pytest.raises(PriceUnknown) as refused:
        cluster_usd({"m5.xlarge": 1, "x9.mega": 2}, 60)
    assert "x9.mega" in str(refused.value)
    assert "m5.xlarge" in str(refused.value)


@pytest.mark.parametrize("region", ["mars-north-1", "../us-east-1", ""])
def test_a_region_without_prices_is_refused_by_name(region):
    with pytest.raises(PriceUnknown, match="us-east-1"):
        price_table(region)


def test_storage_of_a_size_that_emr_does_not_tell_is_refused():
    assert "metal" not in EMR_STORAGE_GIB
    with pytest.raises(PriceUnknown, match=r"storage of m5\.metal"):
        price_table("us-east-1").storage("m5.metal")
