"""A small catalog, made through boto3 alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

POLL_SECONDS = 0.1
DEADLINE_SECONDS = 60

BUCKET_TEMPLATE = json.dumps(
    {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {
            "Purpose": {"Type": "String", "AllowedValues": ["logs", "data"], "Description": "What for"},
            "Versioning": {"Type": "String", "Default": "Suspended"},
        },
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": {"Fn::Sub": "catalog-${Purpose}-${AWS::AccountId}"},
                    "VersioningConfiguration": {"Status": {"Ref": "Versioning"}},
                },
            }
        },
        "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}, "Description": "The bucket"}},
    }
)
LAUNCH_ACTIONS = [
    "cloudformation:CreateStack",
    "cloudformation:UpdateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
    "cloudformation:GetTemplateSummary",
]


@dataclass
class Catalog:
    """Ids of a portfolio with one product."""

    servicecatalog: Any
    account_id: str
    principal_arn: str
    portfolio_id: str
    product_id: str
    artifact_id: str

    def provision(self, name: str, token: str | None = None, **parameters: str) -> dict[str, Any]:
        """Ask for a product; the record's detail."""
        detail: dict[str, Any] = self.servicecatalog.provision_product(
            ProductId=self.product_id,
            ProvisioningArtifactId=self.artifact_id,
            ProvisionedProductName=name,
            ProvisionToken=token or f"token-{name}",
            ProvisioningParameters=[{"Key": k, "Value": v} for k, v in parameters.items()],
        )["RecordDetail"]
        return detail

    def ended(self, record_id: str) -> tuple[dict[str, Any], list[str]]:
        """Wait for a record's end; its detail and the states seen on the way."""
        states: list[str] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            detail: dict[str, Any] = self.servicecatalog.describe_record(Id=record_id)["RecordDetail"]
            if detail["Status"] not in states:
                states.append(detail["Status"])
            if detail["Status"] in ("SUCCEEDED", "FAILED"):
                return detail, states
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"Record {record_id} did not end: {states}")


def principal(client: Callable[..., Any]) -> tuple[str, str]:
    """The account, and the IAM ARN of whoever runs the tests."""
    identity = client("sts").get_caller_identity()
    arn: str = identity["Arn"]
    if ":assumed-role/" in arn:
        role_name = arn.split("/")[1]
        arn = client("iam").get_role(RoleName=role_name)["Role"]["Arn"]
    return identity["Account"], arn


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """The code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def template_url(client: Callable[..., Any]) -> Callable[[str, str], str]:
    """Stages a template: ``template_url(key, body)``."""
    s3 = client("s3")
    bucket = f"catalog-templates-{principal(client)[0]}"
    s3.create_bucket(Bucket=bucket)

    def stage(key: str, body: str) -> str:
        s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
        return f"https://{bucket}.s3.us-east-1.amazonaws.com/{key}"

    return stage


@pytest.fixture
def launch_role(client: Callable[..., Any]) -> str:
    """The ARN of a role that may launch the bucket product."""
    iam = client("iam")
    arn: str = iam.create_role(
        RoleName="LaunchRole",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "servicecatalog.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    allow_launch(iam)
    return arn


def allow_launch(iam: Any, *more: str, resource: str = "*") -> None:
    """Give the launch role what every launch needs, and more."""
    iam.put_role_policy(
        RoleName="LaunchRole",
        PolicyName="launch",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": [*LAUNCH_ACTIONS, *more], "Resource": resource},
                    {
                        "Effect": "Allow",
                        "Action": "s3:GetObject",
                        "Resource": "*",
                        "Condition": {
                            "StringEquals": {"s3:ExistingObjectTag/servicecatalog:provisioning": "true"}
                        },
                    },
                ],
            }
        ),
    )


@pytest.fixture
def bare_catalog(client: Callable[..., Any], template_url: Callable[[str, str], str]) -> Catalog:
    """A product in a portfolio that nobody may use."""
    servicecatalog = client("servicecatalog")
    portfolio_id = servicecatalog.create_portfolio(DisplayName="Team", ProviderName="Platform")[
        "PortfolioDetail"
    ]["Id"]
    made = servicecatalog.create_product(
        Name="Bucket",
        Owner="Platform",
        ProductType="CLOUD_FORMATION_TEMPLATE",
        Tags=[{"Key": "sagemaker:studio-visibility:emr", "Value": "true"}],
        ProvisioningArtifactParameters={
            "Name": "v1",
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Info": {"LoadTemplateFromURL": template_url("v1.json", BUCKET_TEMPLATE)},
        },
    )
    product_id = made["ProductViewDetail"]["ProductViewSummary"]["ProductId"]
    servicecatalog.associate_product_with_portfolio(ProductId=product_id, PortfolioId=portfolio_id)
    artifact_id = made["ProvisioningArtifactDetail"]["Id"]
    return Catalog(servicecatalog, *principal(client), portfolio_id, product_id, artifact_id)


@pytest.fixture
def catalog(bare_catalog: Catalog, launch_role: str) -> Catalog:
    """The same with a principal and a launch role."""
    bare_catalog.servicecatalog.associate_principal_with_portfolio(
        PortfolioId=bare_catalog.portfolio_id,
        PrincipalARN=bare_catalog.principal_arn,
        PrincipalType="IAM",
    )
    bare_catalog.servicecatalog.create_constraint(
        PortfolioId=bare_catalog.portfolio_id,
        ProductId=bare_catalog.product_id,
        Type="LAUNCH",
        Parameters=json.dumps({"RoleArn": launch_role}),
    )
    return bare_catalog
