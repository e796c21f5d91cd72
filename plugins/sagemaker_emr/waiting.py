"""What our operators and our sensors share: look once, then wait deferred or in the worker."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from airflow.providers.amazon.aws.utils.mixins import AwsBaseHookMixin
from airflow.sdk import Context

from sagemaker_emr import airflow_versions
from sagemaker_emr.costs.budget import BUDGET, SpentAt
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.triggers.base import WaitTrigger, result_of

HookType = TypeVar("HookType", bound=AwsHook)


class WaitingMixin(AwsBaseHookMixin[HookType], Generic[HookType]):
    """A task that waits with a :class:`WaitTrigger`, until a deadline that counts from the try's start.

    :ivar budget_from: id of the task that claimed the cluster, whose budget ends the wait too; None for none.
    """

    deferrable: bool
    deadline_is_final: ClassVar[bool] = False
    budget_from: str | None = None
    _deadline_at: float | None = None

    @property
    @abstractmethod
    def seconds_to_deadline(self) -> float:
        """The time that one try has."""

    @property
    def trigger_parameters(self) -> dict[str, Any]:
        """The parameters every :class:`WaitTrigger` takes: the connection settings and the deadline.

        All waits of one try share its deadline.
        """
        if self._deadline_at is None:
            self._deadline_at = time.time() + self.seconds_to_deadline
        return {
            "deadline_at": self._deadline_at,
            "deadline_is_final": self.deadline_is_final,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def budget(self, context: Context) -> SpentAt | None:
        """When the run's cluster has used up its budget; None without one."""
        if self.budget_from is None:
            return None
        found: SpentAt | None = context["ti"].xcom_pull(task_ids=self.budget_from, key=BUDGET)
        return found

    def wait_for(self, context: Context, trigger: WaitTrigger, carry: dict[str, Any] | None = None) -> Any:
        """Look once, since a deferral costs seconds; then defer, or wait here.

        :param carry: JSON that :meth:`complete` finds in its result, for work of several steps.
        """
        trigger.budget = self.budget(context)
        result = trigger.look_tolerantly()
        if result is None:
            if self._may_defer(trigger):
                kwargs = {"carry": carry} if carry else None
                self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs)
            result = trigger.wait()
        return self.complete(context, {**result, **(carry or {})})

    def _may_defer(self, trigger: WaitTrigger) -> bool:
        """Whether to wait in the triggerer: not where a kill would leave the work going on."""
        if not self.deferrable or airflow_versions.TRIGGERS_ARE_KILLED or not trigger.stops_the_work:
            return self.deferrable
        self.log.info("Waiting in the worker: this Airflow tells no trigger that its task was killed")
        return False

    def execute_complete(
        self, context: Context, event: dict[str, Any], carry: dict[str, Any] | None = None
    ) -> Any:
        """Resume after the trigger fired.

        :raises SageMakerEmrError: what the trigger found.
        """
        self._deadline_at = event.get("deadline_at")
        return self.complete(context, {**result_of(event), **(carry or {})})

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """What is left to do once the wait is over; its value is the task's return value.

        It may end with another :meth:`wait_for` where the work has several steps.
        """
        return result
