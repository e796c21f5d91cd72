"""AWS's price list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_emr.hooks.base import ServiceHook

ENDPOINT_REGION = "us-east-1"
"""One of the few Regions that answer; each tells the prices of all Regions of its partition.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api-procedures.html"""


class PricingHook(ServiceHook):
    """Reads AWS's price list, whichever Region the prices are of."""

    service = "pricing"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("region_name", ENDPOINT_REGION)
        super().__init__(*args, **kwargs)

    def products(self, service_code: str, attributes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """The products of a service that have all of these attributes, with their terms (GetProducts).

        https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
        """
        filters = [
            {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in attributes.items()
        ]
        pages = self.conn.get_paginator("get_products").paginate(ServiceCode=service_code, Filters=filters)
        for page in pages:
            yield from map(json.loads, page["PriceList"])
