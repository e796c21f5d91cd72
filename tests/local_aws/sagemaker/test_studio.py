"""Studio: domains, user profiles, spaces and apps, through boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws

Client = Callable[..., Any]
POLL_SECONDS = 0.1
DEADLINE_SECONDS = 60


@dataclass
class Network:
    """A VPC with a subnet, a security group, and an execution role."""

    vpc_id: str
    subnet_id: str
    group_id: str
    role_arn: str

    def domain(self, name: str = "studio", **changes: Any) -> dict[str, Any]:
        """The arguments of CreateDomain."""
        return {
            "DomainName": name,
            "AuthMode": "IAM",
            "AppNetworkAccessType": "VpcOnly",
            "VpcId": self.vpc_id,
            "SubnetIds": [self.subnet_id],
            "DefaultUserSettings": {
                "ExecutionRole": self.role_arn,
                "SecurityGroups": [self.group_id],
            },
            **changes,
        }


@pytest.fixture
def network(client: Client) -> Network:
    ec2, iam = client("ec2"), client("iam")
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group_id = ec2.create_security_group(GroupName="studio", Description="Studio", VpcId=vpc_id)["GroupId"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName="StudioExecution", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    return Network(vpc_id, subnet_id, group_id, role["Arn"])


@pytest.fixture
def domain_id(client: Client, network: Network) -> str:
    """A domain InService."""
    sagemaker = client("sagemaker")
    made = sagemaker.create_domain(**network.domain())["DomainId"]
    wait_for(lambda: sagemaker.describe_domain(DomainId=made)["Status"], "InService")
    return str(made)


@pytest.fixture
def profile(client: Client, domain_id: str) -> dict[str, str]:
    """The key of a user profile InService."""
    sagemaker = client("sagemaker")
    key = {"DomainId": domain_id, "UserProfileName": "ana"}
    sagemaker.create_user_profile(**key)
    wait_for(lambda: sagemaker.describe_user_profile(**key)["Status"], "InService")
    return key


@pytest.fixture
def space(client: Client, profile: dict[str, str]) -> dict[str, str]:
    """The key of a private space InService."""
    sagemaker = client("sagemaker")
    key = {"DomainId": profile["DomainId"], "SpaceName": "ana-lab"}
    sagemaker.create_space(
        **key,
        SpaceSettings={"AppType": "JupyterLab"},
        OwnershipSettings={"OwnerUserProfileName": "ana"},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    wait_for(lambda: sagemaker.describe_space(**key)["Status"], "InService")
    return key


def wait_for(status: Callable[[], str], wanted: str) -> list[str]:
    """Poll until a state; the states on the way."""
    states: list[str] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        states.append(status())
        if states[-1] == wanted:
            return states
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"Not {wanted}: {states}")


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """The code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def status_or_gone(describe: Callable[..., Any], **key: str) -> str:
    """The state, or GONE."""
    try:
        return str(describe(**key)["Status"])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFound"  # noqa: PT017
        return "GONE"


def test_create_domain_takes_its_time(client: Client, network: Network, unhurried: None) -> None:
    sagemaker = client("sagemaker")
    made = sagemaker.create_domain(**network.domain(Tags=[{"Key": "environment", "Value": "test"}]))
    states = wait_for(lambda: sagemaker.describe_domain(DomainId=made["DomainId"])["Status"], "InService")
    assert states[0] == "Pending"
    described = sagemaker.describe_domain(DomainId=made["DomainId"])
    assert described["AppNetworkAccessType"] == "VpcOnly"
    assert described["SubnetIds"] == [network.subnet_id]
    assert described["DefaultUserSettings"]["ExecutionRole"] == network.role_arn
    listed = sagemaker.list_domains()["Domains"]
    assert [domain["DomainId"] for domain in listed] == [made["DomainId"]]
    tags = sagemaker.list_tags(ResourceArn=made["DomainArn"])["Tags"]
    assert tags == [{"Key": "environment", "Value": "test"}]


