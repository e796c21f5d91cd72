"""The price table as AWS's price list gives it; botocore's stubber plays AWS and checks every request."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import get_args

import botocore
import pytest
from botocore.stub import Stubber

from sagemaker_emr.costs import prices
from sagemaker_emr.costs.prices import PRICES, Service, price_table
from sagemaker_emr.costs.refresh import (
    GIB_MONTHS,
    LISTED,
    as_text,
    main,
    on_demand,
    refresh,
    service_and_item,
)
from sagemaker_emr.exceptions import PriceUnknown
from sagemaker_emr.hooks.pricing import PricingHook

TODAY = date(2027, 1, 15)
ASKED = {
    "ec2": (
        "AmazonEC2",
        {
            "regionCode": "eu-west-1",
            "instanceType": "m5.xlarge",
            "productFamily": "Compute Instance",
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "marketoption": "OnDemand",
        },
    ),
    "emr": (
        "ElasticMapReduce",
        {
            "regionCode": "eu-west-1",
            "instanceType": "m5.xlarge",
            "productFamily": "Elastic Map Reduce Instance",
            "softwareType": "EMR",
        },
    ),
    "ebs": (
        "AmazonEC2",
        {"regionCode": "eu-west-1", "volumeApiName": "gp2", "productFamily": "Storage"},
    ),
    "training": (
        "AmazonSageMaker",
        {"regionCode": "eu-west-1", "instanceName": "ml.m5.xlarge", "component": "Training"},
    ),
    "endpoint": (
        "AmazonSageMaker",
        {"regionCode": "eu-west-1", "instanceName": "ml.m5.xlarge", "component": "Hosting"},
    ),
}
ITEMS = {service: list(fields.values())[1] for service, (_, fields) in ASKED.items()}


def product(
    usd: str, sku: str = "SKU1", unit: str = "Hrs", currency: str = "USD", term: str = "OnDemand"
) -> str:
    """In the form of botocore's example of GetProducts."""
    dimension = {"unit": unit, "pricePerUnit": {currency: usd}, "beginRange": "0", "endRange": "Inf"}
    terms = {term: {f"{sku}.T": {"priceDimensions": {f"{sku}.T.R": dimension}}}}
    return json.dumps({"product": {"sku": sku, "attributes": {}}, "terms": terms})


