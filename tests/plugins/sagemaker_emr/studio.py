"""A Studio domain in the embedded AWS, with whom and what lives in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 30
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def make_domain(client: Callable[[str], Any], *profiles: str) -> str:
    """A domain and its profiles, all InService; the domain's id."""
    ec2, sagemaker = client("ec2"), client("sagemaker")
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group_id = ec2.create_security_group(GroupName="studio", Description="Studio", VpcId=vpc_id)["GroupId"]
    role = client("iam").create_role(RoleName="Studio", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    domain_id = sagemaker.create_domain(
        DomainName="studio",
        AuthMode="IAM",
        AppNetworkAccessType="VpcOnly",
        VpcId=vpc_id,
        SubnetIds=[subnet_id],
        DefaultUserSettings={"ExecutionRole": role["Arn"], "SecurityGroups": [group_id]},
    )["DomainId"]
    in_service(lambda: sagemaker.describe_domain(DomainId=domain_id))
    for name in profiles:
        key = {"DomainId": domain_id, "UserProfileName": name}
        sagemaker.create_user_profile(**key)
        in_service(lambda key=key: sagemaker.describe_user_profile(**key))
    return str(domain_id)


def add_space(sagemaker: Any, domain_id: str, owner: str, name: str) -> None:
    """A private JupyterLab space with its app, Pending."""
    key = {"DomainId": domain_id, "SpaceName": name}
    sagemaker.create_space(
        **key,
        OwnershipSettings={"OwnerUserProfileName": owner},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    in_service(lambda: sagemaker.describe_space(**key))
    sagemaker.create_app(**key, AppType="JupyterLab", AppName="default")


def add_classic_apps(sagemaker: Any, domain_id: str, owner: str) -> None:
    """What Studio Classic starts for a user profile."""
    for kind, name in (("JupyterServer", "default"), ("KernelGateway", "datascience")):
        sagemaker.create_app(DomainId=domain_id, UserProfileName=owner, AppType=kind, AppName=name)


def in_service(describe: Callable[[], dict[str, Any]]) -> None:
    """Wait for InService."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (status := describe()["Status"]) != "InService":
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
