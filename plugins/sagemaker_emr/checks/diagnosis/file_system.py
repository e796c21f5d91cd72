"""Studio's home directories."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check


@check(
    "Studio's file system is mounted in its subnets' zones",
    symptom="Apps fail to start: the home directory can't be mounted.",
)
def file_system(platform: Platform) -> Iterator[Finding]:
    """DescribeMountTargets of the domain's file system: one, available, in each zone of its subnets."""
    file_system_id = platform.domain["HomeEfsFileSystemId"]
    targets = platform.pages("efs", "describe_mount_targets", "MountTargets", FileSystemId=file_system_id)
    zones = {
        platform.subnets[one["SubnetId"]]["AvailabilityZone"]
        for one in targets
        if one["LifeCycleState"] == "available" and one["SubnetId"] in platform.subnets
    }
    for subnet_id in platform.domain["SubnetIds"]:
        if subnet_id not in platform.subnets:
            yield not_checked(f"subnet {subnet_id} is not in {platform.vpc_id}", file_system_id)
            continue
        zone = platform.subnets[subnet_id]["AvailabilityZone"]
        read = f"{file_system_id}: mount targets available in {', '.join(sorted(zones)) or 'no zone'}"
        if zone in zones:
            yield passed(read, file_system_id)
        else:
            yield failed(
                read,
                file_system_id,
                cause=f"{file_system_id} has no available mount target in {zone}, where {subnet_id} is.",
                fix=f"`aws efs create-mount-target --file-system-id {file_system_id} --subnet-id {subnet_id} "
                "--security-groups` with the group security-group-for-inbound-nfs-"
                f"{platform.domain_id}.",
            )
