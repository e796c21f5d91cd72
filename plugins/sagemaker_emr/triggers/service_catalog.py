"""Waits for Service Catalog's records and for provisioned products to go."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.clusters import cluster_id_of, provisioning_failed
from sagemaker_emr.exceptions import SageMakerEmrError, TerminationFailed, UnknownState
from sagemaker_emr.hooks.emr import ENDING_STATES, EmrHook
from sagemaker_emr.hooks.service_catalog import (
    PRODUCT_STATES,
    RECORD_STATES,
    ProductState,
    RecordState,
    ServiceCatalogHook,
    reasons,
)
from sagemaker_emr.states import Meaning, StateTable
from sagemaker_emr.triggers.base import AwsWaiterTrigger


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
        status = response["RecordDetail"]["Status"]
        self.report(f"Record {self.record_id}: {status}")
        RECORD_STATES.of(status, self.record_id)

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
    :param may_appear_seconds: for a request whose answer was lost: how long its product may take to show.
        Counted by whoever waits, since the clocks of two machines differ.
    :param termination_id: the record of the termination that was asked for in this wait.
    """

    hook_class = ServiceCatalogHook
    waiter_name = "provisioned_product_terminated"

    def __init__(
        self,
        *,
        product_name: str,
        record_id: str | None = None,
        may_appear_seconds: float = 0.0,
        termination_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.product_name = product_name
        self.record_id = record_id
        self.may_appear_seconds = may_appear_seconds
        self.termination_id = termination_id
        self._seen = False
        self._missing_since: float | None = None

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
            return self._meaning(RECORD_STATES, record["Status"], self.record_id) is RecordState.GOING_ON
        self.report(f"Provisioned product {self.product_name}: not found")
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        return now - self._missing_since < self.may_appear_seconds

    def progress(self, response: dict[str, Any]) -> None:
        self._seen = True
        product = response["ProvisionedProductDetail"]
        self.record_id = self.record_id or self.hook.provisioning_record_id(product)
        self.report(f"Provisioned product {self.product_name}: {product['Status']}")
        state = self._meaning(PRODUCT_STATES, product["Status"], self.product_name)
        if state is ProductState.CHANGING:
            return
        if state is ProductState.PLANNED:
            self.hook.delete_plans(product)
            return
        if self.termination_id is None:
            self.termination_id = self.hook.terminate(product)
            self.log.info("Asked to terminate %s: record %s", self.product_name, self.termination_id)
            return
        record, _ = self.hook.describe_record(self.termination_id)
        if self._meaning(RECORD_STATES, record["Status"], self.termination_id) is RecordState.FAILED:
            raise TerminationFailed(
                f"Provisioned product {self.product_name} could not be terminated",
                reason=reasons(record) or product.get("StatusMessage"),
                next_step=f"{self._end_cluster()} The product and its stack remain: remove the cause "
                "(often a permission that the launch role lacks). The next try asks anew; after the last, "
                "clear this task.",
            )

    def _meaning(self, table: StateTable[Meaning], state: str, name: str) -> Meaning:
        """What a state means; an unknown one ends the cluster first, since that is paid."""
        try:
            return table.of(state, name)
        except UnknownState as error:
            told = f"{self._end_cluster()} {error.next_step}"
            raise UnknownState(error.what, reason=error.reason, next_step=told) from None

    def refusal(self, error: Exception) -> SageMakerEmrError:
        """The product can't be terminated now, for lack of a permission perhaps: its cluster may be."""
        return TerminationFailed(
            f"AWS refused a call while waiting for {self.describe()}",
            reason=str(error),
            next_step=f"{self._end_cluster()} The product and its stack remain until this task is cleared.",
        )

    def deadline_error(self, stopped: str) -> SageMakerEmrError:
        return super().deadline_error(f"{self._end_cluster()} The product goes on changing by itself.")

    def _end_cluster(self) -> str:
        """A cluster is paid by the second: when its product can't be terminated, end it alone.

        What came of it goes beside the reason why the product could not be, so it never fails.
        """
        try:
            cluster_id = cluster_id_of(self.record_id, self.connection) if self.record_id else None
            if cluster_id is None:
                return "No cluster of it is known."
            hook = EmrHook(**self.connection)
            state = hook.describe(cluster_id)["Status"]["State"]
            if state in ENDING_STATES:
                return f"Its cluster {cluster_id} is {state}."
            hook.terminate(cluster_id)
        except (BotoCoreError, ClientError) as error:
            return f"Its cluster could not be ended either, and may cost money ({error}): see to it by hand."
        return f"Its cluster {cluster_id} was told to terminate."

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"gone": self.product_name, "record_id": self.record_id}

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        raise AssertionError(f"this waiter has no failure acceptor: {response}")
