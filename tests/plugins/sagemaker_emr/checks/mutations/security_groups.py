"""What can be wrong with the security groups' rules."""

from __future__ import annotations

from functools import partial

from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation

ANYWHERE = [{"CidrIp": "0.0.0.0/0"}]
ALL_OUT = [{"IpProtocol": "-1", "IpRanges": ANYWHERE}]


def without_rule(p, group, source, port):
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
    yield from without_rule(p, "StudioSecurityGroupId", "StudioSecurityGroupId", None)


@mutation("livy_from_studio", "--port 8998")
def livy_closed_to_studio(p):
    yield from without_rule(p, "EmrMasterSecurityGroupId", "StudioSecurityGroupId", 8998)


@mutation("livy_from_airflow", "--port 8998")
def livy_closed_to_airflow(p):
    yield from without_rule(p, "EmrMasterSecurityGroupId", "AirflowSecurityGroupId", 8998)


@mutation("studio_egress", "authorize-security-group-egress")
def no_egress(p):
    ec2, group = p.client("ec2"), p.outputs["StudioSecurityGroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=ALL_OUT)
    yield group
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=ALL_OUT)


def _open_to_the_world(p, group_name, ranges):
    ec2, group = p.client("ec2"), p.outputs[group_name]
    rule = [{"IpProtocol": "tcp", "FromPort": 8998, "ToPort": 8998, **ranges}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    yield group
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)


for _name, _group, _ranges in (
    ("master_open_to_the_world", "EmrMasterSecurityGroupId", {"IpRanges": ANYWHERE}),
    ("master_open_to_ipv6", "EmrMasterSecurityGroupId", {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
    ("core_open_to_the_world", "EmrCoreSecurityGroupId", {"IpRanges": ANYWHERE}),
    ("service_access_open_to_the_world", "EmrServiceAccessSecurityGroupId", {"IpRanges": ANYWHERE}),
):
    mutation("emr_groups_closed", "revoke-security-group-ingress", name=_name)(
        partial(_open_to_the_world, group_name=_group, ranges=_ranges)
    )


@mutation("block_public_access", "put-block-public-access-configuration")
def public_access_allowed(p):
    emr = p.client("emr")
    settings = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    emr.put_block_public_access_configuration(
        BlockPublicAccessConfiguration={**settings, "BlockPublicSecurityGroupRules": False}
    )
    yield "emr-block-public-access/us-east-1"
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration=settings)
