"""What runs cost: estimated before, counted after, and kept within a budget. See docs/guides/costs.md."""

from __future__ import annotations

from sagemaker_emr.costs.parts import Costs, Part, cluster_parts, cluster_usd, instance_part
from sagemaker_emr.costs.prices import PriceTable, price_table

__all__ = ["Costs", "Part", "PriceTable", "cluster_parts", "cluster_usd", "instance_part", "price_table"]
