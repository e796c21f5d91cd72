"""Operations of the end user: find a product, launch it, watch it, end it."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from local_aws.servicecatalog import browsing, templates
from local_aws.servicecatalog.exceptions import InvalidParameters, ResourceNotFound
from local_aws.servicecatalog.records import ProvisionedProduct
from local_aws.servicecatalog.requests import one_of, paged
from local_aws.servicecatalog.responses_catalog import CatalogResponse

_PAGE = ("PageSize", "PageToken")
_PRODUCT = ("ProductId", "ProductName", "ProvisioningArtifactId", "ProvisioningArtifactName")
_PATH = ("PathId", "PathName")
# The fields of a SearchQuery, by the attribute of ProvisionedProductAttribute that they look at.
_SEARCH_FIELDS = {
    "arn": "Arn",
    "id": "Id",
    "idempotencyToken": "IdempotencyToken",
    "lastRecordId": "LastRecordId",
    "name": "Name",
    "physicalId": "PhysicalId",
    "productId": "ProductId",
    "productName": "ProductName",
    "provisioningArtifactId": "ProvisioningArtifactId",
    "provisioningArtifactName": "ProvisioningArtifactName",
    "status": "Status",
    "type": "Type",
    "userArn": "UserArn",
}


class ServiceCatalogResponse(CatalogResponse):
    """Everything of Service Catalog.

    Each operation follows https://docs.aws.amazon.com/servicecatalog/latest/dg/API_<Operation>.html.
    """

    def search_products(self) -> ActionResult:
        """API_SearchProducts."""
        given = self.given("Filters", "SortBy", "SortOrder", *_PAGE)
        found = browsing.search(
            self.backend.visible(self.caller),
            given.get("Filters", {}),
            given.get("SortBy"),
            given.get("SortOrder"),
        )
        page = paged([product.to_dict() for product in found], "ProductViewSummaries", given)
        return ActionResult({**page, "ProductViewAggregations": browsing.aggregations(found)})

    def describe_product(self) -> ActionResult:
        """API_DescribeProduct."""
        given = self.given("Id", "Name")
        product = self.backend.visible_product(self.caller, *one_of(given, "Id", "Name"))
        paths = self.backend.launch_paths(product, self.caller)
        return ActionResult(
            {
                "ProductViewSummary": product.to_dict(),
                "ProvisioningArtifacts": [
                    {**artifact.summary(), "Guidance": artifact.guidance}
                    for artifact in product.active_artifacts()
                ],
                "Budgets": [],
                "LaunchPaths": [{"Id": path.id, "Name": path.portfolio.display_name} for path in paths],
            }
        )

    def list_launch_paths(self) -> ActionResult:
        """API_ListLaunchPaths."""
        given = self.given("ProductId", *_PAGE)
        product = self.backend.product(given["ProductId"])
        paths = self.backend.launch_paths(product, self.caller)
        return ActionResult(paged([path.summary() for path in paths], "LaunchPathSummaries", given))

    def describe_provisioning_parameters(self) -> ActionResult:
        """API_DescribeProvisioningParameters."""
        given = self.given(*_PRODUCT, *_PATH)
        product = self.backend.product(*one_of(given, "ProductId", "ProductName"))
        artifact = self.backend.artifact(
            product, *one_of(given, "ProvisioningArtifactId", "ProvisioningArtifactName")
        )
        path = self.backend.launch_path(product, self.caller, given.get("PathId"), given.get("PathName"))
        template = templates.parse(artifact.template)
        outputs = templates.output_keys(template)
        return ActionResult(
            {
                "ProvisioningArtifactParameters": templates.parameters(template),
                "ConstraintSummaries": path.constraint_summaries(),
                "UsageInstructions": [],
                "TagOptions": [],
                "ProvisioningArtifactOutputs": outputs,
                "ProvisioningArtifactOutputKeys": outputs,
            }
        )

    def provision_product(self) -> ActionResult:
        """API_ProvisionProduct."""
        given = self.given(
            *_PRODUCT,
            *_PATH,
            "ProvisionedProductName",
            "ProvisioningParameters",
            "Tags",
            "ProvisionToken",
        )
        product = self.backend.product(*one_of(given, "ProductId", "ProductName"))
        artifact = self.backend.artifact(
            product, *one_of(given, "ProvisioningArtifactId", "ProvisioningArtifactName")
        )
        record = self.backend.provision(
            caller=self.caller,
            product=product,
            artifact=artifact,
            path=(given.get("PathId"), given.get("PathName")),
            name=given["ProvisionedProductName"],
            parameters={p["Key"]: p.get("Value", "") for p in given.get("ProvisioningParameters", [])},
            tags=given.get("Tags", []),
            token=given["ProvisionToken"],
        )
        return ActionResult({"RecordDetail": record.detail()})

    def update_provisioned_product(self) -> ActionResult:
        """API_UpdateProvisionedProduct: another version of the same product, other parameters."""
        given = self.given(
            "ProvisionedProductId",
            "ProvisionedProductName",
            *_PRODUCT,
            *_PATH,
            "ProvisioningParameters",
            "UpdateToken",
        )
        provisioned = self._provisioned(given)
        product = provisioned.product
        if "ProductId" in given or "ProductName" in given:
            product = self.backend.product(given.get("ProductId"), given.get("ProductName"))
        if product is not provisioned.product:
            raise InvalidParameters("local_aws does not change a provisioned product to another product.")
        path = self.backend.launch_path(product, self.caller, given.get("PathId"), given.get("PathName"))
        if path.id != provisioned.path.id:
            raise InvalidParameters("local_aws does not change a provisioned product's launch path.")
        artifact = provisioned.artifact
        if "ProvisioningArtifactId" in given or "ProvisioningArtifactName" in given:
            artifact = self.backend.artifact(
                product, *one_of(given, "ProvisioningArtifactId", "ProvisioningArtifactName")
            )
        record = self.backend.update_provisioned(
            provisioned,
            artifact=artifact,
            parameters=_updated(provisioned, given.get("ProvisioningParameters", [])),
            token=given["UpdateToken"],
        )
        return ActionResult({"RecordDetail": record.detail()})

    def terminate_provisioned_product(self) -> ActionResult:
        """API_TerminateProvisionedProduct."""
        given = self.given(
            "ProvisionedProductId",
            "ProvisionedProductName",
            "TerminateToken",
            "IgnoreErrors",
            "RetainPhysicalResources",
        )
        record = self.backend.terminate(
            self._provisioned(given),
            token=given["TerminateToken"],
            ignore_errors=given.get("IgnoreErrors", False),
            retain=given.get("RetainPhysicalResources", False),
        )
        return ActionResult({"RecordDetail": record.detail()})

    def describe_record(self) -> ActionResult:
        """API_DescribeRecord."""
        given = self.given("Id", *_PAGE)
        record = self.backend.record(given["Id"])
        detail = record.detail()  # before its outputs, which it has when it succeeds
        return ActionResult({"RecordDetail": detail, **paged(list(record.outputs), "RecordOutputs", given)})

    def list_record_history(self) -> ActionResult:
        """API_ListRecordHistory, newest first."""
        given = self.given("AccessLevelFilter", "SearchFilter", *_PAGE)
        _account_level(given)
        records = [record.detail() for record in reversed(self.backend.records.values())]
        if search := given.get("SearchFilter"):
            keys = {"product": "ProductId", "provisionedproduct": "ProvisionedProductId"}
            if search.get("Key") not in keys:
                raise InvalidParameters(f"Invalid search filter key: {search.get('Key')}")
            records = [r for r in records if r[keys[search["Key"]]] == search.get("Value")]
        return ActionResult(paged(records, "RecordDetails", given))

    def describe_provisioned_product(self) -> ActionResult:
        """API_DescribeProvisionedProduct."""
        given = self.given("Id", "Name")
        provisioned = self.backend.provisioned_product(given.get("Id"), given.get("Name"))
        return ActionResult({"ProvisionedProductDetail": provisioned.detail(), "CloudWatchDashboards": []})

    def search_provisioned_products(self) -> ActionResult:
        """API_SearchProvisionedProducts; a query is ``field:value``, all of them must hold."""
        given = self.given("AccessLevelFilter", "Filters", *_PAGE)
        _account_level(given)
        filters = given.get("Filters", {})
        if set(filters) - {"SearchQuery"}:
            raise InvalidParameters(f"Invalid search filter: {sorted(filters)}")
        found = [provisioned.attributes() for provisioned in list(self.backend.provisioned.values())]
        for query in filters.get("SearchQuery", []):
            field, _, value = query.partition(":")
            if field not in _SEARCH_FIELDS:
                raise InvalidParameters(f"local_aws does not search for {field or query!r}.")
            found = [attributes for attributes in found if attributes[_SEARCH_FIELDS[field]] == value]
        page = paged(found, "ProvisionedProducts", given)
        return ActionResult({**page, "TotalResultsCount": len(found)})

    def get_provisioned_product_outputs(self) -> ActionResult:
        """API_GetProvisionedProductOutputs."""
        given = self.given("ProvisionedProductId", "ProvisionedProductName", "OutputKeys", *_PAGE)
        outputs = self.backend.last_outputs(self._provisioned(given))
        wanted = given.get("OutputKeys")
        missing = set(wanted or ()) - {output["OutputKey"] for output in outputs}
        if missing:
            raise ResourceNotFound(f"Outputs not found: {', '.join(sorted(missing))}")
        outputs = [o for o in outputs if wanted is None or o["OutputKey"] in wanted]
        return ActionResult(paged(outputs, "Outputs", given))

    def _provisioned(self, given: dict[str, Any]) -> ProvisionedProduct:
        return self.backend.provisioned_product(
            given.get("ProvisionedProductId"), given.get("ProvisionedProductName")
        )


def _account_level(given: dict[str, Any]) -> None:
    """:raises InvalidParameters: a filter by user or role; everybody sees the whole account here."""
    if given.get("AccessLevelFilter", {}).get("Key", "Account") != "Account":
        raise InvalidParameters("local_aws plays the access level Account only.")


def _updated(provisioned: ProvisionedProduct, changes: list[dict[str, Any]]) -> dict[str, str]:
    """The parameters after an update: those not named go back to their defaults.

    :raises InvalidParameters: a previous value is asked for that does not exist.
    """
    parameters = {}
    for change in changes:
        key = change["Key"]
        if not change.get("UsePreviousValue"):
            parameters[key] = change.get("Value", "")
        elif key in provisioned.parameters:
            parameters[key] = provisioned.parameters[key]
    return parameters
