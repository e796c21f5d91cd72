"""What a deleted Studio domain leaves in its VPC."""

from __future__ import annotations

from typing import Any

from sagemaker_emr.hooks.base import AwsHook, ask_to_delete

GROUP_NAMES = "security-group-for-*-nfs-{}"
"""https://docs.aws.amazon.com/sagemaker/latest/dg/gs-studio-delete-domain.html"""


class DomainLeftoversHook(AwsHook):
    """What a deleted domain leaves in the customer's VPC: mount targets, groups, interfaces, its files."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, client_type="ec2", **kwargs)
        self._efs_hook = AwsHook(*args, client_type="efs", **kwargs)

    def file_systems(self, domain_id: str) -> list[str]:
        """Home file systems of a domain, found by the domain's ARN in SageMaker's own tag."""
        pages = self._efs_hook.conn.get_paginator("describe_file_systems").paginate()
        return [
            system["FileSystemId"]
            for page in pages
            for system in page["FileSystems"]
            if any(tag["Value"].endswith(f"domain/{domain_id}") for tag in system.get("Tags", []))
        ]

    def remove(self, domain_id: str, *, delete_files: bool) -> list[str]:
        """Ask for the deletion of what can go now.

        :param delete_files: the home file system too; else only its mount targets, which hold the subnet.
        :return: what is still there and is to go, as lines; empty when nothing is.
        """
        remaining = []
        for system in self.file_systems(domain_id):
            targets = self._efs_hook.conn.describe_mount_targets(FileSystemId=system)["MountTargets"]
            for target in targets:
                if target["LifeCycleState"] not in ("deleting", "deleted"):
                    ask_to_delete(
                        self._efs_hook.conn.delete_mount_target, MountTargetId=target["MountTargetId"]
                    )
                remaining.append(f"mount target {target['MountTargetId']} of {system}")
            if delete_files and not targets:
                ask_to_delete(self._efs_hook.conn.delete_file_system, FileSystemId=system)
                remaining.append(f"file system {system}")
        if remaining:
            return remaining
        return self._remove_interfaces(domain_id) or self._remove_groups(domain_id)

    def _remove_interfaces(self, domain_id: str) -> list[str]:
        filters = [{"Name": "description", "Values": [f"*SageMaker for Studio Domain ({domain_id})*"]}]
        interfaces = self.conn.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        for interface in interfaces:
            if interface["Status"] == "available":
                ask_to_delete(
                    self.conn.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"]
                )
        return [f"interface {found['NetworkInterfaceId']} ({found['Status']})" for found in interfaces]

    def _remove_groups(self, domain_id: str) -> list[str]:
        """The two groups name each other in their rules, so the rules go first."""
        filters = [{"Name": "group-name", "Values": [GROUP_NAMES.format(domain_id)]}]
        groups = self.conn.describe_security_groups(Filters=filters)["SecurityGroups"]
        for group in groups:
            if group["IpPermissions"]:
                ask_to_delete(
                    self.conn.revoke_security_group_ingress,
                    GroupId=group["GroupId"],
                    IpPermissions=group["IpPermissions"],
                )
            if group["IpPermissionsEgress"]:
                ask_to_delete(
                    self.conn.revoke_security_group_egress,
                    GroupId=group["GroupId"],
                    IpPermissions=group["IpPermissionsEgress"],
                )
        for group in groups:
            ask_to_delete(self.conn.delete_security_group, GroupId=group["GroupId"])
        return []

    def revoke_rules_of_emr(self, group_ids: list[str], own_rules: list[str]) -> list[str]:
        """Revoke the rules that EMR wrote between a platform's EMR groups; they hold the groups.

        :param own_rules: rules that a stack made and will delete itself.
        :return: the rules revoked.
        """
        if not group_ids:
            return []
        filters = [{"Name": "group-id", "Values": group_ids}]
        pages = self.conn.get_paginator("describe_security_group_rules").paginate(Filters=filters)
        revoked = []
        for rule in (rule for page in pages for rule in page["SecurityGroupRules"]):
            peer = rule.get("ReferencedGroupInfo", {}).get("GroupId")
            rule_id, group_id = rule["SecurityGroupRuleId"], rule["GroupId"]
            if rule["IsEgress"] or peer not in group_ids or rule_id in own_rules:
                continue
            ask_to_delete(
                self.conn.revoke_security_group_ingress, GroupId=group_id, SecurityGroupRuleIds=[rule_id]
            )
            revoked.append(f"{rule_id} of {group_id} from {peer}")
        return revoked
