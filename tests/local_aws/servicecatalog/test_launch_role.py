"""What the launch role needs for an EMR cluster, and what the reference's managed policies lack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.servicecatalog.conftest import Catalog, allow_launch

pytestmark = pytest.mark.local_aws

Client = Callable[..., Any]

# Every launch below ends before a cluster starts: at a permission, or at the parameter that is never given.
CLUSTER_TEMPLATE = json.dumps(
    {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "Cluster": {
                "Type": "AWS::EMR::Cluster",
                "Properties": {
                    "Name": {"Ref": "Name"},
                    "ServiceRole": "EMR_DefaultRole",
                    "JobFlowRole": "EMR_EC2_DefaultRole",
                    "Instances": {},
                },
            }
        },
    }
)


@pytest.fixture
def clusters(client: Client, catalog: Catalog, template_url: Callable[[str, str], str]) -> Catalog:
    """The catalog with a version that launches a cluster."""
    url = template_url("cluster.json", CLUSTER_TEMPLATE)
    catalog.artifact_id = catalog.servicecatalog.create_provisioning_artifact(
        ProductId=catalog.product_id,
        Parameters={
            "Name": "v2",
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Info": {"LoadTemplateFromURL": url},
        },
    )["ProvisioningArtifactDetail"]["Id"]
    return catalog


def failure(catalog: Catalog, name: str) -> str:
    """Why a launch without parameters failed."""
    record, _ = catalog.ended(catalog.provision(name)["RecordId"])
    assert record["Status"] == "FAILED"
    return str(record["RecordErrors"][0]["Description"])


def test_run_job_flow_is_needed(clusters: Catalog) -> None:
    assert "is not authorized to perform: elasticmapreduce:RunJobFlow" in failure(clusters, "denied")


def test_the_clusters_roles_must_be_passable(client: Client, clusters: Catalog) -> None:
    allow_launch(client("iam"), "elasticmapreduce:RunJobFlow")
    description = failure(clusters, "denied")
    assert "iam:PassRole" in description
    assert description.split("on resource: ")[1].startswith(
        f"arn:aws:iam::{clusters.account_id}:role/EMR_DefaultRole"
    )


def test_a_condition_on_the_passed_service_holds(client: Client, clusters: Catalog) -> None:
    iam = client("iam")
    allow_launch(iam, "elasticmapreduce:RunJobFlow")
    statement = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": f"arn:aws:iam::{clusters.account_id}:role/EMR_*",
        "Condition": {"StringLike": {"iam:PassedToService": "elasticmapreduce.amazonaws.com*"}},
    }

    def allow_passing() -> None:
        iam.put_role_policy(
            RoleName="LaunchRole",
            PolicyName="pass",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    allow_passing()
    assert "EMR_EC2_DefaultRole" in failure(clusters, "to-emr-only")
    statement["Condition"] = {
        "StringEquals": {"iam:PassedToService": ["elasticmapreduce.amazonaws.com", "ec2.amazonaws.com"]}
    }
    allow_passing()
    assert "Parameters: [Name] must have values" in failure(clusters, "to-both")


def test_a_boundary_limits_the_role(client: Client, clusters: Catalog) -> None:
    iam = client("iam")
    allow_launch(iam, "elasticmapreduce:RunJobFlow", "iam:PassRole")
    document = {"Effect": "Allow", "NotAction": "elasticmapreduce:*", "Resource": "*"}
    boundary = iam.create_policy(
        PolicyName="NoClusters",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]}),
    )["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="LaunchRole", PermissionsBoundary=boundary)
    assert "elasticmapreduce:RunJobFlow" in failure(clusters, "bounded")


def test_the_references_policies_allow_launching_but_not_terminating(
    client: Client, catalog: Catalog, clusters: Catalog
) -> None:
    iam, servicecatalog = client("iam"), clusters.servicecatalog
    first = servicecatalog.list_provisioning_artifacts(ProductId=clusters.product_id)
    bucket_artifact = first["ProvisioningArtifactDetails"][0]["Id"]
    iam.delete_role_policy(RoleName="LaunchRole", PolicyName="launch")
    for policy in ("AmazonElasticMapReduceFullAccess", "AWSCloudFormationReadOnlyAccess"):
        iam.attach_role_policy(RoleName="LaunchRole", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    assert "Parameters: [Name] must have values" in failure(clusters, "launched")
    clusters.artifact_id = bucket_artifact
    record, _ = clusters.ended(clusters.provision("bucket", Purpose="logs")["RecordId"])
    assert record["Status"] == "SUCCEEDED"
    end = servicecatalog.terminate_provisioned_product(ProvisionedProductName="bucket", TerminateToken="end")
    record, _ = clusters.ended(end["RecordDetail"]["RecordId"])
    assert "cloudformation:DeleteStack" in record["RecordErrors"][0]["Description"]
