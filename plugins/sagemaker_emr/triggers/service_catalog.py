"""Waits for Service Catalog's records and for provisioned products to go."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.clusters import cluster_id_of, provisioning_failed
from sagemaker_emr.exceptions import SageMakerEmrError, TerminationFailed
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.service_catalog import RECORD_ENDED, ServiceCatalogHook, reasons
from sagemaker_emr.triggers.base import AwsWaiterTrigger

CHANGING_STATUSES = frozenset({"UNDER_CHANGE", "PLAN_IN_PROGRESS"})


class ServiceCatalogRecordSucceededTrigger(AwsWaiterTrigger):
    """Waits until a record has SUCCEEDED; only FAILED fails."""

    hook_class = ServiceCatalogHook
    waiter_name = "record_succeeded"

    def __init__(self, *, record_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.record_id = record_id

    def describe(self) -> str:
        return f"record {self.record_id}"

    def waiter_args(self) -> dict[str, Any]:
        return {"Id": self.record_id}

    def progress(self, response: dict[str, Any]) -> None:
        self.report(f"Record {self.record_id}: {response['RecordDetail']['Status']}")

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        _, outputs = self.hook.describe_record(self.record_id)
        return {"record_id": self.record_id, "outputs": outputs}

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        record, outputs = self.hook.describe_record(self.record_id)
        return provisioning_failed(record, outputs, self.connection)


class ServiceCatalogProductTerminatedTrigger(AwsWaiterTrigger):
    """Terminates a provisioned product as soon as it can be, and waits until it is gone.

    A product UNDER_CHANGE can't be terminated, whoever changes it: that is waited for first. One that is not
    found is gone only once it can't show any more: its record has ended, or a request had time to show.

    :param record_id: the record that provisioned it, by which its cluster is found.
    :param may_appear_until: for a request whose answer was lost: the time, in seconds since the epoch, until
        which its product may still show.
    """

    hook_class = ServiceCatalogHook
    waiter_name = "provisioned_product_terminated"

    def __init__(
        self,
        *,
        product_name: str,
        record_id: str | None = None,
        may_appear_until: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.product_name = product_name
        self.record_id = record_id
        self.may_appear_until = may_appear_until
        self._seen = False
        self._termination_id: str | None = None

    def describe(self) -> str:
        return f"provisioned product {self.product_name} to go"

    def waiter_args(self) -> dict[str, Any]:
        return {"Name": self.product_name}

    def look(self) -> dict[str, Any] | None:
        result = super().look()
        return None if result is not None and self._may_appear() else result

    def _may_appear(self) -> bool:
        if self._seen:
            return False
        if self.record_id:
            record, _ = self.hook.describe_record(self.record_id)
            self.report(f"Provisioned product {self.product_name}: not found, its record {record['Status']}")
            return record["Status"] not in RECORD_ENDED
        self.report(f"Provisioned product {self.product_name}: not found")
        return time.time() < self.may_appear_until

    def progress(self, response: dict[str, Any]) -> None:
        self._seen = True
        product = response["ProvisionedProductDetail"]
        self.record_id = self.record_id or self.hook.provisioning_record_id(product)
        self.report(f"Provisioned product {self.product_name}: {product['Status']}")
        if product["Status"] in CHANGING_STATUSES:
            return
        if self._termination_id is None:
            self._termination_id = self.hook.terminate(product)
            self.log.info("Asked to terminate %s: record %s", self.product_name, self._termination_id)
            return
        record, _ = self.hook.describe_record(self._termination_id)
        if record["Status"] == "FAILED":
            raise TerminationFailed(
                f"Provisioned product {self.product_name} could not be terminated",
                reason=reasons(record) or product.get("StatusMessage"),
                next_step=f"{self._end_cluster()} The product and its stack remain: remove the cause "
                "(often a permission that the launch role lacks). The next try asks anew; after the last, "
                "clear this task.",
            )

    def _end_cluster(self) -> str:
        """A cluster is paid by the second: when its product can't be terminated, end it alone."""
        try:
            cluster_id = cluster_id_of(self.record_id, self.connection) if self.record_id else None
            if cluster_id is None:
                return "No cluster of it is known."
            EmrHook(**self.connection).terminate(cluster_id)
        except ClientError as error:
            return f"Its cluster could not be ended either ({error}): see to it by hand."
        return f"Its cluster {cluster_id} was told to terminate."

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"gone": self.product_name, "record_id": self.record_id}

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        raise AssertionError(f"this waiter has no failure acceptor: {response}")
