"""The plan of a whole platform, on the embedded AWS."""

from __future__ import annotations

import shutil

import pytest
from botocore.client import BaseClient

from sagemaker_emr import staging
from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
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


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (
            {
                "vpc_cidr": "10.9.0.0/16",
                "public_subnet_cidr": "10.9.0.0/24",
                "private_subnet_cidr": "10.9.16.0/20",
            },
            "can't move to another VPC",
        ),
        ({"private_subnet_cidr": "10.42.32.0/20"}, "can't get another private subnet"),
        ("existing", "can't move to another VPC"),
    ],
)
def test_a_domain_stays_where_it_is_and_nothing_is_touched(
    plan, deploy, existing_vpc, local_aws, form, reason
):
    network = deploy("network")
    needs = {name: network[name] for name in ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")}
    deploy("studio", **needs, **dict.fromkeys(("RawBucket", "FeaturesBucket", "ArtifactsBucket"), "data"))
    with pytest.raises(InvalidInput, match=reason) as refused:
        plan(**(existing_vpc if form == "existing" else form))
    assert "Nothing was changed" in str(refused.value)
    cloudformation = local_aws("cloudformation")
    assert {s["StackStatus"] for s in cloudformation.describe_stacks()["Stacks"]} == {"CREATE_COMPLETE"}
    subnets = local_aws("ec2").describe_subnets(SubnetIds=[network["PrivateSubnetId"]])["Subnets"]
    assert subnets[0]["CidrBlock"] == "10.42.16.0/20"


def test_an_environment_without_a_domain_may_still_move(plan, deploy):
    deploy("network")
    planned = plan(private_subnet_cidr="10.42.32.0/20")
    assert "network: Replace PrivateSubnet (AWS::EC2::Subnet)" in planned["changes"]


def test_a_public_subnet_is_refused_also_when_it_takes_the_place_of_a_private_one(
    plan, existing_vpc, deploy, local_aws
):
    deploy("network", VpcId=existing_vpc["vpc_id"], PrivateSubnetId=existing_vpc["private_subnet_id"])
    ec2, vpc = local_aws("ec2"), existing_vpc["vpc_id"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    public = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.2.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    assert plan(**existing_vpc)["losses"] == []
    with pytest.raises(InvalidInput, match="is a public one"):
        plan(**{**existing_vpc, "private_subnet_id": public})


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("AWS_DEFAULT_REGION", "must specify a region"),
        ("AWS_SECRET_ACCESS_KEY", "Partial credentials"),
        ("AWS_ACCESS_KEY_ID", "locate credentials"),
    ],
)
def test_a_connection_that_does_not_suffice_is_named_with_what_it_lacks(
    context, monkeypatch, missing, reason
):
    monkeypatch.delenv(missing)
    for variable, value in (
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(variable, value)
    operator = PlatformPlanOperator(task_id="plan", environment="dev", aws_conn_id=None)
    with pytest.raises(InvalidInput, match=reason):
        operator.execute({**context, "params": FORM})


@pytest.mark.parametrize("code", ["AccessDenied", "UnrecognizedClientException"])
def test_a_refusal_says_which_call_and_which_role_suffices(aws, context, code):
    aws.on("DescribeStacks", aws_error(code, "User: ana is not authorized"))
    operator = PlatformPlanOperator(task_id="plan", environment="dev", aws_conn_id=None)
    with pytest.raises(PlatformNotReady, match="ana is not authorized") as refused:
        operator.execute({**context, "params": FORM})
    assert "airflow_roles.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "operation",
    ["DescribeStacks", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStackEvents"],
)
def test_a_stack_that_was_denied_a_call_deploys_when_it_is_allowed(deploy, local_aws, monkeypatch, operation):
    allowed = BaseClient._make_api_call

    def denied(client, operation_name, api_params):
        if operation_name == operation:
            raise aws_error("AccessDenied", f"not authorized to perform {operation}")
        return allowed(client, operation_name, api_params)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", denied)
        with pytest.raises(Exception, match=f"not authorized to perform {operation}"):
            deploy("storage")
    assert set(deploy("storage")) == {"RawBucket", "FeaturesBucket", "ArtifactsBucket"}
    stacks = local_aws("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackStatus"] for stack in stacks] == ["CREATE_COMPLETE"]


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
