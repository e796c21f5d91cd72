"""What RunJobFlow is given: checked, and refused where it asks for what is not played here.

https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.emr import releases, steps
from local_aws.emr.exceptions import ValidationException

PARAMETERS = {
    "Applications",
    "AutoTerminationPolicy",
    "BootstrapActions",
    "Configurations",
    "EbsRootVolumeSize",
    "Instances",
    "JobFlowRole",
    "LogUri",
    "Name",
    "ReleaseLabel",
    "ScaleDownBehavior",
    "ServiceRole",
    "StepConcurrencyLevel",
    "Steps",
    "Tags",
    "VisibleToAllUsers",
}
INSTANCES_PARAMETERS = {
    "AdditionalMasterSecurityGroups",
    "AdditionalSlaveSecurityGroups",
    "Ec2KeyName",
    "Ec2SubnetId",
    "EmrManagedMasterSecurityGroup",
    "EmrManagedSlaveSecurityGroup",
    "InstanceCount",
    "InstanceGroups",
    "KeepJobFlowAliveWhenNoSteps",
    "MasterInstanceType",
    "Placement",
    "ServiceAccessSecurityGroup",
    "SlaveInstanceType",
    "TerminationProtected",
}
INSTANCE_GROUP_PARAMETERS = {"BidPrice", "InstanceCount", "InstanceRole", "InstanceType", "Market", "Name"}
CLASSIFICATIONS = {"livy-conf", "spark-defaults"}
MAX_BOOTSTRAP_ACTIONS = 16
ROOT_VOLUME_GIB = range(15, 101)  # from EMR 6.10 on
IDLE_TIMEOUT_SECONDS = range(60, 604801)
MAX_TAGS = 50


def check_run_job_flow(request: Mapping[str, Any]) -> None:
    """Refuse what EMR refuses at once, and what can't be played.

    :raises ValidationException: naming the parameter.
    """
    _only(PARAMETERS, request, "")
    if request.get("StepConcurrencyLevel", 1) != 1:
        raise ValidationException("local_aws plays a StepConcurrencyLevel of 1 only.")
    if not request.get("ReleaseLabel"):
        raise ValidationException(
            "You must specify a ReleaseLabel: AMI versions are not played by local_aws."
        )
    releases.check(request["ReleaseLabel"])
    for required in ("ServiceRole", "JobFlowRole"):
        if not request.get(required):
            raise ValidationException(f"{required} is required for creating cluster.")
    _check_instances(request.get("Instances", {}))
    _check_applications(request.get("Applications", []))
    _check_configurations(request.get("Configurations", []))
    _check_bootstrap_actions(request.get("BootstrapActions", []))
    steps.check(request.get("Steps", []), request.get("Applications", []))
    _check_log_uri(request.get("LogUri"))
    check_tags(request.get("Tags", []))
    check_auto_termination(request.get("AutoTerminationPolicy"))
    size = request.get("EbsRootVolumeSize", ROOT_VOLUME_GIB.start)
    if size not in ROOT_VOLUME_GIB:
        raise ValidationException(
            f"EbsRootVolumeSize {size} GiB is not between {ROOT_VOLUME_GIB[0]} and {ROOT_VOLUME_GIB[-1]} GiB."
        )


def check_auto_termination(policy: Mapping[str, Any] | None) -> None:
    """IdleTimeout is 60 to 604,800 seconds.

    https://docs.aws.amazon.com/emr/latest/APIReference/API_AutoTerminationPolicy.html
    """
    if policy is not None and policy.get("IdleTimeout") not in IDLE_TIMEOUT_SECONDS:
        raise ValidationException("IdleTimeout must be between 60 and 604800 seconds.")


def check_tags(tags: Iterable[Mapping[str, str]]) -> None:
    """At most 50 tags with keys of 1 to 128 characters and values of at most 256.

    https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-tags.html
    """
    listed = list(tags)
    if len(listed) > MAX_TAGS:
        raise ValidationException(f"The number of tags exceeds the limit of {MAX_TAGS}.")
    for tag in listed:
        if not 1 <= len(tag.get("Key", "")) <= 128 or len(tag.get("Value", "")) > 256:
            raise ValidationException(f"Invalid tag: {tag}.")


def instance_groups(instances: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The instance groups asked for, in either of RunJobFlow's two forms.

    :raises ValidationException: neither form, or both.
    """
    groups = [dict(group) for group in instances.get("InstanceGroups", [])]
    if bool(groups) == bool(instances.get("MasterInstanceType")):
        raise ValidationException("Please specify either instance groups or instance types and a count.")
    if not groups:
        count = instances.get("InstanceCount", 1)
        groups = [_group("MASTER", instances["MasterInstanceType"], 1)]
        if count > 1:
            core_type = instances.get("SlaveInstanceType", instances["MasterInstanceType"])
            groups.append(_group("CORE", core_type, count - 1))
    return groups


def _group(role: str, instance_type: str, count: int) -> dict[str, Any]:
    return {"InstanceRole": role, "InstanceType": instance_type, "InstanceCount": count}


def _check_instances(instances: Mapping[str, Any]) -> None:
    _only(INSTANCES_PARAMETERS, instances, "Instances.")
    groups = instance_groups(instances)
    for group in groups:
        _only(INSTANCE_GROUP_PARAMETERS, group, "Instances.InstanceGroups.")
    roles = [group["InstanceRole"] for group in groups]
    if roles.count("MASTER") != 1 or roles.count("CORE") > 1:
        raise ValidationException("A cluster has one MASTER instance group and at most one CORE group.")
    if any(group["InstanceRole"] == "MASTER" and group["InstanceCount"] != 1 for group in groups):
        raise ValidationException("local_aws plays clusters with one master node only.")
    if any(group["InstanceCount"] < 1 for group in groups):
        raise ValidationException("InstanceCount must be at least 1.")


def _check_applications(applications: Iterable[Mapping[str, Any]]) -> None:
    for application in applications:
        _only({"Name"}, application, "Applications.")
        if application["Name"] not in releases.APPLICATIONS:
            raise ValidationException(
                f"Application {application['Name']} is not played by local_aws, which has "
                f"{', '.join(releases.APPLICATIONS)}."
            )


def _check_configurations(configurations: Iterable[Mapping[str, Any]]) -> None:
    for configuration in configurations:
        classification = configuration.get("Classification")
        if classification not in CLASSIFICATIONS or configuration.get("Configurations"):
            raise ValidationException(
                f"Configuration classification {classification!r} is not played by local_aws, which has "
                f"{', '.join(sorted(CLASSIFICATIONS))}, without nested configurations."
            )


def _check_bootstrap_actions(actions: Iterable[Mapping[str, Any]]) -> None:
    listed = list(actions)
    if len(listed) > MAX_BOOTSTRAP_ACTIONS:
        raise ValidationException(f"At most {MAX_BOOTSTRAP_ACTIONS} bootstrap actions are allowed.")
    for action in listed:
        path = action["ScriptBootstrapAction"]["Path"]
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{2,62}/.+", path):
            raise ValidationException(f"Bootstrap action {action['Name']}: {path} is not an s3:// path.")


def _check_log_uri(uri: str | None) -> None:
    if uri and not re.match(r"s3[n]?://[a-z0-9][a-z0-9.-]{2,62}(/|$)", uri):
        raise ValidationException(f"The LogUri {uri} is not an s3:// path.")


def _only(known: set[str], given: Iterable[str], prefix: str) -> None:
    if unknown := sorted(set(given) - known):
        raise ValidationException(f"{prefix}{unknown[0]} is not played by local_aws.")
