"""The way to Livy on the master node."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check

LIVY_PORT = 8998


@check("The EMR master admits Studio to Livy", symptom="Cannot connect to livy service: ip-…:8998")
def livy_from_studio(platform: Platform) -> Iterator[Finding]:
    """DescribeSecurityGroups: port 8998 of the master's group."""
    yield from _reaches(platform, "StudioSecurityGroupId", "Studio", platform.private_cidrs)


@check(
    "The EMR master admits Airflow to Livy",
    symptom="wait_for_cluster and prepare_features fail with LivyUnreachable: no answer on port 8998.",
)
def livy_from_airflow(platform: Platform) -> Iterator[Finding]:
    """DescribeSecurityGroups: port 8998 of the master's group."""
    yield from _reaches(platform, "AirflowSecurityGroupId", "Airflow", [])


def _reaches(platform: Platform, output_name: str, who: str, cidrs: list[str]) -> Iterator[Finding]:
    master = platform.security_group("EmrMasterSecurityGroupId")
    source_id, master_id = platform.security_group(output_name)["GroupId"], master["GroupId"]
    inbound = master["IpPermissions"]
    read = f"{master_id} (EMR master) inbound: {rules.describe(inbound)}"
    if rules.admits(inbound, LIVY_PORT, [source_id], cidrs):
        yield passed(read, master_id, source_id)
    else:
        yield failed(
            read,
            master_id,
            source_id,
            cause=f"No rule of {master_id} admits {who}'s group {source_id} on port {LIVY_PORT}.",
            fix=f"`aws ec2 authorize-security-group-ingress --group-id {master_id} --protocol tcp --port "
            f"{LIVY_PORT} --source-group {source_id}`",
        )
