"""One mutation for each check: what to break through the API, and what mends it again.

A mutation is a generator: it breaks, yields the resource that the report must name, and mends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STUDIO_TAG = {"Key": "sagemaker:studio-visibility:emr", "Value": "true"}
ANYWHERE = [{"CidrIp": "0.0.0.0/0"}]
ALL_OUT = [{"IpProtocol": "-1", "IpRanges": ANYWHERE}]
OTHERS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)

Mutation = Callable[[Any], Any]
MUTATIONS: dict[str, tuple[str, str, Mutation]] = {}
"""By name: the check that must complain, words of its fix, and the mutation."""
LASTING: dict[str, tuple[str, str, Mutation]] = {}
"""Those after which a stack's resource has another id than its stack knows: it stays drifted."""


def mutation(check: str, fix: str, *, of: dict[str, Any] = MUTATIONS) -> Any:
    def register(function: Callable[[Any], Iterator[str]]) -> Any:
        of[function.__name__] = (check, fix, contextmanager(function))
        return function

    return register


def check_mutation(p: Any, check: str, fix: str, broken: Mutation) -> None:
    """Break, report, mend: the report must name that resource, with its fix, and nothing else."""
    with broken(p) as resource:
        report = p.report()
    assert {one.check for one in report.to_mend} == {check}, [str(one) for one in report.to_mend]
    for finding in report.to_mend:
        assert resource in " ".join(finding.resources)
        assert fix in finding.fix
        assert finding.symptom
        assert finding.read


# -- Studio


def _update_domain(p, **changes):
    sagemaker, key = p.client("sagemaker"), {"DomainId": p.outputs["DomainId"]}
    sagemaker.update_domain(**key, **changes)
    p.until(lambda: sagemaker.describe_domain(**key), lambda found: found["Status"] == "InService")


@mutation("network_mode", "--app-network-access-type VpcOnly")
def public_internet(p):
    _update_domain(p, AppNetworkAccessType="PublicInternetOnly")
    yield p.outputs["DomainId"]
    _update_domain(p, AppNetworkAccessType="VpcOnly")


@mutation("same_subnet", "--subnet-ids")
def another_subnet(p):
    ec2, ours = p.client("ec2"), p.outputs["PrivateSubnetId"]
    zone = ec2.describe_subnets(SubnetIds=[ours])["Subnets"][0]["AvailabilityZone"]
    made = ec2.create_subnet(VpcId=p.outputs["VpcId"], CidrBlock="10.42.200.0/24", AvailabilityZone=zone)
    other = made["Subnet"]["SubnetId"]
    _update_domain(p, SubnetIds=[other])
    yield p.outputs["DomainId"]
    _update_domain(p, SubnetIds=[ours])
    ec2.delete_subnet(SubnetId=other)


@mutation("studio_security_group", "SecurityGroups")
def other_security_group(p):
    domain = p.client("sagemaker").describe_domain(DomainId=p.outputs["DomainId"])
    settings = domain["DefaultUserSettings"]

    def attach(name):
        _update_domain(p, DefaultUserSettings={**settings, "SecurityGroups": [p.outputs[name]]})

    attach("AirflowSecurityGroupId")
    yield p.outputs["DomainId"]
    attach("StudioSecurityGroupId")


@mutation("user_profiles", "deploy_platform")
def profile_deleted(p):
    sagemaker, name = p.client("sagemaker"), p.outputs["UserProfileName"]
    key = {"DomainId": p.outputs["DomainId"], "UserProfileName": name}
    settings = sagemaker.describe_user_profile(**key)["UserSettings"]
    profiles = sagemaker.get_paginator("list_user_profiles")

    def names():
        pages = profiles.paginate(DomainIdEquals=p.outputs["DomainId"])
        return {one["UserProfileName"]: one["Status"] for page in pages for one in page["UserProfiles"]}

    sagemaker.delete_user_profile(**key)
    p.until(names, lambda found: name not in found)
    yield name
    sagemaker.create_user_profile(**key, UserSettings=settings)
    p.until(names, lambda found: found.get(name) == "InService")


@mutation("file_system", "create-mount-target")
def mount_target_deleted(p):
    efs = p.client("efs")
    domain = p.client("sagemaker").describe_domain(DomainId=p.outputs["DomainId"])
    file_system = domain["HomeEfsFileSystemId"]
    target = efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"][0]
    groups = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])
    efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    yield file_system
    efs.create_mount_target(
        FileSystemId=file_system, SubnetId=target["SubnetId"], SecurityGroups=groups["SecurityGroups"]
    )


# -- network


