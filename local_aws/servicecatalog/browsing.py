"""The end user's half of Service Catalog: the products that a caller may launch, and by which path."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from local_aws.servicecatalog.administration import AdministrationBackend
from local_aws.servicecatalog.catalog import Constraint, Portfolio, Product
from local_aws.servicecatalog.exceptions import InvalidParameters, ResourceNotFound
from local_aws.servicecatalog.permissions import Caller, glob

_FILTERS = {"FullTextSearch", "Owner", "ProductType", "SourceProductId"}


@dataclass(frozen=True)
class LaunchPath:
    """How a caller reaches a product: through one portfolio that admits the caller.

    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ListLaunchPaths.html
    """

    portfolio: Portfolio
    constraints: tuple[Constraint, ...]

    @property
    def id(self) -> str:
        """The path's id."""
        return self.portfolio.path_id

    def constraint_summaries(self) -> list[dict[str, str]]:
        """``ConstraintSummary`` structures."""
        return [{"Type": c.type, "Description": c.description or ""} for c in self.constraints]

    def summary(self) -> dict[str, Any]:
        """A ``LaunchPathSummary`` structure."""
        return {
            "Id": self.id,
            "Name": self.portfolio.display_name,
            "ConstraintSummaries": self.constraint_summaries(),
            "Tags": self.portfolio.tags,
        }


def admits(portfolio: Portfolio, caller: Caller) -> bool:
    """Whether one of the portfolio's principals stands for the caller.

    AWS never admits an account's root. Here credentials that no IAM user or role has act as root, so that any
    access key works; they are admitted once the portfolio has a principal at all.
    """
    if caller.is_root:
        return bool(portfolio.principals)
    return any(_is(arn, kind, caller) for arn, kind in portfolio.principals)


def _is(arn: str, kind: str, caller: Caller) -> bool:
    if kind == "IAM":
        return arn in caller.principals
    without_account = {re.sub(r"::\d{12}:", ":::", principal) for principal in caller.principals}
    # In a principal pattern the question mark stands for one character or none.
    pattern = glob(arn, question_mark=".?")
    return any(re.fullmatch(pattern, principal) for principal in without_account)


class BrowsingBackend(AdministrationBackend):
    """What a caller sees of the catalog."""

    def launch_paths(self, product: Product, caller: Caller) -> list[LaunchPath]:
        """Every path that the caller has to a product.

        :raises ResourceNotFound: there is none, the usual sign of a missing principal.
        """
        paths = [
            LaunchPath(portfolio, tuple(self.constraints_of(portfolio.id, product.id)))
            for portfolio in self.portfolios.values()
            if product.id in portfolio.product_ids and admits(portfolio, caller)
        ]
        if not paths:
            raise ResourceNotFound(f"No launch paths found for resource: {product.id}")
        return paths

    def launch_path(
        self, product: Product, caller: Caller, path_id: str | None = None, name: str | None = None
    ) -> LaunchPath:
        """The path asked for, or the only one.

        :raises InvalidParameters: there are several and none was named.
        :raises ResourceNotFound: there is none, or none of that id or name.
        """
        paths = self.launch_paths(product, caller)
        if path_id or name:
            for path in paths:
                if path_id == path.id or (not path_id and name == path.portfolio.display_name):
                    return path
            raise ResourceNotFound(f"Launch path {path_id or name} not found for resource: {product.id}")
        if len(paths) > 1:
            raise InvalidParameters("More than one launch path ids exist. Please specify the launch path id")
        return paths[0]

    def visible(self, caller: Caller) -> list[Product]:
        """The products in portfolios that admit the caller."""
        ids = {
            product_id
            for portfolio in self.portfolios.values()
            if admits(portfolio, caller)
            for product_id in portfolio.product_ids
        }
        return [product for product in self.products.values() if product.id in ids]

    def visible_product(self, caller: Caller, product_id: str | None, name: str | None) -> Product:
        """:raises ResourceNotFound: no such product, or not for this caller."""
        product = self.product(product_id, name)
        if product not in self.visible(caller):
            told = f"id {product_id}" if product_id else f"name {name}"
            raise ResourceNotFound(f"Product with {told} does not exist or access was denied.")
        return product


def search(
    products: list[Product],
    filters: dict[str, list[str]],
    sort_by: str | None,
    sort_order: str | None,
) -> list[Product]:
    """Products that meet every filter, sorted.

    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_SearchProducts.html

    :raises InvalidParameters: a filter is unknown.
    """
    unknown = sorted(set(filters) - _FILTERS)
    if unknown:
        raise InvalidParameters(f"Invalid search filter: {', '.join(unknown)}")
    found = [product for product in products if all(_meets(product, *item) for item in filters.items())]
    keys: dict[str, Any] = {
        "Title": lambda product: product.name,
        "VersionCount": lambda product: len(product.artifacts),
        "CreationDate": lambda product: product.created_time,
    }
    found.sort(key=keys[sort_by or "Title"], reverse=sort_order == "DESCENDING")
    return found


def _meets(product: Product, name: str, values: list[str]) -> bool:
    if name == "FullTextSearch":
        words = " ".join(
            filter(None, (product.id, product.name, product.owner, product.description, product.distributor))
        ).lower()
        return all(value.lower() in words for value in values)
    told = {"Owner": product.owner, "ProductType": product.product_type, "SourceProductId": product.id}
    return told[name] in values


def aggregations(products: list[Product]) -> dict[str, list[dict[str, Any]]]:
    """``ProductViewAggregations``: how often each owner, type and vendor occurs."""
    columns = {
        "Owner": Counter(product.owner for product in products),
        "ProductType": Counter(product.product_type for product in products),
        "Vendor": Counter(product.distributor for product in products if product.distributor),
    }
    return {
        name: [{"Value": value, "ApproximateCount": count} for value, count in sorted(counter.items())]
        for name, counter in columns.items()
    }
