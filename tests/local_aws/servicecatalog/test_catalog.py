"""Filling a catalog and looking at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.local_aws.servicecatalog.conftest import BUCKET_TEMPLATE, Catalog, allow_launch, error_of

pytestmark = pytest.mark.local_aws

Client = Callable[..., Any]
Stage = Callable[[str, str], str]


def artifact(url: str, name: str = "v1") -> dict[str, Any]:
    """``ProvisioningArtifactProperties``."""
    return {"Name": name, "Type": "CLOUD_FORMATION_TEMPLATE", "Info": {"LoadTemplateFromURL": url}}


def create_product(servicecatalog: Any, url: str, **more: Any) -> dict[str, Any]:
    """A product called Another."""
    product: dict[str, Any] = servicecatalog.create_product(
        Name="Another",
        Owner="Platform",
        ProductType="CLOUD_FORMATION_TEMPLATE",
        ProvisioningArtifactParameters=artifact(url),
        **more,
    )
    return product


def test_create_portfolio(client: Client) -> None:
    servicecatalog = client("servicecatalog")
    tags = [{"Key": "environment", "Value": "test"}]
    made = servicecatalog.create_portfolio(
        DisplayName="Team", ProviderName="Platform", Tags=tags, IdempotencyToken="one"
    )
    again = servicecatalog.create_portfolio(
        DisplayName="Team", ProviderName="Platform", Tags=tags, IdempotencyToken="one"
    )
    portfolio_id = made["PortfolioDetail"]["Id"]
    assert portfolio_id.startswith("port-")
    assert again["PortfolioDetail"]["Id"] == portfolio_id
    described = servicecatalog.describe_portfolio(Id=portfolio_id)
    assert described["PortfolioDetail"]["DisplayName"] == "Team"
    assert described["Tags"] == tags
    assert [p["Id"] for p in servicecatalog.list_portfolios()["PortfolioDetails"]] == [portfolio_id]


def test_create_product_reads_the_template(client: Client, template_url: Stage) -> None:
    servicecatalog = client("servicecatalog")
    made = create_product(servicecatalog, template_url("a.json", BUCKET_TEMPLATE))
    assert made["ProductViewDetail"]["ProductViewSummary"]["ProductId"].startswith("prod-")
    assert made["ProvisioningArtifactDetail"]["Id"].startswith("pa-")
    assert made["ProvisioningArtifactDetail"]["Active"] is True


def test_a_portfolio_and_a_product_may_share_a_token(client: Client, template_url: Stage) -> None:
    servicecatalog = client("servicecatalog")
    servicecatalog.create_portfolio(DisplayName="Team", ProviderName="Platform", IdempotencyToken="one")
    url = template_url("a.json", BUCKET_TEMPLATE)
    first = create_product(servicecatalog, url, IdempotencyToken="one")
    second = create_product(servicecatalog, url, IdempotencyToken="one")
    assert first["ProductViewDetail"]["ProductARN"] == second["ProductViewDetail"]["ProductARN"]
    assert len(servicecatalog.search_products_as_admin()["ProductViewDetails"]) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Resources: [", "Invalid templateBody"),
        ("Description: nothing", "Invalid templateBody"),
        (None, "Unable to read"),
    ],
    ids=["not-yaml", "no-resources", "not-there"],
)
def test_create_product_refuses_a_bad_template(
    client: Client, template_url: Stage, body: str | None, message: str
) -> None:
    url = template_url("bad.yaml", body or "")
    if body is None:
        url = url.replace("bad.yaml", "nowhere.yaml")
    servicecatalog = client("servicecatalog")
    code, told = error_of(create_product, servicecatalog=servicecatalog, url=url)
    assert code == "InvalidParametersException"
    assert message in told


def test_provisioning_artifacts(catalog: Catalog, template_url: Stage) -> None:
    servicecatalog, product_id = catalog.servicecatalog, catalog.product_id
    made = servicecatalog.create_provisioning_artifact(
        ProductId=product_id,
        Parameters=artifact(template_url("v2.json", BUCKET_TEMPLATE), "v2"),
        IdempotencyToken="two",
    )
    second = made["ProvisioningArtifactDetail"]["Id"]
    assert made["Status"] == "AVAILABLE"
    updated = servicecatalog.update_provisioning_artifact(
        ProductId=product_id, ProvisioningArtifactId=second, Active=False, Guidance="DEPRECATED"
    )["ProvisioningArtifactDetail"]
    assert (updated["Active"], updated["Guidance"]) == (False, "DEPRECATED")
    listed = servicecatalog.list_provisioning_artifacts(ProductId=product_id)
    assert [a["Name"] for a in listed["ProvisioningArtifactDetails"]] == ["v1", "v2"]
    seen = servicecatalog.describe_product(Id=product_id)["ProvisioningArtifacts"]
    assert [a["Name"] for a in seen] == ["v1"]
    described = servicecatalog.describe_provisioning_artifact(
        ProductId=product_id, ProvisioningArtifactName="v2", IncludeProvisioningArtifactParameters=True
    )
    assert described["Info"]["TemplateUrl"].endswith("/v2.json")
    purpose = described["ProvisioningArtifactParameters"][0]
    assert purpose["ParameterConstraints"]["AllowedValues"] == ["logs", "data"]
    servicecatalog.delete_provisioning_artifact(ProductId=product_id, ProvisioningArtifactId=second)
    delete = servicecatalog.delete_provisioning_artifact
    code, _ = error_of(delete, ProductId=product_id, ProvisioningArtifactId=catalog.artifact_id)
    assert code == "ResourceInUseException"
    describe = servicecatalog.describe_provisioning_artifact
    code, _ = error_of(describe, ProductId=product_id, ProvisioningArtifactId=second)
    assert code == "ResourceNotFoundException"


def test_an_inactive_version_is_not_launched(catalog: Catalog) -> None:
    catalog.servicecatalog.update_provisioning_artifact(
        ProductId=catalog.product_id, ProvisioningArtifactId=catalog.artifact_id, Active=False
    )
    assert error_of(catalog.provision, name="old", Purpose="logs")[0] == "InvalidParametersException"


def test_products_in_portfolios(catalog: Catalog) -> None:
    servicecatalog = catalog.servicecatalog
    arguments = {"ProductId": catalog.product_id, "PortfolioId": catalog.portfolio_id}
    servicecatalog.associate_product_with_portfolio(**arguments)  # again is no error
    holders = servicecatalog.list_portfolios_for_product(ProductId=catalog.product_id)["PortfolioDetails"]
    assert [portfolio["Id"] for portfolio in holders] == [catalog.portfolio_id]
    disassociate = servicecatalog.disassociate_product_from_portfolio
    assert error_of(disassociate, **arguments)[0] == "ResourceInUseException"
    for constraint in servicecatalog.list_constraints_for_portfolio(PortfolioId=catalog.portfolio_id)[
        "ConstraintDetails"
    ]:
        servicecatalog.delete_constraint(Id=constraint["ConstraintId"])
    disassociate(**arguments)
    assert error_of(disassociate, **arguments)[0] == "ResourceNotFoundException"
    associate = servicecatalog.associate_product_with_portfolio
    code, _ = error_of(associate, ProductId="prod-nothinghere00", PortfolioId=catalog.portfolio_id)
    assert code == "ResourceNotFoundException"


def test_principals(catalog: Catalog) -> None:
    servicecatalog = catalog.servicecatalog
    arguments = {"PortfolioId": catalog.portfolio_id, "PrincipalARN": catalog.principal_arn}
    listed = servicecatalog.list_principals_for_portfolio(PortfolioId=catalog.portfolio_id)
    assert listed["Principals"] == [{"PrincipalARN": catalog.principal_arn, "PrincipalType": "IAM"}]
    disassociate = servicecatalog.disassociate_principal_from_portfolio
    code, _ = error_of(disassociate, **arguments, PrincipalType="IAM_PATTERN")
    assert code == "ResourceNotFoundException"
    disassociate(**arguments)
    assert servicecatalog.list_principals_for_portfolio(PortfolioId=catalog.portfolio_id)["Principals"] == []
    code, _ = error_of(
        servicecatalog.associate_principal_with_portfolio,
        PortfolioId=catalog.portfolio_id,
        PrincipalARN="Airflow",
        PrincipalType="IAM",
    )
    assert code == "InvalidParametersException"


def test_constraints(catalog: Catalog, launch_role: str) -> None:
    servicecatalog = catalog.servicecatalog
    listed = servicecatalog.list_constraints_for_portfolio(
        PortfolioId=catalog.portfolio_id, ProductId=catalog.product_id
    )["ConstraintDetails"]
    assert [constraint["Type"] for constraint in listed] == ["LAUNCH"]
    constraint_id = listed[0]["ConstraintId"]
    described = servicecatalog.describe_constraint(Id=constraint_id)
    assert json.loads(described["ConstraintParameters"]) == {"RoleArn": launch_role}
    arguments = {
        "PortfolioId": catalog.portfolio_id,
        "ProductId": catalog.product_id,
        "Type": "LAUNCH",
        "Parameters": json.dumps({"RoleArn": launch_role}),
    }
    create = servicecatalog.create_constraint
    assert error_of(create, **arguments)[0] == "DuplicateResourceException"
    servicecatalog.delete_constraint(Id=constraint_id)
    code, _ = error_of(servicecatalog.describe_constraint, Id=constraint_id)
    assert code == "ResourceNotFoundException"
    code, _ = error_of(create, **{**arguments, "Parameters": "{}"})
    assert code == "InvalidParametersException"
    assert error_of(create, **{**arguments, "Type": "STACKSET"})[0] == "InvalidParametersException"
    assert create(**arguments)["Status"] == "AVAILABLE"


def test_a_used_portfolio_or_product_is_not_deleted(catalog: Catalog) -> None:
    servicecatalog = catalog.servicecatalog
    code, message = error_of(servicecatalog.delete_portfolio, Id=catalog.portfolio_id)
    assert code == "ResourceInUseException"
    assert message == f"Portfolio {catalog.portfolio_id} still has associated Principals"
    code, _ = error_of(servicecatalog.delete_product, Id=catalog.product_id)
    assert code == "ResourceInUseException"


def test_list_launch_paths(catalog: Catalog) -> None:
    paths = catalog.servicecatalog.list_launch_paths(ProductId=catalog.product_id)["LaunchPathSummaries"]
    assert [path["Name"] for path in paths] == ["Team"]
    assert [c["Type"] for c in paths[0]["ConstraintSummaries"]] == ["LAUNCH"]


def test_only_principals_see_a_product(bare_catalog: Catalog) -> None:
    servicecatalog, product_id = bare_catalog.servicecatalog, bare_catalog.product_id
    assert servicecatalog.search_products()["ProductViewSummaries"] == []
    assert error_of(servicecatalog.describe_product, Id=product_id)[0] == "ResourceNotFoundException"
    code, message = error_of(servicecatalog.list_launch_paths, ProductId=product_id)
    assert (code, message) == (
        "ResourceNotFoundException",
        f"No launch paths found for resource: {product_id}",
    )
    as_admin = servicecatalog.describe_product_as_admin(Id=product_id)
    assert as_admin["Tags"] == [{"Key": "sagemaker:studio-visibility:emr", "Value": "true"}]


def test_search_products(catalog: Catalog, template_url: Stage) -> None:
    servicecatalog = catalog.servicecatalog
    create_product(servicecatalog, template_url("a.json", BUCKET_TEMPLATE))
    found = servicecatalog.search_products(Filters={"FullTextSearch": ["bucket"]}, SortBy="Title")
    assert [product["Name"] for product in found["ProductViewSummaries"]] == ["Bucket"]
    owners = found["ProductViewAggregations"]["Owner"]
    assert owners == [{"Value": "Platform", "ApproximateCount": 1}]
    code, _ = error_of(servicecatalog.search_products, Filters={"Colour": ["red"]})
    assert code == "InvalidParametersException"


def test_search_products_as_admin(catalog: Catalog, template_url: Stage) -> None:
    servicecatalog = catalog.servicecatalog
    create_product(servicecatalog, template_url("a.json", BUCKET_TEMPLATE))
    search = servicecatalog.search_products_as_admin
    names = [d["ProductViewSummary"]["Name"] for d in search(SortBy="Title")["ProductViewDetails"]]
    assert names == ["Another", "Bucket"]
    page = search(SortBy="Title", PageSize=1)
    rest = search(SortBy="Title", PageSize=1, PageToken=page["NextPageToken"])
    assert rest["ProductViewDetails"][0]["ProductViewSummary"]["Name"] == "Bucket"
    within = search(PortfolioId=catalog.portfolio_id)["ProductViewDetails"]
    assert [d["ProductViewSummary"]["Name"] for d in within] == ["Bucket"]


def test_describe_product_by_name(catalog: Catalog) -> None:
    described = catalog.servicecatalog.describe_product(Name="Bucket")
    assert described["ProductViewSummary"]["ProductId"] == catalog.product_id
    assert [path["Name"] for path in described["LaunchPaths"]] == ["Team"]
    code, message = error_of(catalog.servicecatalog.describe_product, Name="Nothing")
    assert (code, message) == (
        "ResourceNotFoundException",
        "Product with name Nothing does not exist or access was denied.",
    )


def test_describe_provisioning_parameters(catalog: Catalog) -> None:
    described = catalog.servicecatalog.describe_provisioning_parameters(
        ProductId=catalog.product_id, ProvisioningArtifactId=catalog.artifact_id
    )
    parameters = {p["ParameterKey"]: p for p in described["ProvisioningArtifactParameters"]}
    assert parameters["Versioning"]["DefaultValue"] == "Suspended"
    assert "DefaultValue" not in parameters["Purpose"]
    assert described["ConstraintSummaries"][0]["Type"] == "LAUNCH"
    outputs = described["ProvisioningArtifactOutputKeys"]
    assert outputs == [{"Key": "BucketName", "Description": "The bucket"}]


def test_a_role_sees_what_its_portfolios_admit(client: Client, catalog: Catalog, launch_role: str) -> None:
    """Real credentials of a role that is no principal find nothing; as a principal they find the product."""
    allow_launch(client("iam"), "servicecatalog:SearchProducts")
    credentials = client("sts").assume_role(RoleArn=launch_role, RoleSessionName="test")["Credentials"]
    as_role = boto3.client(
        "servicecatalog",
        region_name="us-east-1",
        endpoint_url=catalog.servicecatalog.meta.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    assert as_role.search_products()["ProductViewSummaries"] == []
    for arn, kind in ((launch_role, "IAM"), ("arn:aws:iam:::role/Launch*", "IAM_PATTERN")):
        arguments = {"PortfolioId": catalog.portfolio_id, "PrincipalARN": arn, "PrincipalType": kind}
        catalog.servicecatalog.associate_principal_with_portfolio(**arguments)
        assert len(as_role.search_products()["ProductViewSummaries"]) == 1
        catalog.servicecatalog.disassociate_principal_from_portfolio(**arguments)
