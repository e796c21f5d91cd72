"""What is in an account, by boto3: to compare two ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Client = Callable[[str], Any]

MADE_UP = re.compile(r"\bd-[a-z0-9]{12}\b|(?<=/)[0-9a-f]{64}(?=/)|(?<=\")[0-9a-f]{12}(?=\")")
"""A domain's id, and digests of content that holds a bucket's generated name."""


def snapshot(client: Client) -> dict[str, Any]:
    """Everything the platform makes, ids replaced by what they stand for."""
    text = json.dumps({"stacks": _stacks(client), "resources": inventory(client)}, default=str)
    shown: dict[str, Any] = json.loads(MADE_UP.sub("<made up>", text))
    return shown


def _stacks(client: Client) -> dict[str, Any]:
    cloudformation = client("cloudformation")
    found = cloudformation.get_paginator("describe_stacks").paginate().build_full_result()["Stacks"]
    resources = {
        stack["StackName"]: cloudformation.get_paginator("list_stack_resources")
        .paginate(StackName=stack["StackId"])
        .build_full_result()["StackResourceSummaries"]
        for stack in found
    }
    names: dict[str, str] = {}
    for resource in (one for summaries in resources.values() for one in summaries):
        if resource.get("PhysicalResourceId"):
            names.setdefault(resource["PhysicalResourceId"], f"<{resource['LogicalResourceId']}>")
    return {
        stack["StackName"]: {
            "status": stack["StackStatus"],
            "template": cloudformation.get_template(StackName=stack["StackId"])["TemplateBody"],
            "parameters": _named(stack.get("Parameters", []), "Parameter", names),
            "outputs": _named(stack.get("Outputs", []), "Output", names),
            "tags": sorted((tag["Key"], tag["Value"]) for tag in stack["Tags"]),
            "resources": sorted(
                (one["LogicalResourceId"], one["ResourceType"], one["ResourceStatus"])
                for one in resources[stack["StackName"]]
            ),
            "change sets left": [
                summary["ChangeSetName"]
                for summary in cloudformation.list_change_sets(StackName=stack["StackId"])["Summaries"]
                if summary["ExecutionStatus"] != "EXECUTE_COMPLETE"
            ],
        }
        for stack in found
    }


def _named(pairs: list[dict[str, str]], kind: str, names: dict[str, str]) -> dict[str, str]:
    """Values by key; what a stack made goes by its logical id, the longest first."""
    shown = {}
    for pair in pairs:
        value = pair[f"{kind}Value"]
        for physical in sorted(names, key=len, reverse=True):
            value = value.replace(physical, names[physical])
        shown[pair[f"{kind}Key"]] = value
    return shown


def inventory(client: Client) -> dict[str, list[Any]]:
    """What there is of each kind, by name where it has one that is the same each time, else counted."""
    return {**_network(client), **_storage(client), **_studio(client), **_catalog(client), **_iam(client)}


def _network(client: Client) -> dict[str, list[Any]]:
    ec2 = client("ec2")
    ours = [{"Name": "is-default", "Values": ["false"]}]
    vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=ours)["Vpcs"]]
    within = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
    groups = ec2.describe_security_groups(Filters=within)["SecurityGroups"]
    nats = ec2.describe_nat_gateways()["NatGateways"]
    return {
        "vpcs": [len(vpcs)],
        "subnets": sorted(one["CidrBlock"] for one in ec2.describe_subnets(Filters=within)["Subnets"]),
        "groups": sorted(
            (one["Description"], len(one["IpPermissions"]), len(one["IpPermissionsEgress"])) for one in groups
        ),
        "route tables": sorted(
            len(one["Routes"]) for one in ec2.describe_route_tables(Filters=within)["RouteTables"]
        ),
        "endpoints": sorted(one["ServiceName"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]),
        "addresses": [len(ec2.describe_addresses()["Addresses"])],
        "nat gateways": [len([one for one in nats if one["State"] != "deleted"])],
        "internet gateways": [len(ec2.describe_internet_gateways()["InternetGateways"])],
        "interfaces": sorted(
            one["InterfaceType"]
            for one in ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]
        ),
    }


def _storage(client: Client) -> dict[str, list[Any]]:
    s3, efs = client("s3"), client("efs")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    systems = efs.describe_file_systems()["FileSystems"]
    return {
        "buckets": sorted(name.rsplit("-", 1)[0] for name in buckets),
        "objects": sorted(
            found["Key"]
            for bucket in buckets
            for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        ),
        "file systems": [len(systems)],
        "mount targets": [system["NumberOfMountTargets"] for system in systems],
    }


def _studio(client: Client) -> dict[str, list[Any]]:
    sagemaker = client("sagemaker")
    return {
        "domains": sorted((one["DomainName"], one["Status"]) for one in sagemaker.list_domains()["Domains"]),
        "profiles": sorted(
            (one["UserProfileName"], one["Status"]) for one in sagemaker.list_user_profiles()["UserProfiles"]
        ),
        "spaces": sorted(one["SpaceName"] for one in sagemaker.list_spaces()["Spaces"]),
        "apps": sorted(one["AppName"] for one in sagemaker.list_apps()["Apps"] if one["Status"] != "Deleted"),
        "models": sorted(one["ModelName"] for one in sagemaker.list_models()["Models"]),
        "endpoint configurations": sorted(
            one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ),
        "endpoints": sorted(one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]),
        "studio's catalog": [sagemaker.get_sagemaker_servicecatalog_portfolio_status().get("Status")],
    }


def _catalog(client: Client) -> dict[str, list[Any]]:
    catalog = client("servicecatalog")
    products = [
        product["ProductViewSummary"] for product in catalog.search_products_as_admin()["ProductViewDetails"]
    ]
    portfolios = catalog.list_portfolios()["PortfolioDetails"]
    return {
        "portfolios": sorted(one["DisplayName"] for one in portfolios),
        "principals": sorted(
            one["PrincipalARN"].rsplit("-", 1)[0]
            for portfolio in portfolios
            for one in catalog.list_principals_for_portfolio(PortfolioId=portfolio["Id"])["Principals"]
        ),
        "constraints": sorted(
            one["Type"]
            for portfolio in portfolios
            for one in catalog.list_constraints_for_portfolio(PortfolioId=portfolio["Id"])[
                "ConstraintDetails"
            ]
        ),
        "products": sorted(
            (
                product["Name"],
                tuple(
                    artifact["Name"]
                    for artifact in catalog.list_provisioning_artifacts(ProductId=product["ProductId"])[
                        "ProvisioningArtifactDetails"
                    ]
                ),
            )
            for product in products
        ),
        "provisioned": sorted(
            one["Name"]
            for one in catalog.search_provisioned_products(
                AccessLevelFilter={"Key": "Account", "Value": "self"}
            )["ProvisionedProducts"]
        ),
    }


def _iam(client: Client) -> dict[str, list[Any]]:
    iam = client("iam")
    roles = iam.list_roles()["Roles"]
    return {
        "roles": sorted(
            (
                role["RoleName"].rsplit("-", 1)[0],
                tuple(sorted(iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"])),
            )
            for role in roles
        ),
        "instance profiles": sorted(
            one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]
        ),
    }
