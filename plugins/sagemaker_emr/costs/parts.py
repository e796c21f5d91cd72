"""What something costs, part by part, as a table that a log shows and as JSON that a page reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sagemaker_emr.costs.prices import Service, price_table

DEFAULT_REGION = "us-east-1"
HOUR = Decimal(3600)
EMR_MINIMUM_SECONDS = 60
"""Billed "per second … with a one-minute minimum": https://aws.amazon.com/emr/faqs/"""

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Part:
    """Some of the same, for some time.

    :param usd_per_hour: of one.
    """

    what: str
    count: int
    seconds: float
    usd_per_hour: Decimal

    @property
    def usd(self) -> Decimal:
        return self.usd_per_hour * self.count * Decimal(str(self.seconds)) / HOUR

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "count": self.count,
            "seconds": round(self.seconds, 1),
            "usd_per_hour": str(self.usd_per_hour.quantize(Decimal("0.00001")).normalize()),
            "usd": str(self.usd.quantize(Decimal("0.0001"))),
        }


@dataclass(frozen=True)
class Costs:
    """Parts and their sum.

    :param cluster: of the cluster, which is paid while it lives.
    :param others: what the run pays besides.
    """

    region: str
    as_of: str
    cluster: tuple[Part, ...] = ()
    others: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.cluster, *self.others)

    @property
    def usd(self) -> Decimal:
        return sum((part.usd for part in self.parts), Decimal(0))

    @property
    def others_usd(self) -> Decimal:
        return sum((part.usd for part in self.others), Decimal(0))

    @property
    def cluster_usd_per_hour(self) -> Decimal:
        return sum((part.usd_per_hour * part.count for part in self.cluster), Decimal(0))

    def table(self, title: str) -> str:
        """For a log: a line for each part, and the sum."""
        rows = [
            (
                part.what,
                str(part.count),
                f"{part.seconds / 3600:.2f}",
                f"{part.usd_per_hour:.4f}",
                usd(part.usd),
            )
            for part in self.parts
        ]
        head = ("", "count", "hours", "USD/h each", "USD")
        foot = ("sum", "", "", "", usd(self.usd))
        widths = [max(len(row[column]) for row in (head, *rows, foot)) for column in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (head, *rows, foot)
        ]
        return "\n".join([f"{title} (prices of {self.region}, {self.as_of})", *lines])

    def to_json(self) -> dict[str, Any]:
        return {
            "region": self.region,
            "prices_of": self.as_of,
            "parts": [part.to_json() for part in self.parts],
            "usd": usd(self.usd),
        }


def usd(amount: Decimal) -> str:
    """An amount with its cents, for the reader."""
    return str(amount.quantize(CENT))


def cluster_parts(
    instances: Mapping[str, int], seconds: float, *, region: str = DEFAULT_REGION
) -> tuple[Part, ...]:
    """EC2, EMR's surcharge and the volumes of an EMR cluster, on demand.

    :param instances: how many there are of each type, the master's included.
    :param seconds: from the cluster's creation to its end, or to now.
    :raises PriceUnknown: an instance type or the Region has no price.
    """
    table = price_table(region)
    billed = max(seconds, EMR_MINIMUM_SECONDS) if seconds > 0 else 0.0
    parts: list[Part] = []
    for instance_type, number in sorted(instances.items()):
        prices = {
            f"EC2 {instance_type}": table.price("ec2", instance_type),
            f"EMR on {instance_type}": table.price("emr", instance_type),
            f"EBS of {instance_type}": table.storage(instance_type),
        }
        parts += [Part(what, number, billed, price) for what, price in prices.items()]
    return tuple(parts)


def cluster_usd(instances: Mapping[str, int], seconds: float, *, region: str = DEFAULT_REGION) -> Decimal:
    """What an EMR cluster costs: the sum of :func:`cluster_parts`.

    ``cluster_usd({"m5.xlarge": 3}, 1800)`` is half an hour of a master and two core nodes.

    :raises PriceUnknown: an instance type or the Region has no price.
    """
    return sum((part.usd for part in cluster_parts(instances, seconds, region=region)), Decimal(0))


def instance_part(
    service: Service, instance_type: str, count: int, seconds: float, *, region: str = DEFAULT_REGION
) -> Part:
    """A training job's or an endpoint's instances.

    :raises PriceUnknown: the instance type or the Region has no price.
    """
    price = price_table(region).price(service, instance_type)
    return Part(f"{service} {instance_type}", count, seconds, price)
