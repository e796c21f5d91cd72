"""What can be wrong with roles."""

from __future__ import annotations

import json
from functools import partial

from sagemaker_emr.checks.execution_role_statements import STATEMENTS
from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation

OTHERS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


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


def name_of(arn):
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
    yield from _untrusted(p, name_of(p.outputs["ExecutionRoleArn"]))


def _without_execution_statement(p, policy, sid):
    yield from _without_statement(p, name_of(p.outputs["ExecutionRoleArn"]), policy, sid)


for _one in STATEMENTS:
    # What AllowClusterDetailsDiscovery grants, AllowPresignedUrl grants too.
    if _one.sid != "AllowClusterDetailsDiscovery":
        mutation("execution_role_permissions", f"statement {_one.sid} ", name=f"execution_role_{_one.sid}")(
            partial(_without_execution_statement, policy=_one.policy, sid=_one.sid)
        )


def _denying(p, role, action):
    iam, name = p.client("iam"), "forbidden"
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
    yield role
    iam.delete_role_policy(RoleName=role, PolicyName=name)


@mutation("execution_role_permissions", "AllowSagemakerProjectManagement")
def execution_role_may_not_describe_clusters(p):
    yield from _denying(p, name_of(p.outputs["ExecutionRoleArn"]), "elasticmapreduce:DescribeCluster")


@mutation("execution_role_permissions", "statement AllowClusterDiscovery ", on="existing")
def own_role_may_not_list_clusters(p):
    yield from _denying(p, "ada", "elasticmapreduce:ListClusters")


@mutation("execution_role_trust", "update-assume-role-policy", on="existing")
def own_role_untrusted(p):
    yield from _untrusted(p, "ada")


@mutation("execution_role_trust", "Create the role again")
def execution_role_gone(p):
    yield from _role_gone(p, name_of(p.outputs["ExecutionRoleArn"]))


@mutation("launch_role_trust", "Create the role again")
def launch_role_gone(p):
    yield from _role_gone(p, name_of(p.outputs["LaunchRoleArn"]))


@mutation("emr_default_roles", "create-default-roles")
def service_role_gone(p):
    yield from _role_gone(p, "EMR_DefaultRole")


def _role_gone(p, name):
    """Deleted, and made again as it was."""
    iam = p.client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    attached = [
        one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    ]
    inline = {
        one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
        for one in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    for arn in attached:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in inline:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
    yield name
    iam.create_role(
        RoleName=name,
        Path=role["Path"],
        Description=role.get("Description", ""),
        AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]),
        Tags=role.get("Tags", []),
    )
    for arn in attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy, document in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


@mutation("emr_default_roles", "update-assume-role-policy")
def node_role_untrusted(p):
    yield from _untrusted(p, "EMR_EC2_DefaultRole")


@mutation("emr_default_roles", "attach-role-policy")
def node_role_may_not_read_buckets(p):
    yield from _denying(p, "EMR_EC2_DefaultRole", "s3:GetObject")


@mutation("emr_instance_profile", "create-default-roles")
def instance_profile_gone(p):
    iam, name = p.client("iam"), "EMR_EC2_DefaultRole"
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.delete_instance_profile(InstanceProfileName=name)
    yield name
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


@mutation("launch_role_trust", "update-assume-role-policy")
def launch_role_untrusted(p):
    yield from _untrusted(p, name_of(p.outputs["LaunchRoleArn"]))


def _without_launch_statement(p, sid):
    yield from _without_statement(p, name_of(p.outputs["LaunchRoleArn"]), "launch", sid)


for _sid in ("Stacks", "Templates", "ReadStagedTemplate", "StartClusters", "RunClusters", "PassEmrRoles"):
    mutation("launch_role_permissions", "include/cfn/catalog.yaml", name=f"launch_role_{_sid}")(
        partial(_without_launch_statement, sid=_sid)
    )
