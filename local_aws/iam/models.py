"""IAM's resource types.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.iam import models as moto_models

from local_aws.cloudformation.api_resource import ApiResource
from local_aws.iam import local_user, managed_policies

__all__ = ["IAMBackend", "InstanceProfile", "ManagedPolicy", "Role"]


class IAMBackend(moto_models.IAMBackend):
    """moto's; AWS's own policies, which never change, are no part of its state on disk."""

    def __getstate__(self) -> dict[str, Any]:
        own = {
            arn: policy
            for arn, policy in self.managed_policies.items()
            if policy.attachment_count or not isinstance(policy, moto_models.AWSManagedPolicy)
        }
        return {**self.__dict__, "managed_policies": own, "aws_managed_policies": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        amazons = managed_policies.of(state["account_id"], state["partition"])
        self.__dict__.update(state)
        self.aws_managed_policies = list(amazons.values())
        self.managed_policies = {**amazons, **state["managed_policies"]}


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _differ(old: list[Any], new: list[Any], add: Callable[[Any], Any], drop: Callable[[Any], Any]) -> None:
    for item in new:
        if item not in old:
            add(item)
    for item in old:
        if item not in new:
            drop(item)


class Role(ApiResource, CloudFormationModel):
    """AWS::IAM::Role."""

    resource_type = "AWS::IAM::Role"
    service = "iam"
    name_property = "RoleName"
    supported_properties = frozenset(
        {
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
            "Tags",
        }
    )

    def create(self) -> None:
        """CreateRole, then its policies."""
        made = self.api.create_role(
            RoleName=self.name,
            AssumeRolePolicyDocument=_document(self.properties["AssumeRolePolicyDocument"]),
            **self._session_duration(),
            **self.picked("Path", "Description", "PermissionsBoundary", "Tags"),
        )["Role"]
        self.physical_resource_id = self.name
        self.attributes = {"Arn": made["Arn"], "RoleId": made["RoleId"]}
        self._set_policies({})

    def _session_duration(self) -> dict[str, int]:
        value = self.properties.get("MaxSessionDuration")
        return {} if value is None else {"MaxSessionDuration": int(value)}

    def _set_policies(self, old: Mapping[str, Any]) -> None:
        _differ(
            old.get("ManagedPolicyArns", []),
            self.properties.get("ManagedPolicyArns", []),
            lambda arn: self.api.attach_role_policy(RoleName=self.name, PolicyArn=arn),
            lambda arn: self.api.detach_role_policy(RoleName=self.name, PolicyArn=arn),
        )
        wanted = {policy["PolicyName"]: policy for policy in self.properties.get("Policies", [])}
        for policy in wanted.values():
            self.api.put_role_policy(
                RoleName=self.name,
                PolicyName=policy["PolicyName"],
                PolicyDocument=_document(policy["PolicyDocument"]),
            )
        for policy in old.get("Policies", []):
            if policy["PolicyName"] not in wanted:
                self.api.delete_role_policy(RoleName=self.name, PolicyName=policy["PolicyName"])

    def change(self, old: Mapping[str, Any]) -> None:
        """UpdateRole, UpdateAssumeRolePolicy, policies, boundary, tags."""
        self.api.update_role(
            RoleName=self.name,
            Description=self.properties.get("Description", ""),
            **(self._session_duration() or {"MaxSessionDuration": 3600}),
        )
        self.api.update_assume_role_policy(
            RoleName=self.name, PolicyDocument=_document(self.properties["AssumeRolePolicyDocument"])
        )
        self._set_policies(old)
        boundary = self.properties.get("PermissionsBoundary")
        if boundary:
            self.api.put_role_permissions_boundary(RoleName=self.name, PermissionsBoundary=boundary)
        elif old.get("PermissionsBoundary"):
            self.api.delete_role_permissions_boundary(RoleName=self.name)
        keys = {tag["Key"] for tag in self.tags}
        gone = [tag["Key"] for tag in old.get("Tags", []) if tag["Key"] not in keys]
        if gone:
            self.api.untag_role(RoleName=self.name, TagKeys=gone)
        if self.tags:
            self.api.tag_role(RoleName=self.name, Tags=self.tags)

    def remove(self) -> None:
        """Detach and delete its own policies, DeleteRole; refused while an instance profile holds it."""
        attached = self.api.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        own = set(self.properties.get("ManagedPolicyArns", []))
        for policy in attached:
            if policy["PolicyArn"] in own:
                self.api.detach_role_policy(RoleName=self.name, PolicyArn=policy["PolicyArn"])
        # Of those that there are: an earlier deletion may have failed after some.
        for policy in self.api.list_role_policies(RoleName=self.name)["PolicyNames"]:
            if policy in {own["PolicyName"] for own in self.properties.get("Policies", [])}:
                self.api.delete_role_policy(RoleName=self.name, PolicyName=policy)
        self.api.delete_role(RoleName=self.name)


class InstanceProfile(ApiResource, CloudFormationModel):
    """AWS::IAM::InstanceProfile."""

    resource_type = "AWS::IAM::InstanceProfile"
    service = "iam"
    name_property = "InstanceProfileName"
    supported_properties = frozenset({"InstanceProfileName", "Path", "Roles"})

    def create(self) -> None:
        """CreateInstanceProfile, AddRoleToInstanceProfile."""
        made = self.api.create_instance_profile(InstanceProfileName=self.name, **self.picked("Path"))
        self.physical_resource_id = self.name
        self.attributes = {"Arn": made["InstanceProfile"]["Arn"]}
        self.change({})

    def change(self, old: Mapping[str, Any]) -> None:
        """Exchange the role."""
        _differ(
            old.get("Roles", []),
            self.properties.get("Roles", []),
            lambda role: self._with_role("add_role_to_instance_profile", role),
            lambda role: self._with_role("remove_role_from_instance_profile", role),
        )

    def _with_role(self, operation: str, role: str) -> None:
        getattr(self.api, operation)(InstanceProfileName=self.name, RoleName=role)

    def remove(self) -> None:
        """RemoveRoleFromInstanceProfile, DeleteInstanceProfile."""
        found = self.api.get_instance_profile(InstanceProfileName=self.name)["InstanceProfile"]
        for role in found["Roles"]:
            self._with_role("remove_role_from_instance_profile", role["RoleName"])
        self.api.delete_instance_profile(InstanceProfileName=self.name)


class ManagedPolicy(ApiResource, CloudFormationModel):
    """AWS::IAM::ManagedPolicy; ``Ref`` gives its ARN."""

    resource_type = "AWS::IAM::ManagedPolicy"
    service = "iam"
    name_property = "ManagedPolicyName"
    supported_properties = frozenset({"Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"})

    def create(self) -> None:
        """CreatePolicy, AttachRolePolicy."""
        made = self.api.create_policy(
            PolicyName=self.name,
            PolicyDocument=_document(self.properties["PolicyDocument"]),
            **self.picked("Path", "Description"),
        )["Policy"]
        self.physical_resource_id = made["Arn"]
        self.attributes = {"PolicyArn": made["Arn"], "PolicyId": made["PolicyId"]}
        self._set_roles({})

    def _set_roles(self, old: Mapping[str, Any]) -> None:
        _differ(
            old.get("Roles", []),
            self.properties.get("Roles", []),
            lambda role: self.api.attach_role_policy(RoleName=role, PolicyArn=self.physical_resource_id),
            lambda role: self.api.detach_role_policy(RoleName=role, PolicyArn=self.physical_resource_id),
        )

    def change(self, old: Mapping[str, Any]) -> None:
        """CreatePolicyVersion, the oldest deleted to make room, and roles."""
        if self.properties["PolicyDocument"] != old.get("PolicyDocument"):
            self._delete_old_versions()
            self.api.create_policy_version(
                PolicyArn=self.physical_resource_id,
                PolicyDocument=_document(self.properties["PolicyDocument"]),
                SetAsDefault=True,
            )
        self._set_roles(old)

    def _delete_old_versions(self) -> None:
        arn = self.physical_resource_id
        for version in self.api.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self.api.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])

    def remove(self) -> None:
        """DetachRolePolicy, DeletePolicy; refused while others have it attached."""
        arn = self.physical_resource_id
        for role in self.properties.get("Roles", []):
            self.api.detach_role_policy(RoleName=role, PolicyArn=arn)
        # moto deletes a policy that is attached.
        holders = self.api.list_entities_for_policy(PolicyArn=arn)
        if holders["PolicyRoles"] or holders["PolicyUsers"] or holders["PolicyGroups"]:
            raise ValueError(
                "Cannot delete a policy attached to entities. "
                "(Service: Iam, Status Code: 409, DeleteConflict)"
            )
        self._delete_old_versions()
        self.api.delete_policy(PolicyArn=arn)


managed_policies.install()
local_user.install()
moto_models.iam_backends.backend = IAMBackend
