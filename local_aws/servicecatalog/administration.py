"""The administrator's half of Service Catalog: filling the catalog."""

from __future__ import annotations

import re
from typing import Any

from moto.servicecatalog import models as moto_models

from local_aws.servicecatalog import templates
from local_aws.servicecatalog.catalog import (
    Artifact,
    Constraint,
    Portfolio,
    Product,
    Tags,
    launch_parameters,
)
from local_aws.servicecatalog.exceptions import (
    DuplicateResource,
    InvalidParameters,
    ResourceInUse,
    ResourceNotFound,
)

_PRINCIPAL_ARN = {
    "IAM": re.compile(r"^arn:[a-z-]+:(iam|sts)::\d{12}:(root|(user|role|group|assumed-role)/.+)$"),
    "IAM_PATTERN": re.compile(r"^arn:[a-z-]+:iam:::(user|role|group)/.+$"),
}


class AdministrationBackend(moto_models.ServiceCatalogBackend):
    """Portfolios, products, versions, associations and constraints.

    moto remembers the idempotency tokens of portfolios and products in one place, so that a token used
    for both fails; ``tokens`` keeps them by kind.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.portfolios: dict[str, Portfolio] = {}
        self.products: dict[str, Product] = {}
        self.constraints: dict[str, Constraint] = {}
        self.tokens: dict[tuple[str, str], Any] = {}

    # Portfolios

    def create_portfolio(
        self,
        *,
        display_name: str,
        provider_name: str,
        description: str | None = None,
        tags: Tags | None = None,
        token: str | None = None,
    ) -> Portfolio:
        """A new portfolio, or the one the token made before."""
        if token and (known := self.tokens.get(("portfolio", token))):
            return self.portfolio(known)
        portfolio = Portfolio(
            display_name=display_name,
            description=description or "",
            provider_name=provider_name,
            tags=tags or [],
            region_name=self.region_name,
            account_id=self.account_id,
            backend=self,
        )
        self.portfolios[portfolio.id] = portfolio
        self.portfolio_access[portfolio.id] = []
        if token:
            self.tokens["portfolio", token] = portfolio.id
        return portfolio

    def portfolio(self, portfolio_id: str) -> Portfolio:
        """:raises ResourceNotFound: there is none of that id."""
        try:
            return self.portfolios[portfolio_id]
        except KeyError:
            raise ResourceNotFound(f"Portfolio {portfolio_id} does not exist or access was denied.") from None

    def delete_portfolio(self, accept_language: str | None, id: str) -> None:
        """:raises ResourceInUse: products, principals, constraints or shares remain."""
        portfolio = self.portfolio(id)
        constraints = [c for c in self.constraints.values() if c.portfolio_id == id]
        for remaining, kind in (
            (portfolio.principals, "Principals"),
            (constraints, "Constraints"),
            (portfolio.product_ids, "Products"),
            (self.portfolio_access.get(id), "Shares"),
        ):
            if remaining:
                raise ResourceInUse(f"Portfolio {id} still has associated {kind}")
        super().delete_portfolio(accept_language, id)

    # Products and versions

    def create_product(
        self, *, artifact: dict[str, Any], token: str | None = None, **attributes: Any
    ) -> Product:
        """A new product with its first version, or the one the token made before.

        :param artifact: ``ProvisioningArtifactProperties``.
        :param attributes: moto's attributes of a product.
        """
        if token and (known := self.tokens.get(("product", token))):
            return self.product(known)
        first = self._new_artifact(artifact)
        product = Product(
            product_type="CLOUD_FORMATION_TEMPLATE",
            provisioning_artifact_parameters=artifact,
            source_connection=None,
            accept_language=None,
            region_name=self.region_name,
            account_id=self.account_id,
            backend=self,
            **attributes,
        )
        product.artifacts[first.id] = first
        self.products[product.id] = product
        if token:
            self.tokens["product", token] = product.id
        return product

    def product(self, product_id: str | None = None, name: str | None = None) -> Product:
        """:raises ResourceNotFound: there is none of that id or name."""
        if not product_id and not name:
            raise InvalidParameters("Either Id or Name must be specified.")
        for product in self.products.values():
            if product_id in (product.id, product.view_id) or (not product_id and product.name == name):
                return product
        told = f"id {product_id}" if product_id else f"name {name}"
        raise ResourceNotFound(f"Product with {told} does not exist or access was denied.")

    def delete_product(self, accept_language: str | None, id: str) -> None:
        """:raises ResourceInUse: a portfolio still holds it."""
        product = self.product(id)
        holders = [p.id for p in self.portfolios.values() if product.id in p.product_ids]
        if holders:
            raise ResourceInUse(f"Product {product.id} is still associated with portfolio {holders[0]}")
        del self.products[product.id]

    def create_artifact(
        self, product_id: str, properties: dict[str, Any], token: str | None = None
    ) -> Artifact:
        """Another version of a product, or the one the token made before."""
        product = self.product(product_id)
        if token and (known := self.tokens.get((product.id, token))):
            return self.artifact(product, known)
        artifact = self._new_artifact(properties)
        product.artifacts[artifact.id] = artifact
        if token:
            self.tokens[product.id, token] = artifact.id
        return artifact

    def artifact(self, product: Product, artifact_id: str | None = None, name: str | None = None) -> Artifact:
        """:raises ResourceNotFound: the product has no version of that id or name."""
        for artifact in product.artifacts.values():
            if artifact_id == artifact.id or (not artifact_id and artifact.name == name):
                return artifact
        told = f"id {artifact_id}" if artifact_id else f"name {name}"
        raise ResourceNotFound(f"Provisioning artifact with {told} does not exist or access was denied.")

    def delete_artifact(self, product_id: str, artifact_id: str) -> None:
        """:raises ResourceInUse: it is the product's last version."""
        product = self.product(product_id)
        artifact = self.artifact(product, artifact_id)
        if len(product.artifacts) == 1:
            raise ResourceInUse(f"Provisioning artifact {artifact_id} is the last of product {product.id}")
        del product.artifacts[artifact.id]

    def _new_artifact(self, properties: dict[str, Any]) -> Artifact:
        kind = properties.get("Type", "CLOUD_FORMATION_TEMPLATE")
        if kind != "CLOUD_FORMATION_TEMPLATE":
            raise InvalidParameters(f"Provisioning artifacts of type {kind} are not played by local_aws.")
        info = properties.get("Info") or {}
        if set(info) != {"LoadTemplateFromURL"}:
            raise InvalidParameters(
                f"Provisioning artifact info must hold LoadTemplateFromURL alone, not {sorted(info)}."
            )
        url = info["LoadTemplateFromURL"]
        text = templates.read(url, self.region_name)
        if str(properties.get("DisableTemplateValidation", False)).lower() != "true":
            templates.parse(text)
        return Artifact(properties.get("Name", ""), properties.get("Description", ""), url, text)

    # Associations

    def associate_product(self, portfolio_id: str, product_id: str) -> None:
        """Put a product into a portfolio; again is no error."""
        portfolio, product = self.portfolio(portfolio_id), self.product(product_id)
        if product.id not in portfolio.product_ids:
            portfolio.product_ids.append(product.id)

    def disassociate_product(self, portfolio_id: str, product_id: str) -> None:
        """:raises ResourceInUse: a constraint still binds the two."""
        portfolio = self.portfolio(portfolio_id)
        if product_id not in portfolio.product_ids:
            raise ResourceNotFound(f"Product {product_id} is not associated with portfolio {portfolio_id}")
        if self.constraints_of(portfolio_id, product_id):
            raise ResourceInUse(f"Product {product_id} still has constraints in portfolio {portfolio_id}")
        portfolio.product_ids.remove(product_id)

    def associate_principal(self, portfolio_id: str, arn: str, kind: str) -> None:
        """Admit a principal; again is no error. Whether IAM has the principal is not looked up."""
        portfolio = self.portfolio(portfolio_id)
        if not _PRINCIPAL_ARN[kind].match(arn):
            raise InvalidParameters(f"Invalid principal ARN {arn} for principal type {kind}")
        if (arn, kind) not in portfolio.principals:
            portfolio.principals.append((arn, kind))

    def disassociate_principal(self, portfolio_id: str, arn: str, kind: str) -> None:
        """:raises ResourceNotFound: the principal was not admitted under that type."""
        try:
            self.portfolio(portfolio_id).principals.remove((arn, kind))
        except ValueError:
            raise ResourceNotFound(
                f"Principal {arn} is not associated with portfolio {portfolio_id}"
            ) from None

    # Constraints

    def create_constraint(
        self,
        *,
        portfolio_id: str,
        product_id: str,
        kind: str,
        parameters: str,
        description: str | None = None,
        token: str | None = None,
    ) -> Constraint:
        """A LAUNCH constraint, or the one the token made before.

        :raises DuplicateResource: the product has one in that portfolio.
        """
        if token and (known := self.tokens.get(("constraint", token))):
            return self.constraint(known)
        if kind != "LAUNCH":
            raise InvalidParameters(f"Constraints of type {kind} are not played by local_aws.")
        portfolio, product = self.portfolio(portfolio_id), self.product(product_id)
        if product.id not in portfolio.product_ids:
            raise ResourceNotFound(f"Product {product.id} is not associated with portfolio {portfolio.id}")
        if self.constraints_of(portfolio.id, product.id):
            raise DuplicateResource(
                f"Constraint with type LAUNCH already exists for {portfolio.id}|{product.id}"
            )
        constraint = Constraint(
            kind, description, self.account_id, product.id, portfolio.id, launch_parameters(parameters)
        )
        self.constraints[constraint.id] = constraint
        if token:
            self.tokens["constraint", token] = constraint.id
        return constraint

    def constraint(self, constraint_id: str) -> Constraint:
        """:raises ResourceNotFound: there is none of that id."""
        try:
            return self.constraints[constraint_id]
        except KeyError:
            raise ResourceNotFound(f"Constraint {constraint_id} not found.") from None

    def constraints_of(self, portfolio_id: str, product_id: str | None = None) -> list[Constraint]:
        """The constraints of a portfolio, or of one product in it."""
        return [
            constraint
            for constraint in self.constraints.values()
            if constraint.portfolio_id == portfolio_id and product_id in (None, constraint.product_id)
        ]