@mutation("private_subnets", "no-map-public-ip-on-launch")
def public_addresses(p):
    ec2, subnet = p.client("ec2"), p.outputs["PrivateSubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    yield subnet
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


def _private_route(p):
    filters = [{"Name": "association.subnet-id", "Values": [p.outputs["PrivateSubnetId"]]}]
    table = p.client("ec2").describe_route_tables(Filters=filters)["RouteTables"][0]
    nat = next(one["NatGatewayId"] for one in table["Routes"] if "NatGatewayId" in one)
    return {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}, nat


@mutation("private_subnets", "replace-route")
def route_to_the_internet(p):
    ec2, (route, nat) = p.client("ec2"), _private_route(p)
    filters = [{"Name": "attachment.vpc-id", "Values": [p.outputs["VpcId"]]}]
    gateway = ec2.describe_internet_gateways(Filters=filters)["InternetGateways"][0]["InternetGatewayId"]
    ec2.replace_route(**route, GatewayId=gateway)
    yield route["RouteTableId"]
    ec2.replace_route(**route, NatGatewayId=nat)


@mutation("way_out", "create-route")
def no_route_to_nat(p):
    ec2, (route, nat) = p.client("ec2"), _private_route(p)
    ec2.delete_route(**route)
    yield route["RouteTableId"]
    ec2.create_route(**route, NatGatewayId=nat)


@mutation("endpoints", "--add-route-table-ids")
def endpoint_without_route_table(p):
    ec2, (route, _) = p.client("ec2"), _private_route(p)
    filters = [{"Name": "vpc-id", "Values": [p.outputs["VpcId"]]}]
    endpoint = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"][0]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[route["RouteTableId"]])
    yield endpoint
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[route["RouteTableId"]])


@mutation("vpc_dns", "--enable-dns-hostnames")
def no_host_names(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    yield vpc
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})


@mutation("vpc_dns", "--enable-dns-support")
def no_name_resolution(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    yield vpc
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})


# -- security groups


def _without_rule(p, group, source, port):
    ec2, group_id = p.client("ec2"), p.outputs[group]
    filters = [{"Name": "group-id", "Values": [group_id]}]
    (rule,) = [
        one
        for one in ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        if one.get("ReferencedGroupInfo", {}).get("GroupId") == p.outputs[source]
        and not one["IsEgress"]
        and port in (None, one.get("FromPort"))
    ]
    group = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    described = [
        pair.get("Description")
        for one in group["IpPermissions"]
        for pair in one["UserIdGroupPairs"]
        if pair["GroupId"] == p.outputs[source] and port in (None, one.get("FromPort"))
    ]
    ec2.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    yield group_id
    peer = {"GroupId": p.outputs[source], **({"Description": described[0]} if described[0] else {})}
    ports = {"FromPort": port, "ToPort": port} if port else {}
    permission = {"IpProtocol": rule["IpProtocol"], **ports, "UserIdGroupPairs": [peer]}
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])


@mutation("studio_admits_itself", "--protocol all")
def no_self_reference(p):
    yield from _without_rule(p, "StudioSecurityGroupId", "StudioSecurityGroupId", None)


@mutation("livy_from_studio", "--port 8998")
def livy_closed_to_studio(p):
    yield from _without_rule(p, "EmrMasterSecurityGroupId", "StudioSecurityGroupId", 8998)


@mutation("livy_from_airflow", "--port 8998")
def livy_closed_to_airflow(p):
    yield from _without_rule(p, "EmrMasterSecurityGroupId", "AirflowSecurityGroupId", 8998)


@mutation("studio_egress", "authorize-security-group-egress")
def no_egress(p):
    ec2, group = p.client("ec2"), p.outputs["StudioSecurityGroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=ALL_OUT)
    yield group
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=ALL_OUT)


@mutation("emr_groups_closed", "revoke-security-group-ingress")
def livy_open_to_the_world(p):
    ec2, group = p.client("ec2"), p.outputs["EmrMasterSecurityGroupId"]
    rule = [{"IpProtocol": "tcp", "FromPort": 8998, "ToPort": 8998, "IpRanges": ANYWHERE}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    yield group
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)


@mutation("block_public_access", "put-block-public-access-configuration")
def public_access_allowed(p):
    emr = p.client("emr")
    settings = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    emr.put_block_public_access_configuration(
        BlockPublicAccessConfiguration={**settings, "BlockPublicSecurityGroupRules": False}
    )
    yield "emr-block-public-access/us-east-1"
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration=settings)


# -- IAM


def _untrusted(p, role):
    iam = p.client("iam")
    trust = json.dumps(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=OTHERS)
    yield role
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)


def _without_statement(p, role, policy, sid):
    iam = p.client("iam")
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = {**document, "Statement": [one for one in document["Statement"] if one["Sid"] != sid]}
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
    yield role
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def _name(arn):
    return arn.rpartition("/")[2]


@mutation("emr_default_roles", "update-assume-role-policy")
def service_role_untrusted(p):
    yield from _untrusted(p, "EMR_DefaultRole")


@mutation("emr_default_roles", "attach-role-policy")
def service_role_without_policy(p):
    iam, role = p.client("iam"), "EMR_DefaultRole"
    policy = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"][0]["PolicyArn"]
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    yield role
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)


@mutation("emr_instance_profile", "add-role-to-instance-profile")
def empty_instance_profile(p):
    iam, name = p.client("iam"), "EMR_EC2_DefaultRole"
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    yield name
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


