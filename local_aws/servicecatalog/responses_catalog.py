"""Operations on the catalog: portfolios, products, versions, associations, constraints, search."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from local_aws.servicecatalog import browsing, templates
from local_aws.servicecatalog.catalog import Artifact
from local_aws.servicecatalog.exceptions import InvalidParameters
from local_aws.servicecatalog.requests import ServiceCatalogRequest, one_of, paged

_PRODUCT_FIELDS = {
    "Name": "name",
    "Owner": "owner",
    "Description": "description",
    "Distributor": "distributor",
    "SupportDescription": "support_description",
    "SupportEmail": "support_email",
    "SupportUrl": "support_url",
    "Tags": "tags",
}
_PAGE = ("PageSize", "PageToken")


class CatalogResponse(ServiceCatalogRequest):
    """The administrator's operations, and the end user's look at the catalog.

    Each follows https://docs.aws.amazon.com/servicecatalog/latest/dg/API_<Operation>.html.
    """

    # Portfolios

    def create_portfolio(self) -> ActionResult:
        """API_CreatePortfolio."""
        given = self.given("DisplayName", "Description", "ProviderName", "Tags", "IdempotencyToken")
        portfolio = self.backend.create_portfolio(
            display_name=given["DisplayName"],
            provider_name=given["ProviderName"],
            description=given.get("Description"),
            tags=given.get("Tags"),
            token=given.get("IdempotencyToken"),
        )
        return ActionResult({"PortfolioDetail": portfolio.to_dict(), "Tags": portfolio.tags})

    def describe_portfolio(self) -> ActionResult:
        """API_DescribePortfolio."""
        portfolio = self.backend.portfolio(self.given("Id")["Id"])
        detail = {"PortfolioDetail": portfolio.to_dict(), "Tags": portfolio.tags}
        return ActionResult({**detail, "TagOptions": [], "Budgets": []})

    def list_portfolios(self) -> ActionResult:
        """API_ListPortfolios."""
        details = [portfolio.to_dict() for portfolio in self.backend.portfolios.values()]
        return ActionResult(paged(details, "PortfolioDetails", self.given(*_PAGE)))

    # Products and versions

    def create_product(self) -> ActionResult:
        """API_CreateProduct: the first version's template is read and checked at once."""
        given = self.given(
            *_PRODUCT_FIELDS, "ProductType", "ProvisioningArtifactParameters", "IdempotencyToken"
        )
        if given["ProductType"] != "CLOUD_FORMATION_TEMPLATE":
            raise InvalidParameters(f"Products of type {given['ProductType']} are not played by local_aws.")
        if "ProvisioningArtifactParameters" not in given:
            raise InvalidParameters("ProvisioningArtifactParameters must be specified.")
        product = self.backend.create_product(
            artifact=given["ProvisioningArtifactParameters"],
            token=given.get("IdempotencyToken"),
            **{attribute: given.get(key) for key, attribute in _PRODUCT_FIELDS.items()},
        )
        first = next(iter(product.artifacts.values()))
        return ActionResult(
            {
                "ProductViewDetail": product.view_detail(),
                "ProvisioningArtifactDetail": first.detail(),
                "Tags": product.tags,
            }
        )

    def describe_product_as_admin(self) -> ActionResult:
        """API_DescribeProductAsAdmin."""
        given = self.given("Id", "Name")
        product = self.backend.product(*one_of(given, "Id", "Name"))
        return ActionResult(
            {
                "ProductViewDetail": product.view_detail(),
                "ProvisioningArtifactSummaries": [a.summary() for a in product.artifacts.values()],
                "Tags": product.tags,
                "TagOptions": [],
                "Budgets": [],
            }
        )

    def update_product(self) -> ActionResult:
        """API_UpdateProduct: its descriptions and its tags."""
        fields = {key: name for key, name in _PRODUCT_FIELDS.items() if key != "Tags"}
        given = self.given("Id", *fields, "AddTags", "RemoveTags")
        product = self.backend.product(given["Id"], None)
        for key, attribute in fields.items():
            if key in given:
                setattr(product, attribute, given[key])
        gone = {*given.get("RemoveTags", []), *(tag["Key"] for tag in given.get("AddTags", []))}
        product.tags = [tag for tag in product.tags if tag["Key"] not in gone] + given.get("AddTags", [])
        return ActionResult({"ProductViewDetail": product.view_detail(), "Tags": product.tags})

    def search_products_as_admin(self) -> ActionResult:
        """API_SearchProductsAsAdmin."""
        given = self.given("PortfolioId", "Filters", "SortBy", "SortOrder", *_PAGE)
        products = list(self.backend.products.values())
        if "PortfolioId" in given:
            ids = self.backend.portfolio(given["PortfolioId"]).product_ids
            products = [product for product in products if product.id in ids]
        found = browsing.search(
            products, given.get("Filters", {}), given.get("SortBy"), given.get("SortOrder")
        )
        return ActionResult(paged([p.view_detail() for p in found], "ProductViewDetails", given))

    def create_provisioning_artifact(self) -> ActionResult:
        """API_CreateProvisioningArtifact."""
        given = self.given("ProductId", "Parameters", "IdempotencyToken")
        artifact = self.backend.create_artifact(
            given["ProductId"], given["Parameters"], given.get("IdempotencyToken")
        )
        return ActionResult(_described(artifact))

    def update_provisioning_artifact(self) -> ActionResult:
        """API_UpdateProvisioningArtifact."""
        given = self.given("ProductId", "ProvisioningArtifactId", "Name", "Description", "Active", "Guidance")
        artifact = self.backend.artifact(
            self.backend.product(given["ProductId"]), given["ProvisioningArtifactId"]
        )
        for key in ("Name", "Description", "Active", "Guidance"):
            setattr(artifact, key.lower(), given.get(key, getattr(artifact, key.lower())))
        return ActionResult(_described(artifact))

    def describe_provisioning_artifact(self) -> ActionResult:
        """API_DescribeProvisioningArtifact; Verbose adds nothing that ``Info`` does not have."""
        given = self.given(
            "ProductId",
            "ProductName",
            "ProvisioningArtifactId",
            "ProvisioningArtifactName",
            "Verbose",
            "IncludeProvisioningArtifactParameters",
        )
        product = self.backend.product(*one_of(given, "ProductId", "ProductName"))
        artifact = self.backend.artifact(
            product, *one_of(given, "ProvisioningArtifactId", "ProvisioningArtifactName")
        )
        described = _described(artifact)
        if given.get("IncludeProvisioningArtifactParameters"):
            template = templates.parse(artifact.template)
            described["ProvisioningArtifactParameters"] = templates.parameters(template)
        return ActionResult(described)

    def list_provisioning_artifacts(self) -> ActionResult:
        """API_ListProvisioningArtifacts."""
        product = self.backend.product(self.given("ProductId")["ProductId"])
        details = [artifact.detail() for artifact in product.artifacts.values()]
        return ActionResult({"ProvisioningArtifactDetails": details})

    def delete_provisioning_artifact(self) -> ActionResult:
        """API_DeleteProvisioningArtifact."""
        given = self.given("ProductId", "ProvisioningArtifactId")
        self.backend.delete_artifact(given["ProductId"], given["ProvisioningArtifactId"])
        return EmptyResult()

    # Associations

    def associate_product_with_portfolio(self) -> ActionResult:
        """API_AssociateProductWithPortfolio."""
        given = self.given("ProductId", "PortfolioId")
        self.backend.associate_product(given["PortfolioId"], given["ProductId"])
        return EmptyResult()

    def disassociate_product_from_portfolio(self) -> ActionResult:
        """API_DisassociateProductFromPortfolio."""
        given = self.given("ProductId", "PortfolioId")
        self.backend.disassociate_product(given["PortfolioId"], given["ProductId"])
        return EmptyResult()

    def list_portfolios_for_product(self) -> ActionResult:
        """API_ListPortfoliosForProduct."""
        given = self.given("ProductId", *_PAGE)
        product = self.backend.product(given["ProductId"])
        holders = [p.to_dict() for p in self.backend.portfolios.values() if product.id in p.product_ids]
        return ActionResult(paged(holders, "PortfolioDetails", given))

    def associate_principal_with_portfolio(self) -> ActionResult:
        """API_AssociatePrincipalWithPortfolio."""
        given = self.given("PortfolioId", "PrincipalARN", "PrincipalType")
        self.backend.associate_principal(given["PortfolioId"], given["PrincipalARN"], given["PrincipalType"])
        return EmptyResult()

    def disassociate_principal_from_portfolio(self) -> ActionResult:
        """API_DisassociatePrincipalFromPortfolio."""
        given = self.given("PortfolioId", "PrincipalARN", "PrincipalType")
        self.backend.disassociate_principal(
            given["PortfolioId"], given["PrincipalARN"], given.get("PrincipalType", "IAM")
        )
        return EmptyResult()

    def list_principals_for_portfolio(self) -> ActionResult:
        """API_ListPrincipalsForPortfolio."""
        given = self.given("PortfolioId", *_PAGE)
        principals = [
            {"PrincipalARN": arn, "PrincipalType": kind}
            for arn, kind in self.backend.portfolio(given["PortfolioId"]).principals
        ]
        return ActionResult(paged(principals, "Principals", given))

    # Constraints

    def create_constraint(self) -> ActionResult:
        """API_CreateConstraint, of type LAUNCH."""
        given = self.given(
            "PortfolioId", "ProductId", "Parameters", "Type", "Description", "IdempotencyToken"
        )
        constraint = self.backend.create_constraint(
            portfolio_id=given["PortfolioId"],
            product_id=given["ProductId"],
            kind=given["Type"],
            parameters=given["Parameters"],
            description=given.get("Description"),
            token=given.get("IdempotencyToken"),
        )
        return ActionResult(constraint.response())

    def describe_constraint(self) -> ActionResult:
        """API_DescribeConstraint."""
        return ActionResult(self.backend.constraint(self.given("Id")["Id"]).response())

    def delete_constraint(self) -> ActionResult:
        """API_DeleteConstraint."""
        constraint = self.backend.constraint(self.given("Id")["Id"])
        del self.backend.constraints[constraint.id]
        return EmptyResult()

    def list_constraints_for_portfolio(self) -> ActionResult:
        """API_ListConstraintsForPortfolio."""
        given = self.given("PortfolioId", "ProductId", *_PAGE)
        portfolio = self.backend.portfolio(given["PortfolioId"])
        constraints = self.backend.constraints_of(portfolio.id, given.get("ProductId"))
        return ActionResult(paged([c.detail() for c in constraints], "ConstraintDetails", given))


def _described(artifact: Artifact) -> dict[str, Any]:
    return {"ProvisioningArtifactDetail": artifact.detail(), "Info": artifact.info, "Status": "AVAILABLE"}
