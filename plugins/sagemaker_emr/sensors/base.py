"""What our sensors share: a sensor is a wait without a request, for those who chain their own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.sdk import Context

from sagemaker_emr.airflow_versions import conf
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.triggers.base import WaitTrigger
from sagemaker_emr.waiting import HookType, WaitingMixin


class AwsWaitSensor(WaitingMixin[HookType], AwsBaseSensor[HookType], Generic[HookType]):
    """A sensor over a :class:`WaitTrigger`; the standard ``timeout`` is its deadline.

    A passed deadline fails the task without a retry, as in Airflow's own sensors.

    :param deferrable: wait in the triggerer, or in the worker.
    :param budget_from: as of :class:`~sagemaker_emr.operators.base.AwsWaitingOperator`.
    :raises InvalidInput: ``mode="reschedule"``. Each of its pokes is a new process that knows neither the
        deadline nor what the looks before it saw; ``deferrable=True`` frees the slot and keeps both.
    """

    deadline_is_final = True

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        budget_from: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.budget_from = budget_from
        if self.reschedule:
            raise InvalidInput(
                f'{type(self).__name__} can\'t have mode="reschedule"',
                reason="each poke would be a new process, without the deadline and what was seen before",
                next_step="Set deferrable=True: it frees the worker's slot while waiting.",
            )
        self.deferrable = deferrable

    @property
    def seconds_to_deadline(self) -> float:
        return float(self.timeout)

    @abstractmethod
    def trigger(self) -> WaitTrigger:
        """The wait, built from the sensor's parameters and :attr:`trigger_parameters`."""

    def execute(self, context: Context) -> Any:
        return self.wait_for(context, self.trigger())
