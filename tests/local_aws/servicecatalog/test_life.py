"""A product's whole life, as the platform and its DAGs go through it, beside whatever the account has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.account import limit_seconds, poll_seconds
from tests.local_aws.servicecatalog.conftest import LAUNCH_ACTIONS, error_of, principal

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance(usd=0.25)]

TEMPLATE = json.dumps(
    {
        "Parameters": {
            "Name": {"Type": "String", "Description": "Of the bucket"},
            "Versioning": {"Type": "String", "Default": "Suspended"},
        },
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": {"Ref": "Name"},
                    "VersioningConfiguration": {"Status": {"Ref": "Versioning"}},
                },
            }
        },
        "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}}},
    }
)
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "servicecatalog.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Shop:
    """A portfolio with a bucket as its product, which its maker may launch."""

    def __init__(self, client: Callable[..., Any], unique: Callable[[str], str]) -> None:
        self.client, self.unique = client, unique
        self.servicecatalog = client("servicecatalog")
        self.name, self.bucket = unique("product"), unique("bought")
        made = self._create_product()
        self.product_id = made["ProductViewDetail"]["ProductViewSummary"]["ProductId"]
        self.artifact_id = made["ProvisioningArtifactDetail"]["Id"]
        self.portfolio_id = self.servicecatalog.create_portfolio(
            DisplayName=unique("portfolio"), ProviderName="Conformance"
        )["PortfolioDetail"]["Id"]
        self.servicecatalog.associate_product_with_portfolio(
            ProductId=self.product_id, PortfolioId=self.portfolio_id
        )

    def _create_product(self) -> dict[str, Any]:
        s3, staged = self.client("s3"), self.unique("templates")
        region = s3.meta.region_name
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=staged, **({} if region == "us-east-1" else where))
        s3.put_object(Bucket=staged, Key="product.json", Body=TEMPLATE.encode())
        url = f"https://{staged}.s3.{region}.amazonaws.com/product.json"
        made: dict[str, Any] = self.servicecatalog.create_product(
            Name=self.name,
            Owner="Conformance",
            ProductType="CLOUD_FORMATION_TEMPLATE",
            ProvisioningArtifactParameters={
                "Name": "v1",
                "Type": "CLOUD_FORMATION_TEMPLATE",
                "Info": {"LoadTemplateFromURL": url},
            },
        )
        return made

    def open(self) -> None:
        """Admit the caller, with a role that launches for it; until the launch path shows."""
        self.servicecatalog.associate_principal_with_portfolio(
            PortfolioId=self.portfolio_id, PrincipalARN=principal(self.client)[1], PrincipalType="IAM"
        )
        self.servicecatalog.create_constraint(
            PortfolioId=self.portfolio_id,
            ProductId=self.product_id,
            Type="LAUNCH",
            Parameters=json.dumps({"RoleArn": self._create_role()}),
        )
        self.until(lambda: self._launch_paths() == 1)

    def _create_role(self) -> str:
        iam, name = self.client("iam"), self.unique("launch")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
        buckets = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:*:s3:::{self.bucket}"}
        stacks = {"Effect": "Allow", "Action": LAUNCH_ACTIONS, "Resource": "*"}
        staged = {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "*",
            "Condition": {"StringEquals": {"s3:ExistingObjectTag/servicecatalog:provisioning": "true"}},
        }
        iam.put_role_policy(
            RoleName=name, PolicyName="launch", PolicyDocument=document(stacks, staged, buckets)
        )
        # A new role is known everywhere only after some seconds.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
        time.sleep(3 * poll_seconds(0))
        return arn

    def _launch_paths(self) -> int:
        try:
            shown = self.servicecatalog.list_launch_paths(ProductId=self.product_id)
        except self.servicecatalog.exceptions.ResourceNotFoundException:
            return 0
        return len(shown["LaunchPathSummaries"])

    def until(self, done: Callable[[], bool]) -> None:
        """Look again until it is so."""
        deadline = time.monotonic() + limit_seconds(60)
        while not done():
            assert time.monotonic() < deadline
            time.sleep(poll_seconds(0.1))

    def buy(self, name: str, token: str) -> dict[str, Any]:
        """ProvisionProduct; the record."""
        detail: dict[str, Any] = self.servicecatalog.provision_product(
            ProductId=self.product_id,
            ProvisioningArtifactId=self.artifact_id,
            ProvisionedProductName=name,
            ProvisionToken=token,
            ProvisioningParameters=[{"Key": "Name", "Value": self.bucket}],
        )["RecordDetail"]
        return detail

    def ended(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record once it succeeded or failed."""
        shown: dict[str, Any] = {}

        def done() -> bool:
            found = self.servicecatalog.describe_record(Id=record["RecordId"])["RecordDetail"]
            shown.update(found)
            return found["Status"] in ("SUCCEEDED", "FAILED")

        self.until(done)
        return shown


