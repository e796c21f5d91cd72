"""What our sensors share: a sensor is a wait without a request, for those who chain their own."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.sdk import Context
from airflow.sdk.configuration import conf

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.triggers.base import WaitTrigger, result_of

HookType = TypeVar("HookType", bound=AwsGenericHook[Any])


class AwsWaitSensor(AwsBaseSensor[HookType], Generic[HookType]):
    """A sensor over a :class:`WaitTrigger`; the standard ``timeout`` is its deadline.

    A passed deadline fails the task without a retry, as in Airflow's own sensors.

    :param deferrable: wait in the triggerer, or in the worker.
    :raises InvalidInput: ``mode="reschedule"``. Each of its pokes is a new process that knows neither the
        deadline nor what the looks before it saw; ``deferrable=True`` frees the slot and keeps both.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.reschedule:
            raise InvalidInput(
                f'{type(self).__name__} can\'t have mode="reschedule"',
                reason="each poke would be a new process, without the deadline and what was seen before",
                next_step="Set deferrable=True: it frees the worker's slot while waiting.",
            )
        self.deferrable = deferrable

    @abstractmethod
    def trigger(self) -> WaitTrigger:
        """The wait, built from the sensor's parameters and :attr:`trigger_parameters`."""

    @property
    def trigger_parameters(self) -> dict[str, Any]:
        """The parameters every :class:`WaitTrigger` takes: the connection settings and the deadline."""
        return {
            "deadline_at": time.time() + float(self.timeout),
            "deadline_is_final": True,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def execute(self, context: Context) -> Any:
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