@mutation("execution_role_trust", "update-assume-role-policy")
def execution_role_untrusted(p):
    yield from _untrusted(p, _name(p.outputs["ExecutionRoleArn"]))


@mutation("execution_role_permissions", "AllowSagemakerProjectManagement")
def no_projects(p):
    role, policy = _name(p.outputs["ExecutionRoleArn"]), "AllowSagemakerProjectManagement"
    yield from _without_statement(p, role, policy, "AllowSagemakerProjectManagement")


@mutation("launch_role_trust", "update-assume-role-policy")
def launch_role_untrusted(p):
    yield from _untrusted(p, _name(p.outputs["LaunchRoleArn"]))


@mutation("launch_role_permissions", "include/cfn/catalog.yaml")
def launch_role_may_not_run_clusters(p):
    yield from _without_statement(p, _name(p.outputs["LaunchRoleArn"]), "launch", "RunClusters")


# -- catalog


@mutation("product_in_portfolio", "associate-product-with-portfolio", of=LASTING)
def product_not_in_portfolio(p):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "ProductId": p.outputs["ProductId"]}
    role = json.dumps({"RoleArn": p.outputs["LaunchRoleArn"]})
    for one in catalog.list_constraints_for_portfolio(**key)["ConstraintDetails"]:
        catalog.delete_constraint(Id=one["ConstraintId"])
    catalog.disassociate_product_from_portfolio(**key)
    yield p.outputs["ProductId"]
    catalog.associate_product_with_portfolio(**key)
    catalog.create_constraint(**key, Type="LAUNCH", Parameters=role, IdempotencyToken="mend-2")


@mutation("launch_constraint", "create-constraint", of=LASTING)
def no_launch_constraint(p):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "ProductId": p.outputs["ProductId"]}
    constraint = catalog.list_constraints_for_portfolio(**key)["ConstraintDetails"][0]["ConstraintId"]
    parameters = catalog.describe_constraint(Id=constraint)["ConstraintParameters"]
    catalog.delete_constraint(Id=constraint)
    yield p.outputs["ProductId"]
    catalog.create_constraint(**key, Type="LAUNCH", Parameters=parameters, IdempotencyToken="mend")


@mutation("visibility_tag", "--add-tags")
def no_visibility_tag(p):
    catalog, product = p.client("servicecatalog"), p.outputs["ProductId"]
    catalog.update_product(Id=product, RemoveTags=[STUDIO_TAG["Key"]])
    yield product
    catalog.update_product(Id=product, AddTags=[STUDIO_TAG])


def _without_principal(p, arn):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "PrincipalARN": arn, "PrincipalType": "IAM"}
    catalog.disassociate_principal_from_portfolio(**key)
    yield p.outputs["PortfolioId"]
    catalog.associate_principal_with_portfolio(**key)


@mutation("studio_principal", "associate-principal-with-portfolio")
def studio_may_not_launch(p):
    yield from _without_principal(p, p.outputs["ExecutionRoleArn"])


@mutation("airflow_principal", "associate-principal-with-portfolio")
def airflow_may_not_launch(p):
    yield from _without_principal(p, p.outputs["AirflowPrincipalArn"])


def _object_gone(p, key):
    s3, bucket = p.client("s3"), p.outputs["ArtifactsBucket"]
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    yield key.rpartition("/")[2]
    s3.put_object(Bucket=bucket, Key=key, Body=body)


@mutation("product_template", "stage_product")
def template_deleted(p):
    yield from _object_gone(p, p.template_key)


@mutation("product_template", "include/cfn/emr_product.yaml")
def template_spoiled(p):
    s3, bucket = p.client("s3"), p.outputs["ArtifactsBucket"]
    body = s3.get_object(Bucket=bucket, Key=p.template_key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=p.template_key, Body=b"Parameters: {}\n")
    yield p.template_key.rpartition("/")[2]
    s3.put_object(Bucket=bucket, Key=p.template_key, Body=body)


@mutation("bootstrap_script", "stage_product")
def script_deleted(p):
    yield from _object_gone(p, p.script_key)


# -- drift of what no other check looks at


@mutation("drift", "Set these properties back")
def bucket_opened(p):
    s3, bucket = p.client("s3"), p.outputs["RawBucket"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False}
    )
    yield bucket
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)


@mutation("drift", "Set these properties back")
def tag_changed(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "mine"}])
    yield vpc
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "sagemaker-emr-dev"}])


@mutation("drift", "Set these properties back")
def policy_widened(p):
    iam, role = p.client("iam"), _name(p.outputs["ExecutionRoleArn"])
    document = iam.get_role_policy(RoleName=role, PolicyName="jobs")["PolicyDocument"]
    wider = {**document, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="jobs", PolicyDocument=json.dumps(wider))
    yield role
    iam.put_role_policy(RoleName=role, PolicyName="jobs", PolicyDocument=json.dumps(document))


@mutation("drift", "Create it again by hand")
def agent_rule_deleted(p):
    broken = _without_rule(p, "EmrServiceAccessSecurityGroupId", "EmrMasterSecurityGroupId", 9443)
    next(broken)
    yield "sgr-"
    next(broken, None)
