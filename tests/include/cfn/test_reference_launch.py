"""R12 with the article's policies: the catalog's own launch role launches, updates and ends a product.

The product is a bucket, which ``AmazonElasticMapReduceFullAccess`` covers too, so no cluster has to start.
"""

from __future__ import annotations

import json
import time

import pytest

from tests.include.cfn.conftest import LIMIT_SECONDS, outputs

pytestmark = pytest.mark.local_aws

BUCKET = json.dumps(
    {
        "Parameters": {"Versioning": {"Type": "String", "Default": "Suspended"}},
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": "launched",
                    "VersioningConfiguration": {"Status": {"Ref": "Versioning"}},
                },
            }
        },
    }
)


class Catalog:
    """The catalog stack with a version of its product that launches quickly."""

    def __init__(self, aws, permissions):
        self.aws, self.servicecatalog = aws, aws.client("servicecatalog")
        stack = aws.create(
            "catalog",
            "catalog",
            Environment="dev",
            Permissions=permissions,
            ProductTemplateUrl=f"{aws.url}/emr_product.yaml",
            ArtifactsBucket="templates",
            ExecutionRoleArn=self._execution_role(),
            CreateEmrDefaultRoles="true",
        )
        assert stack["StackStatus"] == "CREATE_COMPLETE", aws.failures("catalog")
        made = outputs(stack)
        self.product_id, self.launch_role = made["ProductId"], self._launch_role()
        aws.client("s3").put_object(Bucket="templates", Key="cfn/bucket.json", Body=BUCKET.encode())
        self.artifact_id = self.servicecatalog.create_provisioning_artifact(
            ProductId=self.product_id,
            Parameters={
                "Name": "bucket",
                "Type": "CLOUD_FORMATION_TEMPLATE",
                "Info": {"LoadTemplateFromURL": f"{aws.url}/bucket.json"},
            },
        )["ProvisioningArtifactDetail"]["Id"]
        (portfolio,) = self.servicecatalog.list_portfolios()["PortfolioDetails"]
        self.servicecatalog.associate_principal_with_portfolio(
            PortfolioId=portfolio["Id"],
            PrincipalARN=aws.client("sts").get_caller_identity()["Arn"],
            PrincipalType="IAM",
        )

    def _execution_role(self):
        trust = {"Version": "2012-10-17", "Statement": []}
        role = self.aws.client("iam").create_role(RoleName="x", AssumeRolePolicyDocument=json.dumps(trust))
        return role["Role"]["Arn"]

    def _launch_role(self):
        found = self.aws.cloudformation.describe_stack_resource(
            StackName="catalog", LogicalResourceId="LaunchRole"
        )
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def ended(self, answer):
        """A record's status and its errors, once it ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            record = self.servicecatalog.describe_record(Id=answer["RecordDetail"]["RecordId"])[
                "RecordDetail"
            ]
            if record["Status"] in ("SUCCEEDED", "FAILED"):
                return record["Status"], [error["Description"] for error in record["RecordErrors"]]
            assert time.monotonic() < deadline, record
            time.sleep(0.1)

    def provision(self):
        return self.ended(
            self.servicecatalog.provision_product(
                ProductId=self.product_id,
                ProvisioningArtifactId=self.artifact_id,
                ProvisionedProductName="one",
                ProvisionToken="one",
            )
        )

    def update(self):
        return self.ended(
            self.servicecatalog.update_provisioned_product(
                ProvisionedProductName="one",
                ProductId=self.product_id,
                ProvisioningArtifactId=self.artifact_id,
                ProvisioningParameters=[{"Key": "Versioning", "Value": "Enabled"}],
                UpdateToken="update",
            )
        )

    def terminate(self, attempt=1):
        terminate = self.servicecatalog.terminate_provisioned_product
        return self.ended(terminate(ProvisionedProductName="one", TerminateToken=f"end-{attempt}"))


@pytest.fixture
def catalog(deploy_in):
    return Catalog(deploy_in("us-east-1"), "reference")


SUCCEEDED = ("SUCCEEDED", [])


def test_a_product_is_launched_updated_and_ended_through_the_reference_launch_role(catalog):
    assert catalog.provision() == SUCCEEDED
    (product,) = catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"]
    stack = catalog.aws.cloudformation.describe_stacks(StackName=product["PhysicalId"])["Stacks"][0]
    assert stack["RoleARN"].endswith(f":role/{catalog.launch_role}")
    assert catalog.update() == SUCCEEDED
    s3 = catalog.aws.client("s3")
    assert s3.get_bucket_versioning(Bucket="launched")["Status"] == "Enabled"
    assert catalog.terminate() == SUCCEEDED
    assert catalog.servicecatalog.search_provisioned_products()["ProvisionedProducts"] == []


def test_the_articles_policies_alone_could_neither_update_nor_end_it(catalog):
    assert catalog.provision() == SUCCEEDED
    iam = catalog.aws.client("iam")
    document = iam.get_role_policy(RoleName=catalog.launch_role, PolicyName="launch")["PolicyDocument"]
    iam.delete_role_policy(RoleName=catalog.launch_role, PolicyName="launch")
    for attempt, action in ((catalog.update, "UpdateStack"), (catalog.terminate, "DeleteStack")):
        status, reasons = attempt()
        assert status == "FAILED"
        assert f"cloudformation:{action}" in reasons[0]
    iam.put_role_policy(
        RoleName=catalog.launch_role, PolicyName="launch", PolicyDocument=json.dumps(document)
    )
    assert catalog.terminate(attempt=2) == SUCCEEDED
