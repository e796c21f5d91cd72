"""Service Catalog: launch paths and versions, provisioned products found by name, and their records."""

from __future__ import annotations

import logging
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import CatalogMisconfigured, InvalidInput
from sagemaker_emr.hooks.base import AwsHook, ServiceHook
from sagemaker_emr.names import digest, to_tag_list
from sagemaker_emr.states import StateTable

CLUSTER_OUTPUT = "ClusterId"
STACK_OUTPUT = "CloudformationStackARN"
"""The output Service Catalog itself adds to the record of a CloudFormation product."""


class ProductState(StrEnum):
    """What we do with a provisioned product in one state."""

    CHANGING = "its operation is waited for, a launch attached to"
    UP = "it is attached to while its cluster lives, else terminated and provisioned anew"
    FAILED = "it is terminated and provisioned anew"
    PLANNED = "its plan, which made nothing yet, is deleted, and it is provisioned anew"


PRODUCT_STATES = StateTable(
    "provisioned product",
    "servicecatalog",
    "ProvisionedProductStatus",
    {
        "AVAILABLE": ProductState.UP,
        "UNDER_CHANGE": ProductState.CHANGING,
        "TAINTED": ProductState.FAILED,
        "ERROR": ProductState.FAILED,
        "PLAN_IN_PROGRESS": ProductState.PLANNED,
    },
)
"""https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionedProductDetail.html"""


class RecordState(StrEnum):
    """What a record's state means to who waits for it."""

    GOING_ON = "it is waited for"
    SUCCEEDED = "its outputs can be used"
    FAILED = "its errors are told"


RECORD_STATES = StateTable(
    "record",
    "servicecatalog",
    "RecordStatus",
    {
        "CREATED": RecordState.GOING_ON,
        "IN_PROGRESS": RecordState.GOING_ON,
        "IN_PROGRESS_IN_ERROR": RecordState.GOING_ON,
        "SUCCEEDED": RecordState.SUCCEEDED,
        "FAILED": RecordState.FAILED,
    },
)
"""https://docs.aws.amazon.com/servicecatalog/latest/dg/API_RecordDetail.html

What is IN_PROGRESS_IN_ERROR has failed, but is FAILED only when its remedy, such as a rollback, has ended.
"""


logger = logging.getLogger(__name__)


