"""What our operators share: request the work, then wait for its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Generic, NoReturn

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.sdk import Context

from sagemaker_emr.airflow_versions import AirflowSkipException, conf
from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.triggers.base import WaitTrigger
from sagemaker_emr.waiting import HookType, WaitingMixin

SKIP_REASON = "skip_reason"
"""The XCom key under which a task leaves why it was right to skip: see ``task_groups.run``."""


def skip_with_reason(context: Mapping[str, Any], reason: str) -> NoReturn:
    """End a task as skipped where that is a good end of the run.

    Airflow also skips the tasks of a run that was stopped by hand; those leave no reason.
    """
    context["ti"].xcom_push(key=SKIP_REASON, value=reason)
    logging.getLogger(__name__).info("Skipped: %s", reason)  # Airflow does not log it
    raise AirflowSkipException(reason)


class AwsWaitingOperator(WaitingMixin[HookType], AwsBaseOperator[HookType], Generic[HookType]):
    """An operator that requests work from AWS and ends when the work has ended.

    A subclass requests the work in ``execute``, idempotently, and returns ``self.wait_for(context,
    trigger)``; what is left to do once the work is done goes into :meth:`complete`.

    :param timeout_seconds: the work's deadline, counted from the start of this try.
    :param deferrable: wait in the triggerer, or in the worker.
    :param budget_from: id of the task that claimed the cluster: the work also ends, for good, when the
        cluster has used up the run's budget. None for work that no budget ends.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        budget_from: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout_seconds = timeout_seconds
        self.budget_from = budget_from
        self.deferrable = deferrable
        self._trigger: WaitTrigger | None = None
        self._killed = False

    @property
    def seconds_to_deadline(self) -> float:
        return self.timeout_seconds

    def wait_for(self, context: Context, trigger: WaitTrigger, carry: dict[str, Any] | None = None) -> Any:
        """Wait for the work that was requested.

        :raises SageMakerEmrError: the task was killed while it requested the work.
        """
        self._trigger = trigger
        self._end_if_killed(trigger)
        return super().wait_for(context, trigger, carry)

    def defer(self, **kwargs: Any) -> NoReturn:
        """As Airflow's; a task that was killed meanwhile ends instead."""
        if self._trigger is not None:
            self._end_if_killed(self._trigger)
        super().defer(**kwargs)
        raise AssertionError("deferring raises")

    def _end_if_killed(self, trigger: WaitTrigger) -> None:
        if self._killed:
            trigger.kill()
            raise SageMakerEmrError(f"The task was killed while it requested {trigger.describe()}")

    def on_kill(self) -> None:
        """Stop the work.

        Airflow calls this from a signal handler and then lets ``execute`` go on, for 5 s at most: what is
        being requested just now may not be there yet to be stopped, so :meth:`wait_for` stops it again.
        """
        self._killed = True
        if self._trigger is not None:
            self._trigger.kill()
