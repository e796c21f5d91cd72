"""Write a Region's price table from AWS's price list: ``python -m sagemaker_emr.costs.refresh eu-west-1``.

It asks for the rows that the table has, or for those of us-east-1 where the Region has no table yet, with the
AWS credentials of the shell (``pricing:GetProducts``), not with an Airflow connection.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.costs.parts import DEFAULT_REGION
from sagemaker_emr.costs.prices import PRICES, Service
from sagemaker_emr.exceptions import PriceUnknown
from sagemaker_emr.hooks.pricing import PricingHook

HOURS, GIB_MONTHS = "hrs", "gb-mo"
"""The price list's units, in lower case."""

NOTE = (
    "Read in AWS's price list: `checked` says when, and which product. Discounts and taxes are not in it. "
    "`python -m sagemaker_emr.costs.refresh` writes the table anew."
)


CREDENTIALS = (
    "Next step: name AWS credentials in the shell, such as AWS_PROFILE, that may pricing:GetProducts, and no "
    "AWS_ENDPOINT_URL: the embedded AWS has no price list."
)


@dataclass(frozen=True)
class Listed:
    """Where the price list has a service's prices.

    :param item: the attribute that holds the instance or volume type.
    :param attributes: what sets the price of our kind apart from the item's others.
    """

    service_code: str
    item: str
    attributes: Mapping[str, str]
    unit: str = HOURS


LISTED: Mapping[Service, Listed] = {
    "ec2": Listed(
        "AmazonEC2",
        "instanceType",
        {
            "productFamily": "Compute Instance",
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "marketoption": "OnDemand",
        },
    ),
    "emr": Listed(
        "ElasticMapReduce",
        "instanceType",
        {"productFamily": "Elastic Map Reduce Instance", "softwareType": "EMR"},
    ),
    "ebs": Listed("AmazonEC2", "volumeApiName", {"productFamily": "Storage"}, GIB_MONTHS),
    "training": Listed("AmazonSageMaker", "instanceName", {"component": "Training"}),
    "endpoint": Listed("AmazonSageMaker", "instanceName", {"component": "Hosting"}),
}
"""The attributes that AWS's own programs ask for: aws/karpenter-provider-aws (``pricing.go``),
aws-samples/aws-emr-advisor (``AwsPricing.scala``), awslabs/llmeter (``sagemaker.py``)."""


def on_demand(product: Mapping[str, Any], unit: str) -> Iterator[Decimal]:
    """A product's prices on demand in USD, without what is free, reserved or in another currency."""
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = Decimal(dimension["pricePerUnit"].get("USD", 0))
            if dimension["unit"].lower() == unit and usd > 0:
                yield usd


def read_row(
    hook: PricingHook, region: str, service: Service, item: str, today: date
) -> dict[str, str] | None:
    """A row of the table; None where the price list has no such thing in this Region.

    :raises PriceUnknown: it has several prices for it.
    """
    listed = LISTED[service]
    asked = {"regionCode": region, listed.item: item, **listed.attributes}
    found = {
        (usd.normalize(), product["product"]["sku"])
        for product in hook.products(listed.service_code, asked)
        for usd in on_demand(product, listed.unit)
    }
    prices, skus = {usd for usd, _ in found}, sorted(sku for _, sku in found)
    if len(prices) > 1:
        raise PriceUnknown(
            f"AWS's price list has several {service} prices of {item} for {region}",
            reason=", ".join(f"{usd:f} (SKU {sku})" for usd, sku in sorted(found)),
            next_step="Nothing was written. Say which it is in LISTED, or write the row by hand.",
        )
    if not prices:
        return None
    return {
        "service": service,
        "item": item,
        "usd": f"{prices.pop():f}",
        "source": "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/"
        f"{listed.service_code}/current/{region}/index.json",
        "checked": f"verified: read with pricing:GetProducts on {today}, SKU {', '.join(skus)}",
    }


def refresh(
    hook: PricingHook,
    region: str,
    today: date,
    folder: Path = PRICES,
    added: tuple[tuple[Service, str], ...] = (),
) -> Iterator[str]:
    """Write the table of a Region; what has changed, line by line.

    :param added: service and instance type of rows that the table has not yet.
    :raises PriceUnknown: there is no price, or more than one; then nothing is written.
    """
    path = folder / f"{region}.json"
    like = path if path.is_file() else folder / f"{DEFAULT_REGION}.json"
    stored: dict[str, Any] = json.loads(like.read_text())
    before = {(row["service"], row["item"]): row["usd"] for row in stored["prices"]}
    rows, missing = [], []
    for service, item in dict.fromkeys((*before, *added)):
        row = read_row(hook, region, cast(Service, service), item, today)
        if row is None:
            missing.append(f"{service} {item}")
        else:
            rows.append(row)
    if not rows:
        raise PriceUnknown(
            f"AWS's price list has none of these in USD for {region}",
            reason=", ".join(missing),
            next_step="Look whether the Region is spelled as AWS does; China's list is in CNY.",
        )
    path.write_text(as_text({**stored, "region": region, "as_of": str(today), "note": NOTE, "prices": rows}))
    yield f"{path}: {len(rows)} prices"
    for row in rows:
        was = before.get((row["service"], row["item"])) if like == path else None
        if was is None or Decimal(was) != Decimal(row["usd"]):
            yield f"{row['service']} {row['item']}: {row['usd']}" + (f", was {was}" if was else "")
    for one in missing:
        yield f"{one}: not in AWS's price list for {region}, so it has no row"


def as_text(table: Mapping[str, Any]) -> str:
    """JSON with a line for each price, so that a change of one is a change of one line."""
    head = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in table.items() if key != "prices"]
    rows = ",\n".join(f"    {json.dumps(row)}" for row in table["prices"])
    return "\n".join(["{", *head, '  "prices": [', rows, "  ]", "}"]) + "\n"


def service_and_item(words: str) -> tuple[Service, str]:
    """``ec2:m6g.xlarge``, for argparse."""
    service, _, item = words.partition(":")
    if service not in get_args(Service) or not item:
        raise argparse.ArgumentTypeError(f"{words}: not {' or '.join(get_args(Service))}, a colon and a type")
    return cast(Service, service), item


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sagemaker_emr.costs.refresh", description=__doc__)
    parser.add_argument("region", nargs="?", default=DEFAULT_REGION)
    parser.add_argument(
        "--add",
        type=service_and_item,
        action="append",
        default=[],
        metavar="SERVICE:TYPE",
        help="such as ec2:m6g.xlarge",
    )
    asked = parser.parse_args(argv)
    try:
        hook = PricingHook(aws_conn_id=None)
        for line in refresh(hook, asked.region, datetime.now(UTC).date(), added=tuple(asked.add)):
            print(line)
    except PriceUnknown as error:
        print(error, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS's price list can't be read: {error}\n{CREDENTIALS}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
