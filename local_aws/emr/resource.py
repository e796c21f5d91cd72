"""AWS::EMR::Cluster.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-emr-cluster.html
"""

from __future__ import annotations

from typing import Any, ClassVar

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel
from moto.core.utils import get_service_model

from local_aws import internal
from local_aws.emr.cluster import ENDED, ENDING

GROUPS = {"MasterInstanceGroup": "MASTER", "CoreInstanceGroup": "CORE"}


class ClusterFailed(Exception):
    """The cluster ended instead of becoming ready."""


class EmrCluster(CloudFormationModel):
    """A stack's cluster, made and ended through EMR's API as CloudFormation does."""

    supported_properties: ClassVar = {
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
        "Tags",
        "VisibleToAllUsers",
    }

    def __init__(self, cluster_id: str, properties: dict[str, Any], region: str) -> None:
        self.physical_resource_id = cluster_id
        self.properties = properties
        self._region = region

    @staticmethod
    def cloudformation_name_type() -> str:
        """EMR's cluster names need not be unique: CloudFormation generates none."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """The type's name."""
        return "AWS::EMR::Cluster"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> EmrCluster:
        """Start the cluster; ``is_created`` tells when it is ready."""
        properties = cloudformation_json["Properties"]
        answer = internal.client("emr", region_name).run_job_flow(**run_job_flow(properties))
        return cls(answer["JobFlowId"], properties, region_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Which names Fn::GetAtt may ask for."""
        return attr in ("Id", "MasterPublicDNS")

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Fn::GetAtt."""
        if attribute_name == "Id":
            return self.physical_resource_id
        if attribute_name == "MasterPublicDNS":
            return str(self._describe()["MasterPublicDnsName"])
        raise UnformattedGetAttTemplateException()

    def is_created(self) -> bool:
        """Whether the cluster is ready.

        :raises ClusterFailed: it ended, with EMR's reason.
        """
        status = self._describe()["Status"]
        if status["State"] in ENDING:
            reason = status["StateChangeReason"]
            raise ClusterFailed(
                f"Cluster {self.physical_resource_id} is {status['State']}: "
                f"{reason.get('Code')}: {reason.get('Message')}"
            )
        return status["State"] in ("RUNNING", "WAITING")

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: EmrCluster,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> EmrCluster:
        """Tags, visibility, termination protection and the auto-termination policy change in place.

        :raises NotImplementedError: any other property that does, the instance counts, has changed.
        """
        old, new = original_resource.properties, cloudformation_json["Properties"]
        cluster_id = original_resource.physical_resource_id
        if _counts(old) != _counts(new):
            raise NotImplementedError("local_aws does not resize clusters.")
        asked = run_job_flow(new)
        emr = internal.client("emr", region_name)
        ids = [cluster_id]
        emr.set_termination_protection(
            JobFlowIds=ids, TerminationProtected=asked["Instances"].get("TerminationProtected", False)
        )
        emr.set_visible_to_all_users(JobFlowIds=ids, VisibleToAllUsers=asked.get("VisibleToAllUsers", True))
        if policy := asked.get("AutoTerminationPolicy"):
            emr.put_auto_termination_policy(ClusterId=cluster_id, AutoTerminationPolicy=policy)
        else:
            emr.remove_auto_termination_policy(ClusterId=cluster_id)
        dropped = {tag["Key"] for tag in old.get("Tags", [])} - {tag["Key"] for tag in new.get("Tags", [])}
        if dropped:
            emr.remove_tags(ResourceId=cluster_id, TagKeys=sorted(dropped))
        if asked.get("Tags"):
            emr.add_tags(ResourceId=cluster_id, Tags=asked["Tags"])
        original_resource.properties = new
        return original_resource

    def delete(self, account_id: str, region_name: str) -> None:
        """Begin to terminate the cluster."""
        internal.client("emr", region_name).terminate_job_flows(JobFlowIds=[self.physical_resource_id])

    def is_deleted(self) -> bool:
        """Whether the cluster is gone, with or without errors."""
        return self._describe()["Status"]["State"] in ENDED

    def _describe(self) -> dict[str, Any]:
        found: dict[str, Any] = internal.client("emr", self._region).describe_cluster(
            ClusterId=self.physical_resource_id
        )["Cluster"]
        return found


def run_job_flow(properties: dict[str, Any]) -> dict[str, Any]:
    """RunJobFlow's parameters for a template's properties: other names, and scalars that may be strings."""
    request = {**properties, "Instances": _instances(properties["Instances"])}
    if "Configurations" in properties:
        request["Configurations"] = [_configuration(each) for each in properties["Configurations"]]
    coerced: dict[str, Any] = _coerce(
        request, get_service_model("emr").operation_model("RunJobFlow").input_shape
    )
    return coerced


def _instances(instances: dict[str, Any]) -> dict[str, Any]:
    groups = [{**instances[name], "InstanceRole": role} for name, role in GROUPS.items() if name in instances]
    groups += [{**group, "InstanceRole": "TASK"} for group in instances.get("TaskInstanceGroups", [])]
    others = {k: v for k, v in instances.items() if k not in GROUPS and k != "TaskInstanceGroups"}
    return {**others, "InstanceGroups": groups}


def _configuration(configuration: dict[str, Any]) -> dict[str, Any]:
    renamed = {"ConfigurationProperties": "Properties"}
    return {renamed.get(name, name): value for name, value in configuration.items()}


def _coerce(value: Any, shape: Any) -> Any:
    """CloudFormation passes "2" where the service wants 2."""
    match shape.type_name:
        case "structure":
            known = shape.members
            return {
                name: _coerce(each, known[name]) if name in known else each for name, each in value.items()
            }
        case "list":
            return [_coerce(each, shape.member) for each in value]
        case "map":
            return {name: _coerce(each, shape.value) for name, each in value.items()}
        case "integer" | "long":
            return int(value)
        case "boolean":
            return str(value).lower() == "true"
        case "string":
            return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _counts(properties: dict[str, Any]) -> list[tuple[str, int]]:
    groups = run_job_flow(properties)["Instances"]["InstanceGroups"]
    return [(group["InstanceRole"], group["InstanceCount"]) for group in groups]
