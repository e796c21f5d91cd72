"""What clusters have cost so far: an estimate, and said to be one."""

from __future__ import annotations

import pytest
from cfnlint.decode import cfn_yaml

from sagemaker_emr import staging
from sagemaker_emr.catalog_clusters import INSTANCES_TAG
from sagemaker_emr.costs import cluster_usd, price_table
from sagemaker_emr.web.control_room import reading, words
from sagemaker_emr.web.control_room.spending import instances_of
from tests.plugins.sagemaker_emr.web.control_room.conftest import HOSTILE, catalog_of, data, part

OWNED = {"sagemaker-emr:owner": "ana"}
AS_OF = price_table("us-east-1").as_of


def test_a_clusters_cost_is_its_instances_for_its_hours_at_the_prices_of_the_region(browse, aws):
    catalog_of(aws, [OWNED] * 2, instances="1 m5.xlarge + 2 m5.2xlarge")
    told = data(browse, "clusters")
    for row in told["data"]:
        assert row["cluster_hours"] > 0
        expected = cluster_usd({"m5.xlarge": 1, "m5.2xlarge": 2}, row["cluster_hours"] * 3600)
        assert row["usd"] == pytest.approx(float(expected), abs=0.01)
    assert told["spending"] == {
        "region": "us-east-1",
        "prices_of": AS_OF,
        "usd": pytest.approx(sum(row["usd"] for row in told["data"])),
        "without_price": 0,
    }


def test_the_page_says_that_it_is_an_estimate_and_of_which_day_the_prices_are(browse, aws):
    catalog_of(aws, [OWNED] * 30)
    told, shown = data(browse, "clusters"), part(browse, "clusters").text
    assert f"about {words.usd(told['spending']['usd'])} so far" in shown.replace("\n", "")
    assert words.usd(told["data"][0]["usd"]) in shown
    assert "Estimates: " in shown
    assert f"the prices of us-east-1 of {AS_OF}" in shown


@pytest.mark.parametrize(
    "instances", ["", "1 m5.xlarge + 2 x9.nano", "a lot", "99999 m5.xlarge + 1 m5.xlarge"]
)
def test_a_cluster_without_a_price_is_told_apart_from_one_that_costs_nothing(instances, browse, aws):
    catalog_of(aws, [OWNED] * 2, instances=instances)
    told = data(browse, "clusters")
    assert [row["usd"] for row in told["data"]] == [None, None]
    assert (told["spending"]["usd"], told["spending"]["without_price"]) == (0, 2)
    shown = part(browse, "clusters").text
    assert "2 without a price left out" in shown
    assert shown.count("no price") == 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_tag_is_no_number_of_instances(hostile):
    assert instances_of({INSTANCES_TAG: hostile}) is None


def test_a_region_without_prices_is_named(browse, aws, monkeypatch, new_clients):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://?region_name=sa-east-1")
    catalog_of(aws, [OWNED])
    told = data(browse, "clusters")
    assert told["data"][0]["usd"] is None
    assert told["spending"]["prices_of"] is None
    assert "no table for sa-east-1" in part(browse, "clusters").text


def test_every_cluster_of_the_product_carries_what_its_cost_is_reckoned_by():
    """All values that the product's form allows have a price."""
    product = cfn_yaml.load(str(staging.INCLUDE / "cfn" / "emr_product.yaml"))
    tags = {tag["Key"]: tag["Value"] for tag in product["Resources"]["Cluster"]["Properties"]["Tags"]}
    template = tags[INSTANCES_TAG]["Fn::Sub"]
    parameters = product["Parameters"]
    for master in parameters["MasterInstanceType"]["AllowedValues"]:
        for core in parameters["CoreInstanceType"]["AllowedValues"]:
            written = template
            values = {"MasterInstanceType": master, "CoreInstanceType": core, "CoreInstanceCount": "5"}
            for name, value in values.items():
                written = written.replace(f"${{{name}}}", value)
            instances = instances_of({INSTANCES_TAG: written})
            assert instances is not None, written
            assert sum(instances.values()) == 6
            assert cluster_usd(instances, 3600) > 0


@pytest.mark.local_aws
def test_a_real_cluster_of_the_embedded_aws_has_its_cost(account, browse, database):
    name = account.launch_of("live", age_hours=2)
    cluster_id = account.cluster_of(name)
    account.age(cluster_id, 2)
    [row] = data(browse, "clusters")["data"]
    assert row["usd"] is None, "its template writes no such tag"
    account.client("emr").add_tags(
        ResourceId=cluster_id, Tags=[{"Key": INSTANCES_TAG, "Value": "1 m5.xlarge + 1 m5.xlarge"}]
    )
    reading.cache.clear()
    [row] = data(browse, "clusters")["data"]
    assert row["usd"] == pytest.approx(float(cluster_usd({"m5.xlarge": 2}, 7200)), rel=0.05)