@pytest.fixture
def hook(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return PricingHook(aws_conn_id=None)


@pytest.fixture
def aws(hook):
    with Stubber(hook.conn) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A table of us-east-1 with a row of each service."""
    rows = [
        {"service": service, "item": item, "usd": "0.25", "checked": "not verified"}
        for service, item in ITEMS.items()
    ]
    table = {
        "region": "us-east-1",
        "currency": "USD",
        "as_of": "2026-11-27",
        "units": {},
        "note": "",
        "prices": rows,
    }
    (tmp_path / "us-east-1.json").write_text(json.dumps(table))
    monkeypatch.setattr(prices, "PRICES", tmp_path)
    return tmp_path


def answer(stubber: Stubber, service: str, *products: str) -> None:
    code, fields = ASKED[service]
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    stubber.add_response(
        "get_products",
        {"FormatVersion": "aws_v1", "PriceList": list(products)},
        {"ServiceCode": code, "Filters": filters},
    )


def test_every_service_of_the_table_is_found_in_the_price_list():
    assert set(LISTED) == set(get_args(Service))


def test_a_region_without_a_table_gets_the_rows_of_the_default_region_at_its_own_prices(hook, aws, folder):
    answer(aws, "ec2", product("0.2140000000", "EC2SKU"))
    answer(aws, "emr", product("0.0480000000"))
    answer(aws, "ebs", product("0.1100000000", unit="GB-Mo"))
    answer(aws, "training", product("0.2570000000"))
    answer(aws, "endpoint", product("0.2580000000"))
    told = list(refresh(hook, "eu-west-1", TODAY, folder))

    table = price_table.__wrapped__("eu-west-1")
    assert (table.region, table.as_of) == ("eu-west-1", "2027-01-15")
    assert {service: str(table.price(service, item)) for service, item in ITEMS.items()} == {
        "ec2": "0.214",
        "emr": "0.048",
        "ebs": "0.11",
        "training": "0.257",
        "endpoint": "0.258",
    }
    row = json.loads((folder / "eu-west-1.json").read_text())["prices"][0]
    assert row["checked"] == "verified: read with pricing:GetProducts on 2027-01-15, SKU EC2SKU"
    assert row["source"].endswith("/offers/v1.0/aws/AmazonEC2/current/eu-west-1/index.json")
    assert told[0].endswith("eu-west-1.json: 5 prices")
    assert "ec2 m5.xlarge: 0.214" in told


def test_a_table_that_is_there_is_written_anew_and_only_what_changed_is_told(hook, aws, folder):
    (folder / "us-east-1.json").rename(folder / "eu-west-1.json")
    answer(aws, "ec2", product("0.2500000000"))
    answer(aws, "emr", product("0.3"))
    for service, unit in (("ebs", "GB-Mo"), ("training", "Hrs"), ("endpoint", "Hrs")):
        answer(aws, service, product("0.25", unit=unit))
    told = list(refresh(hook, "eu-west-1", TODAY, folder))
    assert told[1:] == ["emr m5.xlarge: 0.3, was 0.25"]


def test_what_the_region_does_not_offer_loses_its_row_and_is_told(hook, aws, folder):
    for service in ITEMS:
        answer(aws, service, *([product("0.2")] if service == "ec2" else []))
    told = list(refresh(hook, "eu-west-1", TODAY, folder))
    assert [row["service"] for row in json.loads((folder / "eu-west-1.json").read_text())["prices"]] == [
        "ec2"
    ]
    assert "endpoint ml.m5.xlarge: not in AWS's price list for eu-west-1, so it has no row" in told


def test_several_prices_of_one_thing_are_refused_with_both_and_nothing_is_written(hook, aws, folder):
    answer(aws, "ec2", product("0.2", "A"), product("0.3", "B"))
    with pytest.raises(PriceUnknown, match=r"0\.2 \(SKU A\), 0\.3 \(SKU B\)"):
        list(refresh(hook, "eu-west-1", TODAY, folder))
    assert not (folder / "eu-west-1.json").exists()


def test_several_products_at_one_price_are_one_price(hook, aws, folder):
    answer(aws, "ec2", product("0.20", "B"), product("0.2000000000", "A"))
    for service in list(ITEMS)[1:]:
        answer(aws, service)
    list(refresh(hook, "eu-west-1", TODAY, folder))
    (row,) = json.loads((folder / "eu-west-1.json").read_text())["prices"]
    assert (row["usd"], row["checked"].rpartition("SKU ")[2]) == ("0.2", "A, B")


def test_a_region_without_any_price_is_refused_and_nothing_is_written(hook, aws, folder):
    for service in ITEMS:
        answer(aws, service, product("1.5", currency="CNY"))
    with pytest.raises(PriceUnknown, match="none of these in USD"):
        list(refresh(hook, "eu-west-1", TODAY, folder))
    assert not (folder / "eu-west-1.json").exists()


def test_an_instance_type_can_be_added(hook, aws, folder):
    for service in ITEMS:
        answer(aws, service)
    code, fields = ASKED["ec2"]
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": "m6g.xlarge" if field == "instanceType" else value}
        for field, value in fields.items()
    ]
    aws.add_response(
        "get_products", {"PriceList": [product("0.172")]}, {"ServiceCode": code, "Filters": filters}
    )
    told = list(refresh(hook, "eu-west-1", TODAY, folder, added=(service_and_item("ec2:m6g.xlarge"),)))
    assert "ec2 m6g.xlarge: 0.172" in told


def test_a_price_on_a_later_page_is_found(hook, aws):
    code, fields = ASKED["emr"]
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    request = {"ServiceCode": code, "Filters": filters}
    aws.add_response("get_products", {"PriceList": [], "NextToken": "more"}, request)
    aws.add_response("get_products", {"PriceList": [product("0.048")]}, {**request, "NextToken": "more"})
    (found,) = hook.products(code, fields)
    assert list(on_demand(found, "hrs")) == [Decimal("0.048")]


@pytest.mark.parametrize(
    "other", [product("0.2", term="Reserved"), product("0.2", unit="Quantity"), product("0.0000000000")]
)
def test_what_is_reserved_or_free_or_counted_otherwise_is_no_price_of_an_hour(other):
    assert list(on_demand(json.loads(other), "hrs")) == []


def test_botocores_own_example_of_an_answer_is_understood():
    data = Path(botocore.__file__).parent / "data" / "pricing"
    (examples,) = data.glob("*/examples-1.json")
    answered = json.loads(examples.read_text())["examples"]["GetProducts"][0]["output"]
    (found,) = (json.loads(one) for one in answered["PriceList"])
    assert list(on_demand(found, GIB_MONTHS)) == [Decimal("0.138")]


def test_the_price_list_is_asked_where_it_answers(hook):
    assert hook.conn.meta.endpoint_url == "https://api.pricing.us-east-1.amazonaws.com"


@pytest.mark.parametrize("path", sorted(PRICES.glob("*.json")), ids=lambda path: path.stem)
def test_the_tables_have_the_form_that_the_command_writes(path):
    assert path.read_text() == as_text(json.loads(path.read_text()))


def test_without_credentials_the_command_says_what_it_needs_and_fails(monkeypatch, capsys):
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["eu-west-1"]) == 1
    assert "pricing:GetProducts" in capsys.readouterr().err


def test_a_service_that_the_table_does_not_know_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--add", "rds:db.m5.large"])
    assert "rds:db.m5.large" in capsys.readouterr().err