class ServiceCatalogHook(ServiceHook):
    """Service Catalog as an end user of a portfolio sees it."""

    service = "servicecatalog"

    def find_provisioned_product(self, name: str) -> dict[str, Any] | None:
        """A provisioned product's ProvisionedProductDetail, or None once it is gone or never was."""
        try:
            response = self.conn.describe_provisioned_product(Name=name)
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise
        detail: dict[str, Any] = response["ProvisionedProductDetail"]
        return detail

    def describe_record(self, record_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        """A record's RecordDetail and its outputs; records outlive their products."""
        outputs: dict[str, str] = {}
        token: dict[str, str] = {}
        while True:
            response = self.conn.describe_record(Id=record_id, **token)
            outputs |= {item["OutputKey"]: item["OutputValue"] for item in response.get("RecordOutputs", [])}
            if not response.get("NextPageToken"):
                return response["RecordDetail"], outputs
            token = {"PageToken": response["NextPageToken"]}

    def provision(
        self,
        *,
        name: str,
        product_id: str,
        artifact_id: str,
        path_id: str,
        parameters: dict[str, Any],
        tags: dict[str, str],
    ) -> dict[str, Any] | None:
        """Request a product; its RecordDetail, or None where a product of that name exists already.

        The name is the idempotency token too: the same request twice is one product.

        :raises InvalidInput: Service Catalog refuses a parameter.
        """
        try:
            response = self.conn.provision_product(
                ProvisionedProductName=name,
                ProvisionToken=name,
                ProductId=product_id,
                ProvisioningArtifactId=artifact_id,
                PathId=path_id,
                ProvisioningParameters=[
                    {"Key": key, "Value": str(value)}
                    for key, value in sorted(parameters.items())
                    if value is not None
                ],
                Tags=to_tag_list(tags),
            )
        except ClientError as error:
            if _code(error) == "DuplicateResourceException" or "already exists" in str(error):
                return None
            if _code(error) == "InvalidParametersException":
                raise InvalidInput(
                    f"Service Catalog refused to provision {name}",
                    reason=str(error),
                    next_step="Compare the parameters with those of the product's template.",
                ) from error
            raise
        record: dict[str, Any] = response["RecordDetail"]
        return record

    def terminate(self, product: dict[str, Any]) -> str | None:
        """Ask for a product's termination; the record's id, or None where the product is gone already.

        The token is valid only while the termination goes on. It is made from the product's last record:
        asked twice it is one termination, and after a failed one it is a new one.
        """
        token = digest("terminate", product["Id"], product.get("LastRecordId"))
        try:
            response = self.conn.terminate_provisioned_product(
                ProvisionedProductId=product["Id"], TerminateToken=token
            )
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise
        record_id: str = response["RecordDetail"]["RecordId"]
        return record_id

    def delete_plans(self, product: dict[str, Any]) -> None:
        """Delete the plans of a product that is PLAN_IN_PROGRESS: nothing was made by them."""
        pages = self.conn.get_paginator("list_provisioned_product_plans").paginate(
            ProvisionProductId=product["Id"], AccessLevelFilter={"Key": "Account", "Value": "self"}
        )
        for plan in [plan for page in pages for plan in page["ProvisionedProductPlans"]]:
            self.log.info("Deleting plan %s of product %s", plan["PlanName"], product["Name"])
            self.conn.delete_provisioned_product_plan(PlanId=plan["PlanId"], IgnoreErrors=True)

    def provisioning_record_id(self, product: dict[str, Any]) -> str | None:
        """The record that made a product, by ListRecordHistory.

        A product's own LastProvisioningRecordId may name a termination: AWS counts those too.
        """
        pages = self.conn.get_paginator("list_record_history").paginate(
            AccessLevelFilter={"Key": "Account", "Value": "self"},
            SearchFilter={"Key": "provisionedproduct", "Value": product["Id"]},
        )
        records = [
            record
            for page in pages
            for record in page["RecordDetails"]
            if record["RecordType"] == "PROVISION_PRODUCT"
        ]
        return max(records, key=lambda record: record["CreatedTime"])["RecordId"] if records else None

    def provisioning_records(self, prefix: str) -> dict[str, str]:
        """The last record that made each product whose name has a prefix, by name; products gone included.

        It reads the account's whole history (ListRecordHistory).
        """
        pages = self.conn.get_paginator("list_record_history").paginate(
            AccessLevelFilter={"Key": "Account", "Value": "self"}
        )
        records = [
            record
            for page in pages
            for record in page["RecordDetails"]
            if record["ProvisionedProductName"].startswith(prefix)
            and record["RecordType"] == "PROVISION_PRODUCT"
        ]
        records.sort(key=lambda record: record["CreatedTime"])
        return {record["ProvisionedProductName"]: record["RecordId"] for record in records}

    def parameter_keys(self, product_id: str, artifact_id: str, path_id: str) -> set[str]:
        """The names of the parameters that a version of a product takes."""
        described = self.conn.describe_provisioning_parameters(
            ProductId=product_id, ProvisioningArtifactId=artifact_id, PathId=path_id
        )
        return {parameter["ParameterKey"] for parameter in described["ProvisioningArtifactParameters"]}

    def launch_path(self, product_id: str) -> str:
        """The path by which this caller may launch the product; one with a launch role is preferred.

        :raises CatalogMisconfigured: product, association, principal or launch role is missing.
        """
        try:
            pages = self.conn.get_paginator("list_launch_paths").paginate(ProductId=product_id)
            paths = [path for page in pages for path in page["LaunchPathSummaries"]]
        except ClientError as error:
            if _code(error) not in ("ResourceNotFoundException", "InvalidParametersException"):
                raise
            paths, reason = [], str(error)
        else:
            reason = "ListLaunchPaths answered no path"
        if not paths:
            self._explain_missing_path(product_id, reason)
        for path in paths:
            if any(constraint["Type"] == "LAUNCH" for constraint in path.get("ConstraintSummaries", [])):
                path_id: str = path["Id"]
                return path_id
        raise CatalogMisconfigured(
            f"Product {product_id} has no LAUNCH constraint",
            reason="without one, launching needs the caller's own permissions on CloudFormation and EMR",
            next_step="Add a launch constraint with the launch role to the portfolio: run deploy_platform.",
        )

    def all_provisioned_products(self) -> list[dict[str, Any]]:
        """Everyone's provisioned products of the account and Region (SearchProvisionedProducts)."""
        return self._search()

    def products_of(self, product_id: str) -> list[dict[str, Any]]:
        """Everyone's provisioned products of one product, a hundred a call."""
        return self._search(Filters={"SearchQuery": [f"productId:{product_id}"]}, PageSize=100)

    def _search(self, **query: Any) -> list[dict[str, Any]]:
        products: list[dict[str, Any]] = []
        while True:
            page = self.conn.search_provisioned_products(
                AccessLevelFilter={"Key": "Account", "Value": "self"}, **query
            )
            products += page["ProvisionedProducts"]
            if not page.get("NextPageToken"):
                return products
            query["PageToken"] = page["NextPageToken"]

    def active_artifact(self, product_id: str, artifact_id: str | None = None) -> str:
        """The id of the version to launch: the one given by id or name, or the newest active one.

        :raises CatalogMisconfigured: it does not exist or is switched off.
        """
        artifacts = self.conn.list_provisioning_artifacts(ProductId=product_id)["ProvisioningArtifactDetails"]
        active = sorted(
            (artifact for artifact in artifacts if artifact.get("Active", True)),
            key=lambda artifact: artifact["CreatedTime"],
        )
        wanted = [
            artifact["Id"]
            for artifact in active
            if artifact_id in (None, artifact["Id"], artifact.get("Name"))
        ]
        if wanted:
            found: str = wanted[-1]
            return found
        known = ", ".join(artifact["Id"] for artifact in active) or "none"
        raise CatalogMisconfigured(
            f"Product {product_id} has no active version {artifact_id or ''}".rstrip(),
            reason=f"its active provisioning artifacts: {known}",
            next_step="Run deploy_platform, which brings the product's version up to date.",
        )

    def _explain_missing_path(self, product_id: str, reason: str) -> NoReturn:
        """Service Catalog has one answer for all causes; an administrator's calls tell them apart."""
        try:
            raise self._missing_path_error(product_id, reason)
        except ClientError as denied:
            raise CatalogMisconfigured(
                f"Product {product_id} can't be launched: no launch path",
                reason=reason,
                next_step="The product is missing, is in no portfolio, or this caller is no principal of its "
                f"portfolio. Run deploy_platform. (A closer look was refused: {_code(denied)})",
            ) from denied

    def _missing_path_error(self, product_id: str, reason: str) -> CatalogMisconfigured:
        try:
            self.conn.describe_product_as_admin(Id=product_id)
        except ClientError as error:
            if _code(error) != "ResourceNotFoundException":
                raise
            return CatalogMisconfigured(
                f"Product {product_id} does not exist",
                reason=reason,
                next_step="Run deploy_platform: the catalog stack makes it. Is the Region the right one?",
            )
        pages = self.conn.get_paginator("list_portfolios_for_product").paginate(ProductId=product_id)
        portfolios = [portfolio["Id"] for page in pages for portfolio in page["PortfolioDetails"]]
        if not portfolios:
            return CatalogMisconfigured(
                f"Product {product_id} is in no portfolio",
                reason=reason,
                next_step="Associate it with the portfolio: run deploy_platform.",
            )
        caller = self.caller_principal_arn()
        return CatalogMisconfigured(
            f"{caller} may not launch product {product_id}",
            reason=f"{reason}; portfolios of the product: {', '.join(portfolios)}; "
            + (
                "the caller is a principal of one"
                if self._is_principal(caller, portfolios)
                else "the caller is a principal of none"
            ),
            next_step="Give deploy_platform the role Airflow runs as; it associates it as a principal.",
        )

    def _is_principal(self, caller: str, portfolios: list[str]) -> bool:
        paginator = self.conn.get_paginator("list_principals_for_portfolio")
        return any(
            fnmatchcase(caller, principal["PrincipalARN"])
            for portfolio in portfolios
            for page in paginator.paginate(PortfolioId=portfolio)
            for principal in page["Principals"]
        )

    def caller_principal_arn(self) -> str:
        """The IAM role or user that calls, as a portfolio names its principals.

        :raises InvalidInput: the caller is the account's root user, who can't be a principal.
        """
        arn: str = self._other_service("sts").get_caller_identity()["Arn"]
        return principal_arn(arn, self._other_service("iam"))

    def _other_service(self, service: str) -> Any:
        """A client of another service, with the same connection."""
        return AwsHook(
            client_type=service,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self._config,
        ).conn


def reasons(record: dict[str, Any]) -> str | None:
    """A record's errors in one line."""
    errors = record.get("RecordErrors", [])
    return "; ".join(f"{error.get('Code')}: {error.get('Description')}" for error in errors) or None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def principal_arn(caller_arn: str, iam: Any) -> str:
    """The IAM role or user behind a caller, as a portfolio names its principals.

    The ARN of an assumed role's session lacks the role's path, so IAM is asked for the role.

    :param iam: an IAM client.
    :raises InvalidInput: the caller is the account's root user, who can't be a principal.
    """
    head, _, resource = caller_arn.rpartition(":")
    if resource == "root":
        raise InvalidInput(
            "Airflow runs as the account's root user",
            reason="Service Catalog associates IAM roles, users and groups with a portfolio, never root.",
            next_step="Give the aws_default connection the credentials of a role or user.",
        )
    if not resource.startswith("assumed-role/"):
        return caller_arn
    role = resource.split("/")[1]
    try:
        role_arn: str = iam.get_role(RoleName=role)["Role"]["Arn"]
    except ClientError as error:
        if _code(error) not in ("AccessDenied", "AccessDeniedException"):
            raise
        logger.warning("Role %s is taken to have no path, since IAM may not be asked: %s", role, error)
        return f"{head.replace(':sts:', ':iam:')}:role/{role}"
    return role_arn
