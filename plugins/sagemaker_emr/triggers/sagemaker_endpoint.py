"""Bringing a SageMaker endpoint to a configuration."""

from __future__ import annotations

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import EndpointFailed, EndpointUnusable, SageMakerEmrError
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.logs import LogsHook
from sagemaker_emr.hooks.sagemaker import (
    ENDPOINT_LOG_GROUP,
    ENDPOINT_STATES,
    EndpointState,
    SageMakerHook,
    is_busy,
    is_missing,
)
from sagemaker_emr.triggers.base import WaitTrigger

LOG_LINES = 100

_NEXT_STEPS = {
    EndpointState.DEAD: "The next try creates it anew.",
    EndpointState.MIXED: "It serves with a mix of the old and the new configuration. The next try updates it "
    "again.",
    EndpointState.OUT: "It takes no requests, and a retry meets it again. Delete it (DeleteEndpoint), so "
    "that this task creates it anew, or repair it until it is InService; then clear this task.",
}


class SageMakerEndpointTrigger(WaitTrigger):
    """Waits until an endpoint is InService with a given configuration, asking for it once it can be asked.

    An endpoint takes no request while another is under way, so the request may have to wait as well: each
    look does the next thing that the endpoint's state allows.

    :param model_name: the configuration's model, for the answer.
    :param trained_until: the last training day of our model: a model of a later one is left in its place;
        None to replace any.
    :param requested: whether our create or update was accepted, in this wait.
    :param tags: of an endpoint that is created.
    """

    hook_class: ClassVar[type[AwsHook]] = SageMakerHook

    def __init__(
        self,
        *,
        endpoint_name: str,
        endpoint_config_name: str,
        model_name: str,
        tags: list[dict[str, str]],
        trained_until: str | None = None,
        requested: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.endpoint_config_name = endpoint_config_name
        self.model_name = model_name
        self.tags = tags
        self.trained_until = trained_until
        self.requested = requested

    def describe(self) -> str:
        return f"endpoint {self.endpoint_name} with {self.endpoint_config_name}"

    def look(self) -> dict[str, Any] | None:
        """Look once, and ask for the next step.

        :raises EndpointFailed: with SageMaker's FailureReason.
        :raises EndpointUnusable: it is in a state that no request of ours ends.
        """
        endpoint = self.hook.find_endpoint(self.endpoint_name)
        if endpoint is None:
            self._create()
            return None
        status = endpoint["EndpointStatus"]
        self.report(f"Endpoint {self.endpoint_name} is {status}")
        state = ENDPOINT_STATES.of(status, self.endpoint_name)
        if state is EndpointState.OURS:
            self.requested = self.requested or _goes_to(endpoint) == self.endpoint_config_name
        if state in (EndpointState.OURS, EndpointState.OF_OTHERS):
            return None
        if state is EndpointState.SERVING:
            return self._in_service(endpoint)
        if self.requested or state is EndpointState.OUT:
            error = EndpointUnusable if state is EndpointState.OUT else EndpointFailed
            what = f"Endpoint {self.endpoint_name} is {status}"
            raise self._failed(endpoint, error, what, _NEXT_STEPS[state])
        if state is EndpointState.DEAD:
            self._delete_failed(endpoint)
        else:
            self._update(endpoint["EndpointConfigName"])
        return None

    def _in_service(self, endpoint: dict[str, Any]) -> dict[str, Any] | None:
        served = endpoint["EndpointConfigName"]
        newer = None if served == self.endpoint_config_name else self._newer(served)
        if newer:
            self.log.info(
                "Endpoint %s goes on serving %s: its model was trained until %s, ours until %s",
                *(self.endpoint_name, served, newer, self.trained_until),
            )
        if newer or served == self.endpoint_config_name:
            return {
                "endpoint_name": self.endpoint_name,
                "endpoint_config_name": self.endpoint_config_name,
                "model_name": self.model_name,
            }
        if self.requested:
            raise self._failed(
                endpoint,
                EndpointFailed,
                f"Endpoint {self.endpoint_name} could not be updated to {self.endpoint_config_name}",
                f"The previous endpoint keeps serving, with {served}. The next try updates it again.",
            )
        self._update(served)
        return None

    def _newer(self, served: str) -> str | None:
        """The last training day of what serves, where it is later than ours."""
        found: str | None = self.hook.newer_than(served, self.trained_until)
        return found

    def _create(self) -> None:
        if self.requested:
            raise EndpointFailed(
                f"Endpoint {self.endpoint_name} was deleted while it was waited for",
                next_step="The next try creates it anew.",
            )
        created = self.hook.create(
            "create_endpoint",
            EndpointName=self.endpoint_name,
            EndpointConfigName=self.endpoint_config_name,
            Tags=self.tags,
        )
        self.requested = created is not None
        if created:
            self.log.info("Creating endpoint %s with %s", self.endpoint_name, self.endpoint_config_name)

    def _update(self, previous: str) -> None:
        try:
            self.hook.conn.update_endpoint(
                EndpointName=self.endpoint_name, EndpointConfigName=self.endpoint_config_name
            )
        except ClientError as error:
            if not is_busy(error):
                raise
            return
        self.requested = True
        self.log.info(
            "Updating endpoint %s from %s to %s", self.endpoint_name, previous, self.endpoint_config_name
        )

    def _delete_failed(self, endpoint: dict[str, Any]) -> None:
        """DeleteEndpoint is the only operation that a Failed endpoint takes."""
        self.log.info(
            "Deleting endpoint %s, which failed before: %s", self.endpoint_name, endpoint.get("FailureReason")
        )
        try:
            self.hook.conn.delete_endpoint(EndpointName=self.endpoint_name)
        except ClientError as error:
            if not is_missing(error) and not is_busy(error):  # another try was faster
                raise

    def _failed(
        self, endpoint: dict[str, Any], error: type[SageMakerEmrError], what: str, next_step: str
    ) -> SageMakerEmrError:
        """The error, after the container's last words went to the task log."""
        group = f"{ENDPOINT_LOG_GROUP}/{self.endpoint_name}"
        for line in LogsHook(**self.connection).last_lines(group, "", LOG_LINES):
            self.log.info("%s", line)
        return error(what, reason=endpoint.get("FailureReason"), next_step=next_step)


def _goes_to(endpoint: dict[str, Any]) -> str:
    """The configuration that an operation under way leads to; EndpointConfigName is still the old one."""
    pending = endpoint.get("PendingDeploymentSummary") or {}
    return str(pending.get("EndpointConfigName") or endpoint["EndpointConfigName"])
