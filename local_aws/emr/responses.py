"""EMR's API. Each operation follows the page of its name in
https://docs.aws.amazon.com/emr/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from botocore.validate import ParamValidator
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import get_service_model
from moto.emr.models import emr_backends
from moto.emr.responses import ElasticMapReduceResponse as MotoResponse

from local_aws.emr import describing, parameters, releases
from local_aws.emr.cluster import Cluster
from local_aws.emr.exceptions import EmrError, InvalidRequestException, ValidationException
from local_aws.emr.models import ElasticMapReduceBackend

OPERATIONS = {
    "AddJobFlowSteps",
    "AddTags",
    "CancelSteps",
    "DescribeCluster",
    "DescribeReleaseLabel",
    "DescribeStep",
    "GetAutoTerminationPolicy",
    "GetBlockPublicAccessConfiguration",
    "ListBootstrapActions",
    "ListClusters",
    "ListInstanceGroups",
    "ListInstances",
    "ListReleaseLabels",
    "ListSteps",
    "PutAutoTerminationPolicy",
    "PutBlockPublicAccessConfiguration",
    "RemoveAutoTerminationPolicy",
    "RemoveTags",
    "RunJobFlow",
    "SetTerminationProtection",
    "SetVisibleToAllUsers",
    "TerminateJobFlows",
}
PAGE = 50
MAX_STEP_IDS = 10


class ElasticMapReduceResponse(MotoResponse):
    """Answers EMR's requests; what is not listed in OPERATIONS is refused by name."""

    # moto's looks at the host name only, which says nothing of the Region here.
    get_region_from_url = BaseResponse.get_region_from_url

    @property
    def backend(self) -> ElasticMapReduceBackend:
        """The clusters of the request's Region."""
        backend: ElasticMapReduceBackend = emr_backends[self.current_account][self.region]
        return backend

    def call_action(self) -> TYPE_RESPONSE:
        """Check the request against EMR's own model before anything else."""
        operation = self._get_action()
        try:
            self._check(operation)
        except EmrError as error:
            status, headers, body = self.serialized(ActionResult(error))
            headers["status"] = str(status)
            return status, headers, body
        return super().call_action()

    def _check(self, operation: str) -> None:
        if operation not in OPERATIONS:
            raise ValidationException(f"{operation} is not played by local_aws.")
        self.request_parameters: dict[str, Any] = json.loads(self.body or "{}")
        shape = get_service_model("emr").operation_model(operation).input_shape
        report = ParamValidator().validate(self.request_parameters, shape)
        if report.has_errors():
            raise ValidationException(report.generate_report())

    def _get(self, name: str, default: Any = None) -> Any:
        return self.request_parameters.get(name, default)

    def _cluster(self) -> Cluster:
        return self.backend.find(self._get("ClusterId"))

    # Clusters

    def run_job_flow(self) -> ActionResult:
        """RunJobFlow: returns at once, the cluster is STARTING."""
        cluster = self.backend.run_cluster(self.request_parameters)
        return ActionResult({"JobFlowId": cluster.id, "ClusterArn": cluster.arn})

    def describe_cluster(self) -> ActionResult:
        """DescribeCluster."""
        return ActionResult({"Cluster": describing.cluster(self._cluster())})

    def list_clusters(self) -> ActionResult:
        """ListClusters: newest first, by state and time of creation."""
        found = self.backend.newest_first(
            self._get("ClusterStates", []),
            _time(self._get("CreatedAfter")),
            _time(self._get("CreatedBefore")),
        )
        return self._page("Clusters", [describing.summary(cluster) for cluster in found])

    def terminate_job_flows(self) -> ActionResult:
        """TerminateJobFlows: returns at once, the clusters are TERMINATING."""
        self.backend.terminate(self._get("JobFlowIds"))
        return EmptyResult()

    def set_termination_protection(self) -> ActionResult:
        """SetTerminationProtection."""
        for cluster in self.backend.find_job_flows(self._get("JobFlowIds")):
            cluster.termination_protected = self._get("TerminationProtected")
        return EmptyResult()

    def set_visible_to_all_users(self) -> ActionResult:
        """SetVisibleToAllUsers."""
        for cluster in self.backend.find_job_flows(self._get("JobFlowIds")):
            cluster.visible = self._get("VisibleToAllUsers")
        return EmptyResult()

    def list_bootstrap_actions(self) -> ActionResult:
        """ListBootstrapActions."""
        return self._page("BootstrapActions", describing.bootstrap_actions(self._cluster()))

    # Instances

    def list_instance_groups(self) -> ActionResult:
        """ListInstanceGroups."""
        return self._page("InstanceGroups", [group.describe() for group in self._cluster().groups])

    def list_instances(self) -> ActionResult:
        """ListInstances, by group, type of group and state."""
        cluster = self._cluster()
        group_id, roles = self._get("InstanceGroupId"), self._get("InstanceGroupTypes")
        states = self._get("InstanceStates")
        if self._get("InstanceFleetId") or self._get("InstanceFleetType"):
            raise InvalidRequestException("Instance fleets and instance groups are mutually exclusive.")
        found = [
            instance
            for group in cluster.groups
            if group_id in (None, group.id) and (not roles or group.role in roles)
            for instance in group.describe_instances(describing.master_address(cluster))
            if not states or instance["Status"]["State"] in states
        ]
        return self._page("Instances", found)

    # Steps

    def list_steps(self) -> ActionResult:
        """ListSteps, by id and state; newest first without either."""
        ids = self._get("StepIds", [])
        if len(ids) > MAX_STEP_IDS:
            raise InvalidRequestException(f"At most {MAX_STEP_IDS} StepIds are allowed.")
        found = self._cluster().steps.listed(ids, self._get("StepStates"))
        return self._page("Steps", [step.describe() for step in found])

    def describe_step(self) -> ActionResult:
        """DescribeStep."""
        return ActionResult({"Step": self._cluster().steps.find(self._get("StepId")).describe()})

    def add_job_flow_steps(self) -> ActionResult:
        """AddJobFlowSteps: returns at once, the steps are PENDING."""
        if self._get("ExecutionRoleArn"):
            raise ValidationException("ExecutionRoleArn is not played by local_aws.")
        return ActionResult({"StepIds": self.backend.add_steps(self._get("JobFlowId"), self._get("Steps"))})

    def cancel_steps(self) -> ActionResult:
        """CancelSteps: whichever the StepCancellationOption, a running step is ended with its workers."""
        steps = self.backend.find_live(self._get("ClusterId")).steps
        return ActionResult({"CancelStepsInfoList": steps.cancel(self._get("StepIds"))})

    # Policies

    def get_auto_termination_policy(self) -> ActionResult:
        """GetAutoTerminationPolicy."""
        policy = self._cluster().auto_termination_policy
        return ActionResult({"AutoTerminationPolicy": policy} if policy else {})

    def put_auto_termination_policy(self) -> ActionResult:
        """PutAutoTerminationPolicy."""
        cluster = self.backend.find_live(self._get("ClusterId"))
        policy = self._get("AutoTerminationPolicy")
        parameters.check_auto_termination(policy)
        cluster.auto_termination_policy = policy
        return EmptyResult()

    def remove_auto_termination_policy(self) -> ActionResult:
        """RemoveAutoTerminationPolicy."""
        self.backend.find_live(self._get("ClusterId")).auto_termination_policy = None
        return EmptyResult()

    def get_block_public_access_configuration(self) -> ActionResult:
        """GetBlockPublicAccessConfiguration: until it is put, the default of every account."""
        default = describing.block_public_access(self.current_account, self.region)
        return ActionResult(default | self.backend.block_public_access)

    def put_block_public_access_configuration(self) -> ActionResult:
        """PutBlockPublicAccessConfiguration: kept and shown; clusters are started whatever it says."""
        asked = self._get("BlockPublicAccessConfiguration")
        if asked.get("Classification") or asked.get("Configurations") or asked.get("Properties"):
            raise ValidationException("Only the block and its permitted ranges are played by local_aws.")
        self.backend.block_public_access = {"BlockPublicAccessConfiguration": asked}
        return EmptyResult()

    def _page(self, key: str, found: list[Any]) -> ActionResult:
        """The page that the request's Marker asks for; moto's pages can't be made of dictionaries."""
        start = int(self._get("Marker", 0))
        more = {"Marker": str(start + PAGE)} if start + PAGE < len(found) else {}
        return ActionResult({key: found[start : start + PAGE], **more})

    # Tags

    def add_tags(self) -> ActionResult:
        """AddTags."""
        cluster = self.backend.find(self._get("ResourceId"))
        added = {tag["Key"]: tag.get("Value", "") for tag in self._get("Tags")}
        merged = cluster.tags | added
        parameters.check_tags({"Key": key, "Value": value} for key, value in merged.items())
        cluster.tags = merged
        return EmptyResult()

    def remove_tags(self) -> ActionResult:
        """RemoveTags."""
        cluster = self.backend.find(self._get("ResourceId"))
        removed = set(self._get("TagKeys"))
        cluster.tags = {key: value for key, value in cluster.tags.items() if key not in removed}
        return EmptyResult()

    # Releases

    def describe_release_label(self) -> ActionResult:
        """DescribeReleaseLabel: of a release that can be played, the newest by default."""
        label = self._get("ReleaseLabel") or releases.labels()[0]
        return ActionResult({"ReleaseLabel": label, "Applications": releases.applications(label)})

    def list_release_labels(self) -> ActionResult:
        """ListReleaseLabels: those that can be played, newest first."""
        wanted = self._get("Filters", {})
        found = releases.labels(wanted.get("Prefix", ""), wanted.get("Application", ""))
        start = int(self._get("NextToken", 0))
        end = start + self._get("MaxResults", PAGE)
        more = {"NextToken": str(end)} if end < len(found) else {}
        return ActionResult({"ReleaseLabels": found[start:end], **more})


def _time(epoch_seconds: float | None) -> datetime | None:
    """A point in time as moto keeps them: UTC, without saying so."""
    if epoch_seconds is None:
        return None
    return datetime.fromtimestamp(epoch_seconds, UTC).replace(tzinfo=None)
