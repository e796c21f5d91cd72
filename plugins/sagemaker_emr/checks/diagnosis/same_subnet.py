"""Studio and EMR in one subnet, with the platform's security group."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check

LIVE_STATES = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
LIVY = "Cannot connect to livy service: ip-…:8998"


@check("Studio and EMR share a private subnet", symptom=LIVY)
def same_subnet(platform: Platform) -> Iterator[Finding]:
    """DescribeDomain's SubnetIds against the network stack's, and the subnets of live clusters."""
    studio, ours = platform.domain["SubnetIds"], platform.private_subnet_ids
    read = f"domain {platform.domain_id} is in {', '.join(studio)}; clusters start in {ours[0]}"
    if ours[0] in studio:
        yield passed(read, platform.domain_id)
    else:
        yield failed(
            read,
            platform.domain_id,
            cause=f"Studio is not in {ours[0]}, the subnet that clusters start in.",
            fix=f"Delete the domain's apps, then `aws sagemaker update-domain --domain-id "
            f"{platform.domain_id} --subnet-ids {' '.join(ours)}`.",
        )
    yield from _clusters(platform, studio)


def _clusters(platform: Platform, studio: list[str]) -> Iterator[Finding]:
    emr = platform.client("emr")
    for summary in platform.pages("emr", "list_clusters", "Clusters", ClusterStates=LIVE_STATES):
        cluster = emr.describe_cluster(ClusterId=summary["Id"])["Cluster"]
        tags = {tag["Key"]: tag["Value"] for tag in cluster.get("Tags", [])}
        if tags.get("sagemaker-emr:environment") != platform.environment:
            continue
        subnet = cluster["Ec2InstanceAttributes"].get("Ec2SubnetId")
        read = f"cluster {cluster['Id']} runs in {subnet}"
        if subnet in studio:
            yield passed(read, cluster["Id"])
        else:
            yield failed(
                read,
                cluster["Id"],
                cause=f"The cluster runs in {subnet}, Studio in {', '.join(studio)}.",
                fix="Terminate the cluster's provisioned product and launch it again.",
            )


@check("Studio's apps carry the platform's security group", symptom=LIVY)
def studio_security_group(platform: Platform) -> Iterator[Finding]:
    """DescribeDomain's DefaultUserSettings, and the profiles' own."""
    group_id = platform.output("network", "StudioSecurityGroupId")
    settings = [(platform.domain_id, "domain", platform.domain["DefaultUserSettings"])]
    for profile in platform.user_profiles:
        own = profile.get("UserSettings", {})
        if own.get("SecurityGroups"):
            settings.append((profile["UserProfileName"], "profile", own))
    for resource, kind, setting in settings:
        groups = setting.get("SecurityGroups", [])
        read = f"{kind} {resource}: SecurityGroups {', '.join(groups) or 'none'}"
        if group_id in groups:
            yield passed(read, resource)
        else:
            yield failed(
                read,
                resource,
                cause=f"{group_id}, which the rule for port 8998 names, is not among the {kind}'s groups.",
                fix=f"Add it: UpdateDomain or UpdateUserProfile of {resource} with SecurityGroups "
                f"{group_id}, or run deploy_platform.",
            )