def test_create_domain_makes_a_file_system_and_nfs_groups(
    client: Client, network: Network, domain_id: str
) -> None:
    file_system_id = client("sagemaker").describe_domain(DomainId=domain_id)["HomeEfsFileSystemId"]
    efs = client("efs")
    tags = efs.describe_file_systems(FileSystemId=file_system_id)["FileSystems"][0]["Tags"]
    assert tags[0]["Key"] == "ManagedByAmazonSageMakerResource"
    assert tags[0]["Value"].endswith(f":domain/{domain_id}")
    targets = efs.describe_mount_targets(FileSystemId=file_system_id)["MountTargets"]
    assert [target["SubnetId"] for target in targets] == [network.subnet_id]
    groups = client("ec2").describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [network.vpc_id]},
            {"Name": "group-name", "Values": [f"security-group-for-*-nfs-{domain_id}"]},
        ]
    )["SecurityGroups"]
    by_name = {group["GroupName"]: group for group in groups}
    inbound = by_name[f"security-group-for-inbound-nfs-{domain_id}"]
    outbound = by_name[f"security-group-for-outbound-nfs-{domain_id}"]
    nfs = next(rule for rule in inbound["IpPermissions"] if rule["FromPort"] == 2049)
    assert nfs["UserIdGroupPairs"][0]["GroupId"] == outbound["GroupId"]
    assert inbound["IpPermissionsEgress"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"AuthMode": "SSO"}, "AuthMode"),
        ({"AppNetworkAccessType": "Vpc"}, "enum"),
        ({"SubnetIds": ["subnet-00000000000000000"]}, "subnet"),
        ({"DefaultUserSettings": {"ExecutionRole": "arn:aws:iam::123456789012:role/None"}}, "role"),
        ({"KmsKeyId": ""}, "kmsKeyId"),
        ({"HomeEfsFileSystemCreation": "Disabled"}, "HomeEfsFileSystemCreation"),
    ],
    ids=["sso", "network-mode", "subnet", "role", "short", "not-played"],
)
def test_create_domain_refuses(
    client: Client, network: Network, changes: dict[str, Any], message: str
) -> None:
    sagemaker = client("sagemaker")
    if "KmsKeyId" in changes:
        changes = {"KmsKeyId": "a" * 3000}
    code, told = error_of(sagemaker.create_domain, **network.domain(**changes))
    assert code == "ValidationException"
    assert message.lower() in told.lower()
    assert sagemaker.list_domains()["Domains"] == []


def test_vpc_only_needs_security_groups(client: Client, network: Network) -> None:
    settings = {"ExecutionRole": network.role_arn}
    code, message = error_of(
        client("sagemaker").create_domain, **network.domain(DefaultUserSettings=settings)
    )
    assert (code, "SecurityGroups" in message) == ("ValidationException", True)


def test_a_domains_name_is_used_once(client: Client, network: Network, domain_id: str) -> None:
    assert error_of(client("sagemaker").create_domain, **network.domain())[0] == "ResourceInUse"


def test_update_domain(client: Client, network: Network, domain_id: str, unhurried: None) -> None:
    sagemaker = client("sagemaker")
    settings = {"ExecutionRole": network.role_arn, "SecurityGroups": [network.group_id]}
    sagemaker.update_domain(
        DomainId=domain_id, DefaultUserSettings={**settings, "StudioWebPortal": "DISABLED"}
    )
    states = wait_for(lambda: sagemaker.describe_domain(DomainId=domain_id)["Status"], "InService")
    assert states[0] == "Updating"
    described = sagemaker.describe_domain(DomainId=domain_id)
    assert described["DefaultUserSettings"]["StudioWebPortal"] == "DISABLED"
    assert error_of(sagemaker.update_domain, DomainId="d-nothinghere0")[0] == "ResourceNotFound"


@pytest.mark.parametrize(("retention", "left"), [(None, 1), ("Retain", 1), ("Delete", 0)])
def test_delete_domain_leaves_the_nfs_groups(
    client: Client, network: Network, domain_id: str, retention: str | None, left: int, unhurried: None
) -> None:
    sagemaker = client("sagemaker")
    more = {"RetentionPolicy": {"HomeEfsFileSystem": retention}} if retention else {}
    sagemaker.delete_domain(DomainId=domain_id, **more)
    states = wait_for(lambda: status_or_gone(sagemaker.describe_domain, DomainId=domain_id), "GONE")
    assert states[0] == "Deleting"
    assert len(client("efs").describe_file_systems()["FileSystems"]) == left
    names = [
        group["GroupName"]
        for group in client("ec2").describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}]
        )["SecurityGroups"]
    ]
    assert f"security-group-for-inbound-nfs-{domain_id}" in names


