"""The SageMaker runtime's operations."""

from __future__ import annotations

from urllib.parse import unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse as MotoSageMakerRuntimeResponse

FORWARDED = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")
NOT_PLAYED = (
    *("X-Amzn-SageMaker-Target-Model", "X-Amzn-SageMaker-Target-Container-Hostname"),
    *(
        "X-Amzn-SageMaker-Enable-Explanations",
        "X-Amzn-SageMaker-Inference-Component",
        "X-Amzn-SageMaker-Session-Id",
    ),
)
MAX_BODY_BYTES = 26_214_400


class NotPlayed(ServiceException):
    """A part of the runtime that is absent here."""

    code = "ValidationError"


class SageMakerRuntimeResponse(MotoSageMakerRuntimeResponse):
    """InvokeEndpoint; the asynchronous kind is refused, where moto makes an answer up."""

    use_raw_body = True

    def invoke_endpoint(self) -> TYPE_RESPONSE:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"""
        for name in NOT_PLAYED:
            if name in self.headers:
                raise NotPlayed(f"{name} is not played by the embedded AWS")
        if len(self.body) > MAX_BODY_BYTES:
            raise NotPlayed(f"Body must have length less than or equal to {MAX_BODY_BYTES}")
        variant, answer = self.sagemakerruntime_backend.invoke(
            unquote(self.path.split("/")[2]),
            self.headers.get("X-Amzn-SageMaker-Target-Variant", ""),
            self.body,
            {name: self.headers[name] for name in FORWARDED if name in self.headers},
        )
        return (
            200,
            {"Content-Type": answer.content_type, "x-Amzn-Invoked-Production-Variant": variant},
            answer.body,
        )

    def invoke_endpoint_async(self) -> TYPE_RESPONSE:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html"""
        raise NotPlayed("InvokeEndpointAsync is not played by the embedded AWS")
