"""Errors of the server itself, in the protocol of the service that was called."""

from __future__ import annotations

import json
import uuid
import warnings
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.request import determine_request_protocol
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from local_aws.identify import Identity

Answer = tuple[int, list[tuple[str, str]], bytes]


class NotImplementedByLocalAws(ServiceException):
    """Neither moto nor local_aws plays the operation."""

    code = "NotImplemented"


class InternalFailure(ServiceException):
    """Something broke inside moto or local_aws."""

    code = "InternalFailure"


def answer(environ: dict[str, Any], identity: Identity, error: ServiceException, status: int) -> Answer:
    """An error as the service's protocol has it: JSON when that can't be told."""
    try:
        headers, body = _serialized(environ, identity, error)
    except Exception:
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        body = json.dumps({"__type": error.code, "message": str(error)}).encode()
    sent = [(name, str(value)) for name, value in headers.items() if name.lower() != "content-length"]
    sent += [("Content-Length", str(len(body))), ("x-amzn-RequestId", str(uuid.uuid4()))]
    return status, sent, body


def _serialized(
    environ: dict[str, Any], identity: Identity, error: ServiceException
) -> tuple[dict[str, Any], bytes]:
    model = get_service_model(str(identity.service))
    operation = model.operation_model(identity.operation or model.operation_names[0])
    content_type = environ.get("CONTENT_TYPE", "").split(";")[0] or None
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        protocol = "smithy-rpc-v2-cbor"
    else:
        protocol = determine_request_protocol(model, content_type)
    serializer = get_serializer_class(str(identity.service), protocol)(operation_model=operation)
    with warnings.catch_warnings():
        # These codes are in no service's model, on which moto's serializer remarks.
        warnings.simplefilter("ignore", UserWarning)
        made = serializer.serialize(error)
    body = made["body"]
    return dict(made["headers"]), body.encode() if isinstance(body, str) else body
