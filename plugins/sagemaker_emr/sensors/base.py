"""What our sensors share: a sensor is a wait without a request, for those who chain their own."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from airflow.sdk import Context, PokeReturnValue
from airflow.sdk.configuration import conf

from sagemaker_emr.triggers.base import WaitTrigger, result_of


class AwsWaitSensor(AwsBaseSensor[AwsHookType]):
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
        result = self.trigger().look()
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        trigger = self.trigger()
        result = trigger.look_tolerantly()
        if result is None:
            self.defer(trigger=trigger, method_name="execute_complete")
        return result

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Resume after the trigger fired.

        :raises SageMakerEmrError: what the trigger found.
        """
        return result_of(event)
