"""What our AWS hooks share: bounded retries and timeouts, an explained throttling, waiters of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook, SessionFactory
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from botocore.config import Config
from botocore.exceptions import ClientError

from sagemaker_emr.refusals import tell_next_step
from sagemaker_emr.transient import is_throttling

WAITERS = Path(__file__).parent.parent / "waiters"

TRIES = 8
"""With three of ten calls throttled, one in 15,000 is so each time, which takes 35 s, and 71 at most."""

BOUNDS = Config(
    retries={"mode": "standard", "total_max_attempts": TRIES}, connect_timeout=10, read_timeout=60
)
"""botocore's standard mode: jittered, doubling up to 20 s, with a retry quota per client. Seconds."""

_GONE = ("NotFound", "NoSuchBucket")
_NUMBERS_OF_TRIES = ("max_attempts", "total_max_attempts")


def bounded(own: Config | None) -> Config:
    """A user's configuration over :data:`BOUNDS`: what it does not say stays bounded."""
    if own is None:
        return BOUNDS
    asked: dict[str, Any] = vars(own).get("retries") or {}
    ours: dict[str, Any] = vars(BOUNDS)["retries"]
    if any(number in asked for number in _NUMBERS_OF_TRIES):
        ours = {name: value for name, value in ours.items() if name not in _NUMBERS_OF_TRIES}
    retries: Any = {**ours, **asked}
    return BOUNDS.merge(own).merge(Config(retries=retries))


class ExplainingSessions(SessionFactory):
    """Sessions that say what to do where the connection's role can't be assumed, at first or when its
    credentials are renewed."""

    def _create_basic_session(self, session_kwargs: dict[str, Any]) -> Any:
        session = super()._create_basic_session(session_kwargs)
        session.events.register("after-call.sts", tell_next_step, unique_id="sagemaker-emr-next-step")
        return session


class AwsHook(AwsGenericHook[Any]):
    """A client of any AWS service, bounded by :data:`BOUNDS`.

    All clients of this package come from here. The bounds give way to the ``config_kwargs`` of the
    connection's extra and to an operator's ``botocore_config``, option by option; as in Airflow, the latter
    replaces the former.
    """

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The connection; session and client take their configuration from here."""
        wrapper = super().conn_config
        wrapper.botocore_config = bounded(wrapper.botocore_config)
        return wrapper

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """As the provider's, by way of :class:`ExplainingSessions`."""
        sessions = ExplainingSessions(conn=self.conn_config, region_name=region_name, config=self.config)
        return sessions.create_session(deferrable=deferrable)

    def get_client_type(
        self, region_name: str | None = None, config: Config | None = None, deferrable: bool = False
    ) -> Any:
        """A client that says what to do about throttling."""
        client = super().get_client_type(region_name, config, deferrable)
        client.meta.events.register("after-call", _explain_throttling, unique_id="explain-throttling")
        return client


class ServiceHook(AwsHook):
    """A thin hook over one AWS service.

    A subclass names the service in ``service`` and, where it has waiters, keeps them in
    ``waiters/<service>.json``.
    """

    service: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, client_type=self.service, **kwargs)

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


def ask_to_delete(call: Callable[..., Any], **arguments: Any) -> None:
    """Ask EC2, EFS or S3 for a deletion. What is gone is as it should be: botocore may have asked before.

    https://docs.aws.amazon.com/AWSEC2/latest/devguide/errors-overview.html
    """
    try:
        call(**arguments)
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith(_GONE):
            raise


def _explain_throttling(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Add the next step to the message that botocore raises when all tries were throttled.

    The error stays botocore's, so that who handles one code goes on doing so.
    """
    error, metadata = parsed.get("Error"), parsed.get("ResponseMetadata", {})
    if not error or error.get("Code") == "LimitExceededException" or not is_throttling(parsed):
        return
    tries = metadata.get("RetryAttempts", 0) + 1
    error["Message"] = (
        f"{error.get('Message') or 'throttled'}\n"
        f"Next step: {model.service_model.service_name} throttled {model.name} {tries} times in a row. Clear "
        "the task in some minutes. If it comes again, let fewer tasks run at once, or ask for a higher quota "
        "of requests."
    )
