"""R21: the whole environment from one template, without Airflow, in every partition."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.include.cfn.conftest import outputs

pytestmark = pytest.mark.local_aws

PARTITIONS = {"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}


def root(deployment, **values):
    return {
        "TemplatesUrl": deployment.url,
        "TemplatesBucket": "templates",
        "PrivateLinkPrefix": "cn.com.amazonaws" if deployment.region.startswith("cn-") else "com.amazonaws",
        **values,
    }


def remove_what_the_domain_left(aws):
    efs, ec2 = aws.client("efs"), aws.client("ec2")
    for system in efs.describe_file_systems()["FileSystems"]:
        for target in efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]:
            efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    nfs = [{"Name": "group-name", "Values": ["security-group-for-*-nfs-*"]}]
    groups = ec2.describe_security_groups(Filters=nfs)["SecurityGroups"]
    for group in groups:
        for rules, revoke in (
            ("IpPermissions", ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", ec2.revoke_security_group_egress),
        ):
            if group[rules]:
                revoke(GroupId=group["GroupId"], IpPermissions=group[rules])
    for group in groups:
        ec2.delete_security_group(GroupId=group["GroupId"])


@pytest.mark.parametrize("region", PARTITIONS)
def test_one_template_creates_and_removes_the_whole_environment(deploy_in, region):
    aws = deploy_in(region)
    stack = aws.create(
        "platform",
        "platform",
        **root(aws, TrustedService="ecs-tasks.amazonaws.com", CreateInterfaceEndpoints="true"),
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", aws.failures("platform")
    made = outputs(stack)
    assert made["ChainRoleArn"].startswith(f"arn:{PARTITIONS[region]}:iam::")
    domain = aws.client("sagemaker").describe_domain(DomainId=made["DomainId"])
    assert domain["AppNetworkAccessType"] == "VpcOnly"
    profiles = aws.client("sagemaker").list_user_profiles(DomainIdEquals=made["DomainId"])["UserProfiles"]
    assert [profile["UserProfileName"] for profile in profiles] == ["data-scientist"]
    services = {e["ServiceName"] for e in aws.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]}
    assert len(services) == 10
    assert f"aws.sagemaker.{region}.studio" in services

    # A domain leaves its file system and two groups behind, which hold the VPC: docs/platform.md, by hand.
    assert aws.delete(stack["StackId"])["StackStatus"] == "DELETE_FAILED"
    remove_what_the_domain_left(aws)
    assert aws.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert aws.client("sagemaker").list_domains()["Domains"] == []


def test_an_existing_vpc_takes_the_place_of_a_new_one(deploy_in):
    aws = deploy_in("us-east-1")
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    before = len(ec2.describe_vpcs()["Vpcs"])
    stack = aws.create("platform", "platform", **root(aws, VpcId=vpc, PrivateSubnetId=subnet))
    assert stack["StackStatus"] == "CREATE_COMPLETE", aws.failures("platform")
    domain = aws.client("sagemaker").describe_domain(DomainId=outputs(stack)["DomainId"])
    assert (domain["VpcId"], domain["SubnetIds"]) == (vpc, [subnet])
    assert len(ec2.describe_vpcs()["Vpcs"]) == before
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    exports = {e["Name"]: e["Value"] for e in aws.cloudformation.list_exports()["Exports"]}
    assert exports["sagemaker-emr-dev-PrivateSubnetId"] == subnet


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"CreateNatGateway": "false", "CreateInterfaceEndpoints": "true"}, "give BootstrapWheelsUri"),
        (
            {"CreateNatGateway": "false", "BootstrapWheelsUri": "s3://templates/wheels"},
            "reach no AWS service but S3",
        ),
        ({"Environment": "Dev"}, "Environment"),
        ({"BootstrapWheelsUri": "https://example.com/wheels"}, "BootstrapWheelsUri"),
    ],
)
def test_what_can_not_work_is_refused_before_anything_is_made(deploy_in, values, reason):
    aws = deploy_in("us-east-1")
    with pytest.raises(ClientError, match=reason):
        aws.create("platform", "platform", **root(aws, **values))
    assert aws.cloudformation.describe_stacks()["Stacks"] == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"VpcId": "vpc-0123456789abcdef0"}, "VpcId and PrivateSubnetId together"),
        ({"CreateNatGateway": "false"}, "reach no AWS service but S3"),
        ({"VpcCidr": "10.0.0.0/8"}, "VpcCidr"),
        ({"PrivateSubnetCidr": "10.42.256.0/24"}, "PrivateSubnetCidr"),
    ],
)
def test_the_network_refuses_what_can_not_work(deploy_in, values, reason):
    aws = deploy_in("us-east-1")
    with pytest.raises(ClientError, match=reason):
        aws.create("network", "network", Environment="dev", **values)


def test_the_reference_permissions_are_the_articles_policies_and_what_they_lack(deploy_in):
    aws = deploy_in("cn-north-1")
    stack = aws.create("platform", "platform", **root(aws, Permissions="reference"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", aws.failures("platform")
    iam = aws.client("iam")
    attached = {
        policy["PolicyName"]
        for role in iam.list_roles()["Roles"]
        for policy in iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    }
    assert attached >= {
        "AmazonSageMakerFullAccess",
        "AmazonS3FullAccess",
        "AmazonElasticMapReduceFullAccess",
        "AWSCloudFormationReadOnlyAccess",
    }


def test_another_profile_touches_no_other(deploy_in):
    aws = deploy_in("us-east-1")
    made = outputs(aws.create("platform", "platform", **root(aws)))
    role = next(
        role["Arn"] for role in aws.client("iam").list_roles()["Roles"] if "ExecutionRole" in role["RoleName"]
    )
    second = aws.create(
        "second",
        "user_profile",
        Environment="dev",
        DomainId=made["DomainId"],
        UserProfileName="analyst",
        ExecutionRoleArn=role,
    )
    assert second["StackStatus"] == "CREATE_COMPLETE", aws.failures("second")
    aws.delete(second["StackId"])
    profiles = aws.client("sagemaker").list_user_profiles(DomainIdEquals=made["DomainId"])["UserProfiles"]
    assert [profile["UserProfileName"] for profile in profiles] == ["data-scientist"]
