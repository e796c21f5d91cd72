"""SageMaker projects, through which Studio launches products."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.servicecatalog.conftest import (
    DEADLINE_SECONDS,
    POLL_SECONDS,
    Catalog,
    bare_catalog,
    catalog,
    error_of,
    launch_role,
    template_url,
)

__all__ = ["bare_catalog", "catalog", "launch_role", "template_url"]

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("unhurried")]


def create(sagemaker: Any, catalog: Catalog, name: str = "churn") -> dict[str, Any]:
    made: dict[str, Any] = sagemaker.create_project(
        ProjectName=name,
        ServiceCatalogProvisioningDetails={
            "ProductId": catalog.product_id,
            "ProvisioningParameters": [{"Key": "Purpose", "Value": "logs"}],
        },
    )
    return made


def wait_while(sagemaker: Any, status: str, name: str = "churn") -> str:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := sagemaker.describe_project(ProjectName=name)["ProjectStatus"]) == status:
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    return str(found)


def test_a_project_provisions_its_product_and_deleting_it_terminates_that(
    client: Callable[..., Any], catalog: Catalog
) -> None:
    sagemaker = client("sagemaker")
    project_id = create(sagemaker, catalog)["ProjectId"]
    code, message = error_of(sagemaker.delete_project, ProjectName="churn")
    assert (code, "CreateInProgress" in message) == ("ConflictException", True)
    assert wait_while(sagemaker, "CreateInProgress") == "CreateCompleted"
    [product] = catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"]
    tags = {tag["Key"]: tag["Value"] for tag in product["Tags"]}
    assert (tags["sagemaker:project-name"], tags["sagemaker:project-id"]) == ("churn", project_id)
    details = sagemaker.describe_project(ProjectName="churn")["ServiceCatalogProvisionedProductDetails"]
    assert details["ProvisionedProductId"] == product["Id"]
    [listed] = sagemaker.list_projects()["ProjectSummaryList"]
    assert (listed["ProjectName"], listed["ProjectStatus"]) == ("churn", "CreateCompleted")
    sagemaker.delete_project(ProjectName="churn")
    assert wait_while(sagemaker, "DeleteInProgress") == "DeleteCompleted"
    assert catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"] == []


def test_what_service_catalog_refuses_makes_no_project(client: Callable[..., Any], catalog: Catalog) -> None:
    sagemaker = client("sagemaker")
    catalog.servicecatalog.disassociate_principal_from_portfolio(
        PortfolioId=catalog.portfolio_id, PrincipalARN=catalog.principal_arn
    )
    assert error_of(create, sagemaker=sagemaker, catalog=catalog)[0] == "ValidationException"
    assert sagemaker.list_projects()["ProjectSummaryList"] == []
    code, message = error_of(sagemaker.describe_project, ProjectName="churn")
    assert (code, "does not exist" in message) == ("ValidationException", True)
