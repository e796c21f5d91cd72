"""What our AWS hooks share: botocore's standard retries, and waiters of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config

from sagemaker_emr.refusals import tell_next_step

WAITERS = Path(__file__).parent.parent / "waiters"

RETRIES = Config(retries={"mode": "standard", "max_attempts": 5})
"""botocore's standard mode: five tries in all, jittered, with a retry quota per client."""


class ServiceHook(AwsBaseHook):
    """A thin hook over one AWS service.

    A subclass names the service in ``service`` and, where it has waiters, keeps them in
    ``waiters/<service>.json``.
    """

    service: ClassVar[str]

    def __init__(self, *args: Any, config: Config | dict[str, Any] | None = None, **kwargs: Any) -> None:
        given = Config(**config) if isinstance(config, dict) else config
        super().__init__(
            *args,
            client_type=self.service,
            config=RETRIES.merge(given) if given else RETRIES,
            **kwargs,
        )

    def get_client_type(self, *args: Any, **kwargs: Any) -> Any:
        """A client whose errors also say what to do, where that is the same whatever was asked for."""
        client = super().get_client_type(*args, **kwargs)
        client.meta.events.register("after-call", tell_next_step, unique_id="sagemaker-emr-next-step")
        return client

    @property
    def waiter_path(self) -> Path:
        """The file of custom waiters, which the provider's ``get_waiter`` reads too."""
        return WAITERS / f"{self.service}.json"

    def waiter_model(self) -> dict[str, Any]:
        """The custom waiters, in the form of botocore's waiter files."""
        model: dict[str, Any] = json.loads(self.waiter_path.read_text())
        return model
