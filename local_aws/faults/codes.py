"""The error codes of AWS's services, with their HTTP status."""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core.utils import get_service_model

THROTTLING_CODES = (
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
)
"""Names under which a service's model lists its throttling error."""

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
THROTTLING_BY_PROTOCOL = {
    "rest-xml": ("SlowDown", 503),
    "ec2": ("RequestLimitExceeded", 503),
    "query": ("Throttling", 400),
}
THROTTLING = ("ThrottlingException", 400)

# What all services have in common, and S3's own:
# https://docs.aws.amazon.com/emr/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
STATUS = {
    "AccessDenied": 403,
    "ExpiredTokenException": 403,
    "InternalError": 500,
    "InternalFailure": 500,
    "InvalidClientTokenId": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NotFound": 404,
    "PreconditionFailed": 412,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "UnrecognizedClientException": 403,
}
CLIENT_ERROR, SERVICE_ERROR = 400, 500
SERVICE_FAULT = "Internal"
"""How the names of errors begin that are the service's fault, which not each model says."""


def throttling(service: str | None) -> tuple[str, int]:
    """Code and HTTP status of a service's throttling error: as its model has it, or its protocol."""
    model = _model(service)
    if model is None:
        return THROTTLING
    for code in THROTTLING_CODES:
        if code in model.shape_names:
            return code, status(service, code)
    return THROTTLING_BY_PROTOCOL.get(model.protocol, THROTTLING)


def status(service: str | None, code: str) -> int:
    """The HTTP status of an error, by the service's model where that lists it."""
    model = _model(service)
    for shape in model.error_shapes if model else ():
        if code not in (shape.name, shape.error_code):
            continue
        if told := shape.metadata.get("error", {}).get("httpStatusCode"):
            return int(told)
        if shape.metadata.get("fault"):
            return SERVICE_ERROR
    return STATUS.get(code, SERVICE_ERROR if code.startswith(SERVICE_FAULT) else CLIENT_ERROR)


@cache
def _model(service: str | None) -> Any:
    try:
        return get_service_model(str(service))
    except Exception:
        return None
