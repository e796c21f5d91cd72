"""What our operators share: request the work, look once, then wait deferred or in the worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Generic, NoReturn, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.sdk import Context
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.triggers.base import WaitTrigger, result_of

HookType = TypeVar("HookType", bound=AwsGenericHook[Any])

SKIP_REASON = "skip_reason"
"""The XCom key under which a task leaves why it was right to skip: see ``task_groups.run``."""


def skip_with_reason(context: Mapping[str, Any], reason: str) -> NoReturn:
    """End a task as skipped where that is a good end of the run.

    Airflow also skips the tasks of a run that was stopped by hand; those leave no reason.
    """
    context["ti"].xcom_push(key=SKIP_REASON, value=reason)
    logging.getLogger(__name__).info("Skipped: %s", reason)  # Airflow does not log it
    raise AirflowSkipException(reason)


class AwsWaitingOperator(AwsBaseOperator[HookType], Generic[HookType]):
    """An operator that requests work from AWS and ends when the work has ended.

    A subclass requests the work in ``execute``, idempotently, and returns ``self.wait_for(context,
    trigger)``; what is left to do once the work is done goes into :meth:`complete`.

    :param timeout_seconds: the work's deadline, counted from the start of this try.
    :param deferrable: wait in the triggerer, or in the worker.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout_seconds = timeout_seconds
        self.deferrable = deferrable
        self._trigger: WaitTrigger | None = None
        self._deadline_at: float | None = None
        self._killed = False

    @property
    def trigger_parameters(self) -> dict[str, Any]:
        """The parameters every :class:`WaitTrigger` takes: the connection settings and the deadline.

        All waits of one try share its deadline.
        """
        if self._deadline_at is None:
            self._deadline_at = time.time() + self.timeout_seconds
        return {
            "deadline_at": self._deadline_at,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def wait_for(self, context: Context, trigger: WaitTrigger, carry: dict[str, Any] | None = None) -> Any:
        """Look once, since a deferral costs seconds; then defer, or wait here.

        :param carry: JSON that :meth:`complete` finds in its result, for work of several steps.
        :raises SageMakerEmrError: the task was killed while it requested the work.
        """
        self._trigger = trigger
        if self._killed:
            trigger.stop()
            raise SageMakerEmrError(f"The task was killed while it requested {trigger.describe()}")
        result = trigger.look_tolerantly()
        if result is None:
            if self.deferrable:
                kwargs = {"carry": carry} if carry else None
                self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs)
            result = trigger.wait()
        return self.complete(context, {**result, **(carry or {})})

    def execute_complete(
        self, context: Context, event: dict[str, Any], carry: dict[str, Any] | None = None
    ) -> Any:
        """Resume after the trigger fired.

        :raises SageMakerEmrError: what the trigger found.
        """
        self._deadline_at = event.get("deadline_at")
        return self.complete(context, {**result_of(event), **(carry or {})})

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """What is left to do once the work is done; its value is the task's return value.

        It may end with another :meth:`wait_for` where the work has several steps.
        """
        return result

    def on_kill(self) -> None:
        """Stop the work.

        Airflow calls this from a signal handler and then lets ``execute`` go on: what is being requested
        just now may not be there yet to be stopped, so :meth:`wait_for` stops it again.
        """
        self._killed = True
        if self._trigger is not None:
            self._trigger.stop()