@pytest.fixture
def shop(client: Callable[..., Any], unique: Callable[[str], str]) -> Shop:
    return Shop(client, unique)


def test_who_is_no_principal_has_no_launch_path(shop: Shop) -> None:
    missing = error_of(shop.servicecatalog.list_launch_paths, ProductId=shop.product_id)
    assert missing[0] == "ResourceNotFoundException"
    as_admin = shop.servicecatalog.describe_product_as_admin(Id=shop.product_id)
    assert as_admin["ProductViewDetail"]["ProductViewSummary"]["Name"] == shop.name


def test_a_portfolio_or_product_in_use_is_not_deleted(shop: Shop) -> None:
    shop.open()
    assert error_of(shop.servicecatalog.delete_portfolio, Id=shop.portfolio_id)[0] == "ResourceInUseException"
    assert error_of(shop.servicecatalog.delete_product, Id=shop.product_id)[0] == "ResourceInUseException"


def test_a_product_is_launched_once_updated_and_terminated(
    shop: Shop, client: Callable[..., Any], unique: Callable[[str], str]
) -> None:
    shop.open()
    catalog, name, s3 = shop.servicecatalog, unique("mine"), client("s3")
    record = shop.buy(name, token=unique("once"))
    assert record["RecordType"] == "PROVISION_PRODUCT"
    ended = shop.ended(record)
    assert (ended["Status"], ended["RecordErrors"]) == ("SUCCEEDED", [])
    s3.head_bucket(Bucket=shop.bucket)
    again = shop.buy(name, token=unique("once"))
    assert again["RecordId"] == record["RecordId"]

    shown = catalog.describe_provisioned_product(Name=name)["ProvisionedProductDetail"]
    assert shown["Status"] == "AVAILABLE"
    outputs = catalog.get_provisioned_product_outputs(ProvisionedProductName=name)["Outputs"]
    assert {one["OutputKey"]: one["OutputValue"] for one in outputs}["BucketName"] == shop.bucket

    update = catalog.update_provisioned_product(
        ProvisionedProductName=name,
        ProductId=shop.product_id,
        ProvisioningArtifactId=shop.artifact_id,
        ProvisioningParameters=[
            {"Key": "Name", "UsePreviousValue": True},
            {"Key": "Versioning", "Value": "Enabled"},
        ],
        UpdateToken=unique("update"),
    )["RecordDetail"]
    assert shop.ended(update)["Status"] == "SUCCEEDED"
    assert s3.get_bucket_versioning(Bucket=shop.bucket)["Status"] == "Enabled"

    end = {"ProvisionedProductName": name, "TerminateToken": unique("end")}
    assert shop.ended(catalog.terminate_provisioned_product(**end)["RecordDetail"])["Status"] == "SUCCEEDED"
    assert error_of(catalog.terminate_provisioned_product, **end)[0] == "ResourceNotFoundException"
    assert error_of(catalog.describe_provisioned_product, Name=name)[0] == "ResourceNotFoundException"
    assert error_of(s3.head_bucket, Bucket=shop.bucket)[0] == "404"
