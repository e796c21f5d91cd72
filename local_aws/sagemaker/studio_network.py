"""What Studio leaves in the customer's VPC: a file system with its mount targets, NFS groups, interfaces.

https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html
https://docs.aws.amazon.com/sagemaker/latest/dg/gs-studio-delete-domain.html
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from moto.sagemaker.exceptions import ValidationError

from local_aws.internal import client

OWNER_TAG = "ManagedByAmazonSageMakerResource"
# NFS, and Lustre, which Studio opens too.
NFS_PORTS = ((2049, 2049), (988, 988), (1018, 1023))


class DomainNetwork:
    """The file system, security groups and interfaces of one domain.

    :raises ValidationError: from the constructor: a subnet or security group is not of the VPC.
    """

    def __init__(
        self, region: str, domain_id: str, domain_arn: str, vpc_id: str, subnet_ids: list[str]
    ) -> None:
        self.region = region
        self.domain_id = domain_id
        self.vpc_id = vpc_id
        self.subnet_ids = subnet_ids
        self._tag = {"Key": OWNER_TAG, "Value": domain_arn}
        self._ec2 = client("ec2", region)
        self._efs = client("efs", region)
        self.check_subnets(subnet_ids)
        self.file_system_id = ""
        self.outbound_group_id = ""

    def check_subnets(self, subnet_ids: list[str]) -> None:
        """:raises ValidationError: one is not of the domain's VPC."""
        self._check("subnet", lambda: self._ec2.describe_subnets(SubnetIds=subnet_ids)["Subnets"], subnet_ids)

    def check_groups(self, group_ids: list[str]) -> None:
        """:raises ValidationError: one is not of the domain's VPC."""
        self._check(
            "security group",
            lambda: self._ec2.describe_security_groups(GroupIds=group_ids)["SecurityGroups"],
            group_ids,
        )

    def _check(self, kind: str, describe: Any, ids: list[str]) -> None:
        if not ids:
            return
        try:
            strangers = [found for found in describe() if found["VpcId"] != self.vpc_id]
        except ClientError as error:
            raise ValidationError(str(error.response["Error"]["Message"])) from None
        if strangers:
            raise ValidationError(f"A {kind} of {', '.join(ids)} does not belong to VPC {self.vpc_id}.")

    def create(self, kms_key_id: str | None = None) -> None:
        """Make the groups and the file system with a mount target in every Availability Zone."""
        inbound = self._create_group("inbound")
        self.outbound_group_id = self._create_group("outbound")
        for group_id, other, authorize in (
            (inbound, self.outbound_group_id, self._ec2.authorize_security_group_ingress),
            (self.outbound_group_id, inbound, self._ec2.authorize_security_group_egress),
        ):
            permissions = [
                {
                    "IpProtocol": "tcp",
                    "FromPort": first,
                    "ToPort": last,
                    "UserIdGroupPairs": [{"GroupId": other}],
                }
                for first, last in NFS_PORTS
            ]
            authorize(GroupId=group_id, IpPermissions=permissions)
        key = {"KmsKeyId": kms_key_id} if kms_key_id else {}
        self.file_system_id = self._efs.create_file_system(
            CreationToken=self.domain_id, Encrypted=True, Tags=[self._tag], **key
        )["FileSystemId"]
        zones: set[str] = set()
        for subnet in self._ec2.describe_subnets(SubnetIds=self.subnet_ids)["Subnets"]:
            if subnet["AvailabilityZone"] not in zones:
                zones.add(subnet["AvailabilityZone"])
                self._efs.create_mount_target(
                    FileSystemId=self.file_system_id, SubnetId=subnet["SubnetId"], SecurityGroups=[inbound]
                )

    def _create_group(self, direction: str) -> str:
        group_id: str = self._ec2.create_security_group(
            GroupName=f"security-group-for-{direction}-nfs-{self.domain_id}",
            Description=f"[DO NOT DELETE] Security Group that allows {direction} NFS traffic for "
            f"SageMaker Notebooks Domain [{self.domain_id}]",
            VpcId=self.vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": [self._tag]}],
        )["GroupId"]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self._ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=everything)
        return group_id

    def create_interface(self, group_ids: list[str]) -> str:
        """An interface for the instance of an app, in the first subnet."""
        interface_id: str = self._ec2.create_network_interface(
            SubnetId=self.subnet_ids[0],
            Groups=[*group_ids, self.outbound_group_id],
            Description=f"[DO NOT DELETE] ENI managed by SageMaker for Studio Domain ({self.domain_id})",
            TagSpecifications=[{"ResourceType": "network-interface", "Tags": [self._tag]}],
        )["NetworkInterface"]["NetworkInterfaceId"]
        return interface_id

    def delete_interface(self, interface_id: str) -> None:
        """The app's instance is gone."""
        self._ec2.delete_network_interface(NetworkInterfaceId=interface_id)

    def delete_file_system(self) -> None:
        """Delete mount targets and file system; the NFS groups stay, as they do on AWS."""
        targets = self._efs.describe_mount_targets(FileSystemId=self.file_system_id)["MountTargets"]
        for target in targets:
            self._efs.delete_mount_target(MountTargetId=target["MountTargetId"])
        self._efs.delete_file_system(FileSystemId=self.file_system_id)
