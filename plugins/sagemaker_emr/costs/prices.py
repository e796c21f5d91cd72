"""What an hour costs: AWS's on-demand prices by Region, dated, each with its source.

The tables are data, ``include/prices/<region>.json``; who pays other prices, or works in another Region,
writes their own. There is no price by likeness: what has no row has no price.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from sagemaker_emr.exceptions import PriceUnknown
from sagemaker_emr.staging import INCLUDE

Service = Literal["ec2", "emr", "ebs", "training", "endpoint"]

PRICES = INCLUDE / "prices"
HOURS_OF_A_MONTH = 30 * 24
"""As EBS bills it: https://aws.amazon.com/ebs/pricing/, *Pricing examples*."""

ROOT_VOLUME_GIB = 20
"""``EbsRootVolumeSize`` of ``include/cfn/emr_product.yaml``."""

EMR_STORAGE_GIB = {
    "large": 32,
    "xlarge": 64,
    "2xlarge": 128,
    "4xlarge": 256,
    "8xlarge": 512,
    "12xlarge": 768,
    "16xlarge": 1024,
    "24xlarge": 1536,
}
"""What EMR attaches to an instance without a store of its own:
https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-storage.html"""


@dataclass(frozen=True)
class PriceTable:
    """The prices of one Region.

    :param as_of: the day they were written down, as ``YYYY-MM-DD``.
    :param usd: by service and instance type; of EBS, by volume type and for a GiB-month.
    """

    region: str
    as_of: str
    usd: Mapping[tuple[str, str], Decimal]

    def price(self, service: Service, item: str) -> Decimal:
        """USD of one row.

        :raises PriceUnknown: there is none, naming those there are.
        """
        if (service, item) not in self.usd:
            known = sorted(name for of, name in self.usd if of == service)
            raise PriceUnknown(
                f"{item} has no {service} price for {self.region}",
                reason=f"include/prices/{self.region}.json, of {self.as_of}: {', '.join(known) or 'none'}",
                next_step="Add its row, with its source, or choose one of these.",
            )
        return self.usd[service, item]

    def storage(self, instance_type: str) -> Decimal:
        """USD of an hour of the volumes that EMR attaches to one instance, as gp2."""
        size = instance_type.partition(".")[2]
        if size not in EMR_STORAGE_GIB:
            raise PriceUnknown(
                f"EMR's default storage of {instance_type} is not known",
                reason=f"known sizes: {', '.join(EMR_STORAGE_GIB)}",
                next_step="Add it to EMR_STORAGE_GIB, from EMR's documentation.",
            )
        gib = EMR_STORAGE_GIB[size] + ROOT_VOLUME_GIB
        return self.price("ebs", "gp2") * gib / HOURS_OF_A_MONTH


@cache
def price_table(region: str) -> PriceTable:
    """The table of a Region.

    :raises PriceUnknown: there is none, naming the Regions that have one.
    """
    path = PRICES / f"{region}.json"
    if path.parent != PRICES or not path.is_file():
        regions = ", ".join(sorted(found.stem for found in PRICES.glob("*.json")))
        raise PriceUnknown(
            f"There are no prices for {region}",
            reason=f"include/prices has {regions or 'none'}",
            next_step=f"Write include/prices/{region}.json in the form of these, from AWS's price list.",
        )
    stored: dict[str, Any] = json.loads(path.read_text())
    usd = {(row["service"], row["item"]): Decimal(row["usd"]) for row in stored["prices"]}
    return PriceTable(region, stored["as_of"], usd)