def test_create_user_profile(client: Client, network: Network, domain_id: str, unhurried: None) -> None:
    sagemaker = client("sagemaker")
    key = {"DomainId": domain_id, "UserProfileName": "bob"}
    arn = sagemaker.create_user_profile(
        **key,
        UserSettings={"ExecutionRole": network.role_arn},
        Tags=[{"Key": "team", "Value": "data"}],
    )["UserProfileArn"]
    assert arn.endswith(f":user-profile/{domain_id}/bob")
    states = wait_for(lambda: sagemaker.describe_user_profile(**key)["Status"], "InService")
    assert states[0] == "Pending"
    described = sagemaker.describe_user_profile(**key)
    assert described["UserSettings"] == {"ExecutionRole": network.role_arn}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "data"}]
    assert error_of(sagemaker.create_user_profile, **key)[0] == "ResourceInUse"
    assert error_of(sagemaker.create_user_profile, **{**key, "DomainId": "d-nothinghere0"})[0] == (
        "ResourceNotFound"
    )


def test_a_user_profile_needs_the_domain_in_service(
    client: Client, network: Network, unhurried: None
) -> None:
    sagemaker = client("sagemaker")
    made = sagemaker.create_domain(**network.domain())["DomainId"]
    code, message = error_of(sagemaker.create_user_profile, DomainId=made, UserProfileName="early")
    assert (code, "Pending" in message) == ("ResourceInUse", True)


def test_list_user_profiles(client: Client, profile: dict[str, str]) -> None:
    sagemaker = client("sagemaker")
    sagemaker.create_user_profile(DomainId=profile["DomainId"], UserProfileName="bob")
    listed = sagemaker.list_user_profiles(DomainIdEquals=profile["DomainId"])["UserProfiles"]
    assert [found["UserProfileName"] for found in listed] == ["ana", "bob"]
    page = sagemaker.list_user_profiles(MaxResults=1)
    rest = sagemaker.list_user_profiles(MaxResults=1, NextToken=page["NextToken"])["UserProfiles"]
    assert [found["UserProfileName"] for found in rest] == ["bob"]
    named = sagemaker.list_user_profiles(UserProfileNameContains="an")["UserProfiles"]
    assert [found["UserProfileName"] for found in named] == ["ana"]


def test_update_user_profile(
    client: Client, network: Network, profile: dict[str, str], unhurried: None
) -> None:
    sagemaker = client("sagemaker")
    sagemaker.update_user_profile(**profile, UserSettings={"SecurityGroups": [network.group_id]})
    states = wait_for(lambda: sagemaker.describe_user_profile(**profile)["Status"], "InService")
    assert states[0] == "Updating"
    described = sagemaker.describe_user_profile(**profile)
    assert described["UserSettings"]["SecurityGroups"] == [network.group_id]
    code, _ = error_of(
        sagemaker.update_user_profile, **profile, UserSettings={"SecurityGroups": ["sg-00000000000000000"]}
    )
    assert code == "ValidationException"


def test_deletion_goes_from_the_inside_out(client: Client, space: dict[str, str], unhurried: None) -> None:
    sagemaker, domain_id = client("sagemaker"), space["DomainId"]
    profile = {"DomainId": domain_id, "UserProfileName": "ana"}
    app = {**space, "AppType": "JupyterLab", "AppName": "default"}
    sagemaker.create_app(**app)
    code, message = error_of(sagemaker.delete_domain, DomainId=domain_id)
    assert (code, "UserProfile(s) are associated" in message) == ("ResourceInUse", True)
    code, message = error_of(sagemaker.delete_user_profile, **profile)
    assert (code, "Space(s) are associated" in message) == ("ResourceInUse", True)
    code, message = error_of(sagemaker.delete_space, **space)
    assert (code, "App(s) are associated" in message) == ("ResourceInUse", True)

    sagemaker.delete_app(**app)
    wait_for(lambda: sagemaker.describe_app(**app)["Status"], "Deleted")
    sagemaker.delete_space(**space)
    wait_for(lambda: status_or_gone(sagemaker.describe_space, **space), "GONE")
    sagemaker.delete_user_profile(**profile)
    states = wait_for(lambda: status_or_gone(sagemaker.describe_user_profile, **profile), "GONE")
    assert states[0] == "Deleting"
    sagemaker.delete_domain(DomainId=domain_id)


