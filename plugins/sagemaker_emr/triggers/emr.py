"""Waits for EMR clusters: until one is ready with Livy answering, and until one has ended."""

from __future__ import annotations

from typing import Any

import requests

from sagemaker_emr.clusters import provisioning_failed
from sagemaker_emr.exceptions import LivyUnreachable, ProvisioningFailed, SageMakerEmrError
from sagemaker_emr.hooks.emr import (
    CLUSTER_STATES,
    ENDED_STATES,
    ENDING_STATES,
    ClusterState,
    EmrHook,
    lifetime_seconds,
)
from sagemaker_emr.hooks.livy import LIVY_PORT, LivyClient, livy_address, unreachable
from sagemaker_emr.hooks.service_catalog import (
    CLUSTER_OUTPUT,
    RECORD_STATES,
    RecordState,
    ServiceCatalogHook,
)
from sagemaker_emr.triggers.base import AwsWaiterTrigger, WaitTrigger


class EmrClusterReadyTrigger(WaitTrigger):
    """Waits until a provisioning record succeeded, its cluster runs, and Livy answers on it.

    :param record_id: the record of the ProvisionProduct request.
    :param cluster_id: the cluster, where that is known; else it is looked up by the record.
    """

    hook_class = EmrHook

    def __init__(self, *, record_id: str | None = None, cluster_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.record_id = record_id
        self.cluster_id = cluster_id
        self._unreachable: tuple[dict[str, Any], str] | None = None

    def describe(self) -> str:
        return f"cluster {self.cluster_id}" if self.cluster_id else f"the cluster of record {self.record_id}"

    def look(self) -> dict[str, Any] | None:
        self._unreachable = None
        self.cluster_id = self.cluster_id or self._cluster_of_record(str(self.record_id))
        if self.cluster_id is None:
            return None
        cluster = self.hook.check_cluster(self.cluster_id)
        state = cluster["Status"]["State"]
        self.report(f"Cluster {self.cluster_id}: {state}")
        meaning = CLUSTER_STATES.of(state, self.cluster_id)
        if meaning is not ClusterState.READY or not cluster.get("MasterPublicDnsName"):
            return None
        return self._ask_livy(cluster)

    def _cluster_of_record(self, record_id: str) -> str | None:
        record, outputs = ServiceCatalogHook(**self.connection).describe_record(record_id)
        self.report(f"Record {self.record_id}: {record['Status']}")
        meaning = RECORD_STATES.of(record["Status"], record_id)
        if meaning is RecordState.FAILED:
            raise provisioning_failed(record, outputs, self.connection)
        if meaning is not RecordState.SUCCEEDED:
            return None
        if CLUSTER_OUTPUT not in outputs:
            raise ProvisioningFailed(
                f"Record {self.record_id} succeeded without an output {CLUSTER_OUTPUT}",
                reason=f"its outputs: {', '.join(sorted(outputs)) or 'none'}",
                next_step="The product's template must put the cluster's id out: run deploy_platform.",
            )
        return outputs[CLUSTER_OUTPUT]

    def _ask_livy(self, cluster: dict[str, Any]) -> dict[str, Any] | None:
        url = livy_address(cluster, LIVY_PORT)
        try:
            LivyClient(url, get_retries=0).version()
        except (requests.RequestException, LivyUnreachable) as error:
            self._unreachable = cluster, str(error)
            self.report(f"Cluster {cluster['Id']} runs, Livy does not answer yet: {error}")
            return None
        return {"cluster_id": cluster["Id"], "livy_url": url, "record_id": self.record_id}

    def deadline_error(self, stopped: str) -> SageMakerEmrError:
        if self._unreachable is None:
            return super().deadline_error(stopped)
        cluster, reason = self._unreachable
        group = cluster.get("Ec2InstanceAttributes", {}).get("EmrManagedMasterSecurityGroup", "")
        return unreachable(livy_address(cluster, LIVY_PORT), reason, group)


class EmrClusterTerminatedTrigger(AwsWaiterTrigger):
    """Waits until a cluster is TERMINATED or TERMINATED_WITH_ERRORS.

    :param terminate: end the cluster where it has not begun to end. For a cluster whose provisioned
        product is gone, so that nothing else will.
    """

    hook_class = EmrHook
    waiter_name = "cluster_terminated"

    def __init__(self, *, cluster_id: str, terminate: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_id = cluster_id
        self.terminate = terminate

    def describe(self) -> str:
        return f"cluster {self.cluster_id} to end"

    def waiter_args(self) -> dict[str, Any]:
        return {"ClusterId": self.cluster_id}

    def progress(self, response: dict[str, Any]) -> None:
        state = response["Cluster"]["Status"]["State"]
        self.report(f"Cluster {self.cluster_id}: {state}")
        if self.terminate and state not in ENDING_STATES:  # one in an unknown state too: it is paid for
            self.log.warning("Cluster %s outlived its product: terminating it", self.cluster_id)
            self.hook.terminate(self.cluster_id)
        CLUSTER_STATES.of(state, self.cluster_id)

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        cluster = response["Cluster"]
        return {
            "cluster_id": self.cluster_id,
            "cluster_seconds": lifetime_seconds(cluster),
            "state": cluster["Status"]["State"],
        }

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        raise AssertionError(f"no state other than {sorted(ENDED_STATES)} ends this wait: {response}")
