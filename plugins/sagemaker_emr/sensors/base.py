"""What our sensors share: a sensor is a wait without a request, for those who chain their own."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.sdk import Context, PokeReturnValue
from airflow.sdk.configuration import conf

from sagemaker_emr.triggers.base import WaitTrigger, result_of

HookType = TypeVar("HookType", bound=AwsGenericHook[Any])


class AwsWaitSensor(AwsBaseSensor[HookType], Generic[HookType]):
    """A sensor over a :class:`WaitTrigger`; the standard ``timeout`` is its deadline.

    :param deferrable: wait in the triggerer, or in the worker.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    @abstractmethod
    def trigger(self) -> WaitTrigger:
        """The wait, built from the sensor's parameters and :attr:`trigger_parameters`."""

    @property
    def trigger_parameters(self) -> dict[str, Any]:
        """The parameters every :class:`WaitTrigger` takes: the connection settings and the deadline."""
        return {
            "deadline_at": time.time() + float(self.timeout),
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """One look, for ``mode="reschedule"`` alone; other waits run the trigger's own loop."""
        result = self.trigger().look_tolerantly()
        if result is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self.complete(context, result))

    def execute(self, context: Context) -> Any:
        if not self.deferrable and self.reschedule:
            return super().execute(context)
        trigger = self.trigger()
        result = trigger.look_tolerantly()
        if result is None:
            if self.deferrable:
                self.defer(trigger=trigger, method_name="execute_complete")
            result = trigger.wait()
        return self.complete(context, result)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Resume after the trigger fired.

        :raises SageMakerEmrError: what the trigger found.
        """
        return self.complete(context, result_of(event))

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """What is left to do once the wait is over; its value is the task's return value."""
        return result