def test_spaces(client: Client, space: dict[str, str]) -> None:
    sagemaker = client("sagemaker")
    described = sagemaker.describe_space(**space)
    assert described["OwnershipSettings"] == {"OwnerUserProfileName": "ana"}
    listed = sagemaker.list_spaces(DomainIdEquals=space["DomainId"])["Spaces"]
    assert [found["SpaceSettingsSummary"]["AppType"] for found in listed] == ["JupyterLab"]
    assert error_of(sagemaker.create_space, **space)[0] == "ResourceInUse"
    missing = {**space, "SpaceName": "none"}
    assert error_of(sagemaker.describe_space, **missing)[0] == "ResourceNotFound"
    code, _ = error_of(
        sagemaker.create_space,
        **missing,
        OwnershipSettings={"OwnerUserProfileName": "nobody"},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    assert code == "ResourceNotFound"


def test_an_app_has_an_interface_while_it_lives(
    client: Client, network: Network, space: dict[str, str], unhurried: None
) -> None:
    sagemaker, ec2 = client("sagemaker"), client("ec2")
    app = {**space, "AppType": "JupyterLab", "AppName": "default"}
    told = f"*ENI managed by SageMaker for Studio Domain ({space['DomainId']})*"

    def interfaces() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ec2.describe_network_interfaces(
            Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}]
        )["NetworkInterfaces"]
        return [interface for interface in found if told.strip("*") in interface["Description"]]

    assert interfaces() == []
    sagemaker.create_app(**app, ResourceSpec={"InstanceType": "ml.t3.medium"})
    assert wait_for(lambda: sagemaker.describe_app(**app)["Status"], "InService")[0] == "Pending"
    groups = [group["GroupId"] for group in interfaces()[0]["Groups"]]
    assert network.group_id in groups
    assert error_of(sagemaker.create_app, **app)[0] == "ResourceInUse"

    sagemaker.delete_app(**app)
    assert wait_for(lambda: sagemaker.describe_app(**app)["Status"], "Deleted")[0] == "Deleting"
    assert interfaces() == []
    listed = sagemaker.list_apps(DomainIdEquals=space["DomainId"], SpaceNameEquals=space["SpaceName"])
    assert [found["Status"] for found in listed["Apps"]] == ["Deleted"]
    assert error_of(sagemaker.delete_app, **app)[0] == "ResourceNotFound"


def test_apps_belong_where_they_can_run(
    client: Client, profile: dict[str, str], space: dict[str, str]
) -> None:
    sagemaker = client("sagemaker")
    classic = {**profile, "AppType": "JupyterServer", "AppName": "default"}
    sagemaker.create_app(**classic)
    assert sagemaker.describe_app(**classic)["UserProfileName"] == "ana"
    code, _ = error_of(sagemaker.create_app, **profile, AppType="JupyterLab", AppName="default")
    assert code == "ValidationException"
    code, _ = error_of(
        sagemaker.create_app, **profile, SpaceName="ana-lab", AppType="JupyterLab", AppName="x"
    )
    assert code == "ValidationException"
    code, _ = error_of(sagemaker.describe_app, **{**classic, "AppName": "none"})
    assert code == "ResourceNotFound"


def test_create_presigned_domain_url(client: Client, profile: dict[str, str]) -> None:
    sagemaker = client("sagemaker")
    url = sagemaker.create_presigned_domain_url(**profile)["AuthorizedUrl"]
    again = sagemaker.create_presigned_domain_url(**profile, ExpiresInSeconds=5)["AuthorizedUrl"]
    assert profile["DomainId"] in url
    assert "auth?token=" in url
    assert url != again
    nobody = {**profile, "UserProfileName": "nobody"}
    assert error_of(sagemaker.create_presigned_domain_url, **nobody)[0] == "ResourceNotFound"
    code, _ = error_of(sagemaker.create_presigned_domain_url, **profile, ExpiresInSeconds=4000)
    assert code == "ValidationException"


def test_a_presigned_url_lets_its_profile_in_until_it_expires(
    client: Client, profile: dict[str, str]
) -> None:
    sagemaker = client("sagemaker")
    url = sagemaker.create_presigned_domain_url(**profile)["AuthorizedUrl"]
    page = requests.get(url, timeout=5)
    assert page.status_code == 200
    assert profile["DomainId"] in page.text
    assert profile["UserProfileName"] in page.text
    for elsewhere in (url[:-1], url.replace(profile["DomainId"], "d-another")):
        assert requests.get(elsewhere, timeout=5).status_code == 403
    short = sagemaker.create_presigned_domain_url(**profile, ExpiresInSeconds=5)["AuthorizedUrl"]
    time.sleep(5)
    assert requests.get(short, timeout=5).status_code == 403


def test_the_service_catalog_portfolio_is_a_switch(client: Client) -> None:
    sagemaker = client("sagemaker")
    status = sagemaker.get_sagemaker_servicecatalog_portfolio_status
    assert status()["Status"] == "Disabled"
    sagemaker.enable_sagemaker_servicecatalog_portfolio()
    assert status()["Status"] == "Enabled"
    sagemaker.disable_sagemaker_servicecatalog_portfolio()
    assert status()["Status"] == "Disabled"
