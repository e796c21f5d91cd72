"""The plan of a whole platform, on the embedded AWS."""

from __future__ import annotations

import shutil

import pytest

from sagemaker_emr import staging
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.operators.cloud_formation import CloudFormationDeployStackOperator
from sagemaker_emr.operators.platform import PlatformPlanOperator
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.test_platform_form import FORM

pytestmark = pytest.mark.local_aws

TAGS = {"sagemaker-emr:environment": "dev"}


@pytest.fixture
def plan(local_aws, context):
    def run(**changes):
        made = PlatformPlanOperator(task_id="plan", environment="dev", aws_conn_id=None)
        return made.execute({**context, "params": {**FORM, **changes}})

    return run


@pytest.fixture
def deploy(local_aws, run_task):
    def run(stack, **parameters):
        return run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=f"sagemaker-emr-dev-{stack}",
                template=f"cfn/{stack}.yaml",
                parameters={"Environment": "dev", **parameters},
                tags=TAGS,
                deferrable=False,
                aws_conn_id=None,
            )
        )

    return run


def test_a_new_platform_is_four_new_stacks(plan):
    planned = plan(user_profiles=["grace", "ada"])
    assert planned["changes"] == [f"{s}: a new stack" for s in ("storage", "network", "studio", "catalog")]
    assert (planned["losses"], planned["unchanged"]) == ([], False)
    assert (planned["profiles"], planned["removed_profiles"]) == (["ada", "grace"], [])


def test_a_plan_that_loses_a_bucket_says_so_and_changes_nothing(
    plan, deploy, tmp_path, monkeypatch, local_aws
):
    deploy("storage")
    assert [line for line in plan()["changes"] if line.startswith("storage")] == []
    shutil.copytree(staging.INCLUDE, tmp_path / "include")
    template = tmp_path / "include" / "cfn" / "storage.yaml"
    template.write_text(template.read_text().replace("RawBucket", "RenamedBucket"))
    monkeypatch.setattr(staging, "INCLUDE", tmp_path / "include")
    planned = plan()
    assert planned["losses"] == ["storage: Remove RawBucket (AWS::S3::Bucket)"]
    stack = local_aws("cloudformation").describe_stacks(StackName="sagemaker-emr-dev-storage")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    sets = local_aws("cloudformation").list_change_sets(StackName=stack["StackId"])["Summaries"]
    assert [each["ExecutionStatus"] for each in sets] == ["EXECUTE_COMPLETE"]


def test_what_the_form_leaves_out_stays_as_it_is(deploy, local_aws):
    deploy("network", VpcCidr="10.9.0.0/16", PublicSubnetCidr="10.9.0.0/24", PrivateSubnetCidr="10.9.16.0/20")
    before = deploy("network")
    assert local_aws("ec2").describe_vpcs(VpcIds=[before["VpcId"]])["Vpcs"][0]["CidrBlock"] == "10.9.0.0/16"


def test_a_domain_that_is_not_ours_is_refused_with_its_network_mode(plan, local_aws):
    ec2 = local_aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
        '"Principal":{"Service":"sagemaker.amazonaws.com"}}]}'
    )
    role = local_aws("iam").create_role(RoleName="studio", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    local_aws("sagemaker").create_domain(
        DomainName="sagemaker-emr-dev",
        AuthMode="IAM",
        AppNetworkAccessType="PublicInternetOnly",
        VpcId=vpc,
        SubnetIds=[subnet],
        DefaultUserSettings={"ExecutionRole": role},
    )
    with pytest.raises(InvalidInput, match="PublicInternetOnly: it can't be joined to EMR"):
        plan()


@pytest.fixture
def existing_vpc(local_aws):
    ec2 = local_aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    return {"vpc_id": vpc, "private_subnet_id": subnet}


def test_an_existing_private_subnet_is_taken(plan, existing_vpc):
    assert plan(**existing_vpc)["losses"] == []


def test_a_public_subnet_is_refused(plan, existing_vpc, local_aws):
    ec2 = local_aws("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=existing_vpc["vpc_id"])
    own = [{"Name": "vpc-id", "Values": [existing_vpc["vpc_id"]]}]
    table = ec2.describe_route_tables(Filters=own)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    with pytest.raises(InvalidInput, match=f"internet gateway {gateway}"):
        plan(**existing_vpc)


def test_a_vpc_without_dns_hostnames_is_refused(plan, existing_vpc, local_aws):
    local_aws("ec2").modify_vpc_attribute(VpcId=existing_vpc["vpc_id"], EnableDnsHostnames={"Value": False})
    with pytest.raises(InvalidInput, match="enableDnsHostnames is off"):
        plan(**existing_vpc)


def test_a_subnet_of_another_vpc_is_refused(plan, existing_vpc):
    with pytest.raises(InvalidInput, match="it does not exist"):
        plan(**{**existing_vpc, "private_subnet_id": "subnet-0123456789abcdef0"})


ADAS_ROLE = "arn:aws:iam::123456789012:role/ada"


@pytest.mark.parametrize(
    ("portfolio_id", "entries", "same"),
    [
        ("port-1", [f"ada={ADAS_ROLE}"], True),
        ("port-1", ["ada"], False),
        ("port-1", [f"ada={ADAS_ROLE}", "grace"], False),
        ("port-1", [], False),
        ("", ["ada"], True),
        ("", [f"ada={ADAS_ROLE}"], False),
    ],
)
def test_the_plan_tells_whether_the_profiles_are_as_asked(aws, portfolio_id, entries, same):
    when = "2026-01-01T00:00:00Z"
    stack = {
        "StackName": "sagemaker-emr-dev-profile-ada",
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": when,
        "Parameters": [
            {"ParameterKey": "ExecutionRoleArn", "ParameterValue": ADAS_ROLE},
            {"ParameterKey": "PortfolioId", "ParameterValue": portfolio_id},
        ],
        "Tags": [{"Key": "sagemaker-emr:environment", "Value": "dev"}],
    }

    def described(request):
        if request["StackName"] != stack["StackName"]:
            return aws_error("ValidationError", f"Stack {request['StackName']} does not exist")
        return {"Stacks": [stack]}

    listed = {name: stack[name] for name in ("StackName", "StackStatus", "CreationTime")}
    aws.on("ListStacks", {"StackSummaries": [listed]}).on("DescribeStacks", described)
    operator = PlatformPlanOperator(task_id="plan", environment="dev", aws_conn_id=None)
    assert operator._profiles(entries)[2] is same
