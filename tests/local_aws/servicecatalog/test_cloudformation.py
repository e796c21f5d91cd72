"""A catalog as a stack, as the product's own catalog template makes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.local_aws.servicecatalog.conftest import BUCKET_TEMPLATE, principal

pytestmark = pytest.mark.local_aws

Client = Callable[..., Any]
Stage = Callable[[str, str], str]
WAITER = {"Delay": 0.2, "MaxAttempts": 300}


def catalog_template(url: str, *, role: str = "LaunchRole", principal_arn: str, name: str = "v1") -> str:
    """Portfolio, product, associations and launch role."""
    portfolio, product = {"Ref": "Portfolio"}, {"Ref": "Product"}
    both = {"PortfolioId": portfolio, "ProductId": product}
    return json.dumps(
        {
            "Resources": {
                "Portfolio": {
                    "Type": "AWS::ServiceCatalog::Portfolio",
                    "Properties": {"DisplayName": "Team", "ProviderName": "Platform"},
                },
                "Product": {
                    "Type": "AWS::ServiceCatalog::CloudFormationProduct",
                    "Properties": {
                        "Name": "Bucket",
                        "Owner": "Platform",
                        "Tags": [{"Key": "sagemaker:studio-visibility:emr", "Value": "true"}],
                        "ProvisioningArtifactParameters": [
                            {"Name": name, "Info": {"LoadTemplateFromURL": url}}
                        ],
                    },
                },
                "InPortfolio": {
                    "Type": "AWS::ServiceCatalog::PortfolioProductAssociation",
                    "Properties": both,
                },
                "Principal": {
                    "Type": "AWS::ServiceCatalog::PortfolioPrincipalAssociation",
                    "Properties": {
                        "PortfolioId": portfolio,
                        "PrincipalARN": principal_arn,
                        "PrincipalType": "IAM",
                    },
                },
                "Constraint": {
                    "Type": "AWS::ServiceCatalog::LaunchRoleConstraint",
                    "DependsOn": "InPortfolio",
                    "Properties": {**both, "LocalRoleName": role},
                },
            },
            "Outputs": {
                "PortfolioId": {"Value": portfolio},
                "ProductId": {"Value": product},
                "ProductName": {"Value": {"Fn::GetAtt": ["Product", "ProductName"]}},
                "ArtifactIds": {"Value": {"Fn::GetAtt": ["Product", "ProvisioningArtifactIds"]}},
            },
        }
    )


def outputs_of(cloudformation: Any) -> dict[str, str]:
    """The stack's outputs."""
    stack = cloudformation.describe_stacks(StackName="catalog")["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_a_catalog_as_a_stack(client: Client, template_url: Stage, launch_role: str) -> None:
    cloudformation, servicecatalog = client("cloudformation"), client("servicecatalog")
    principal_arn = principal(client)[1]
    first = template_url("v1.json", BUCKET_TEMPLATE)
    cloudformation.create_stack(
        StackName="catalog", TemplateBody=catalog_template(first, principal_arn=principal_arn)
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    made = outputs_of(cloudformation)
    assert made["ProductName"] == "Bucket"
    path = servicecatalog.list_launch_paths(ProductId=made["ProductId"])["LaunchPathSummaries"][0]
    assert [constraint["Type"] for constraint in path["ConstraintSummaries"]] == ["LAUNCH"]
    tags = servicecatalog.describe_product_as_admin(Id=made["ProductId"])["Tags"]
    assert {"Key": "sagemaker:studio-visibility:emr", "Value": "true"} in tags

    second = template_url("v2.json", BUCKET_TEMPLATE)
    cloudformation.update_stack(
        StackName="catalog",
        TemplateBody=catalog_template(second, role="Other", principal_arn=principal_arn),
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    updated = outputs_of(cloudformation)
    assert updated["ProductId"] == made["ProductId"]
    assert updated["ArtifactIds"] != made["ArtifactIds"]
    artifact = servicecatalog.describe_provisioning_artifact(
        ProductId=made["ProductId"], ProvisioningArtifactId=updated["ArtifactIds"]
    )
    assert artifact["Info"]["TemplateUrl"] == second
    constraint = servicecatalog.list_constraints_for_portfolio(PortfolioId=made["PortfolioId"])
    constraint_id = constraint["ConstraintDetails"][0]["ConstraintId"]
    parameters = servicecatalog.describe_constraint(Id=constraint_id)["ConstraintParameters"]
    assert json.loads(parameters) == {"LocalRoleName": "Other"}

    cloudformation.delete_stack(StackName="catalog")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    assert servicecatalog.list_portfolios()["PortfolioDetails"] == []
    assert servicecatalog.search_products_as_admin()["ProductViewDetails"] == []


def test_a_product_whose_template_is_missing_fails_its_stack(
    client: Client, template_url: Stage, launch_role: str
) -> None:
    cloudformation = client("cloudformation")
    url = template_url("v1.json", BUCKET_TEMPLATE).replace("v1.json", "missing.json")
    cloudformation.create_stack(
        StackName="catalog",
        TemplateBody=catalog_template(url, principal_arn=principal(client)[1]),
        OnFailure="DELETE",
    )
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    assert client("servicecatalog").list_portfolios()["PortfolioDetails"] == []


def test_a_portfolio_that_others_use_is_not_deleted(
    client: Client, template_url: Stage, launch_role: str
) -> None:
    cloudformation, servicecatalog = client("cloudformation"), client("servicecatalog")
    principal_arn = principal(client)[1]
    url = template_url("v1.json", BUCKET_TEMPLATE)
    cloudformation.create_stack(
        StackName="catalog", TemplateBody=catalog_template(url, principal_arn=principal_arn)
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    portfolio_id = outputs_of(cloudformation)["PortfolioId"]
    servicecatalog.associate_principal_with_portfolio(
        PortfolioId=portfolio_id, PrincipalARN=launch_role, PrincipalType="IAM"
    )
    cloudformation.delete_stack(StackName="catalog")
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_delete_complete").wait(StackName="catalog", WaiterConfig=WAITER)
    events = cloudformation.describe_stack_events(StackName="catalog")["StackEvents"]
    reasons = [
        event.get("ResourceStatusReason", "") for event in events if event["LogicalResourceId"] == "Portfolio"
    ]
    assert any(f"Portfolio {portfolio_id} still has associated Principals" in reason for reason in reasons)
