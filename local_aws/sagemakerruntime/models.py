"""SageMaker's runtime: invocations go to the endpoint's real containers."""

from __future__ import annotations

from moto.core.exceptions import ServiceException
from moto.sagemaker.models import sagemaker_backends
from moto.sagemakerruntime import models as moto_models

from local_aws.sagemaker.hosting_container import Answer, Container
from local_aws.sagemaker.hosting_endpoint import Endpoint

SERVING = frozenset({"InService", "Updating", "RollingBack"})
TIMEOUT_MESSAGE = "Your invocation timed out while waiting for a response from container primary."
GONE_MESSAGE = "The container primary closed the connection."


class EndpointNotFound(ServiceException):
    """The runtime knows endpoints that are in service, and no others."""

    code = "ValidationError"


class ModelError(ServiceException):
    """The container answered with an error, or not at all (status 0)."""

    code = "ModelError"

    def __init__(self, message: str, status: int, original: str, log_stream: str) -> None:
        super().__init__(message)
        self.original_status_code, self.original_message, self.log_stream_arn = status, original, log_stream
        self.OriginalStatusCode, self.OriginalMessage, self.LogStreamArn = status, original, log_stream


class SageMakerRuntimeBackend(moto_models.SageMakerRuntimeBackend):
    """moto's backend with invocations that reach a model."""

    def invoke(
        self, endpoint_name: str, variant: str, body: bytes, headers: dict[str, str]
    ) -> tuple[str, Answer]:
        """An endpoint's answer, and the variant that gave it.

        :raises EndpointNotFound: no such endpoint or variant in service.
        :raises ModelError: the container's error.
        """
        endpoint = sagemaker_backends[self.account_id][self.region_name].endpoints.get(endpoint_name)
        container = self._container(endpoint, endpoint_name, variant)
        try:
            answer = container.invoke(body, headers)
        except TimeoutError:
            raise self._error(container, TIMEOUT_MESSAGE, 0, TIMEOUT_MESSAGE) from None
        except OSError:
            # An update may have ended this container between the choice and the call: ask the new one.
            container = self._container(endpoint, endpoint_name, variant)
            try:
                answer = container.invoke(body, headers)
            except OSError:
                raise self._error(container, GONE_MESSAGE, 0, GONE_MESSAGE) from None
        if answer.status >= 400:
            raise self._container_error(container, answer)
        return container.variant["VariantName"], answer

    def _container(self, endpoint: Endpoint | None, name: str, variant: str) -> Container:
        if endpoint is None or endpoint.status not in SERVING or endpoint.current is None:
            raise EndpointNotFound(f"Endpoint {name} of account {self.account_id} not found.")
        container = endpoint.current.choose(variant)
        if container is None:
            raise EndpointNotFound(f"Variant {variant} not found for endpoint {name}.")
        return container

    def _container_error(self, container: Container, answer: Answer) -> ModelError:
        text = answer.body.decode(errors="replace")
        kind = "client" if answer.status < 500 else "server"
        message = (
            f'Received {kind} error ({answer.status}) from primary with message "{text}". '
            f"See the log group {container.log.group} in account {self.account_id} for more information."
        )
        return self._error(container, message, answer.status, text)

    def _error(self, container: Container, message: str, status: int, original: str) -> ModelError:
        arn = (
            f"arn:{self.partition}:logs:{self.region_name}:{self.account_id}"
            f":log-group:{container.log.group}:log-stream:{container.log.name}"
        )
        return ModelError(message, status, original, arn)


moto_models.sagemakerruntime_backends.backend = SageMakerRuntimeBackend
