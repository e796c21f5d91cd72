"""Which service and operation a request is for.

The service comes from the signature's credential scope (``signing_names.json`` tells the services whose
signing name is another), the operation from the target header, the ``Action`` or the REST route. A service's
model is loaded only where the route or a shared signing name needs it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

CREDENTIAL = re.compile(r"[^/=]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
CBOR_PATH = re.compile(r"/service/[^/]+/operation/(?P<operation>[^/]+)")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Identity:
    """A request's service (boto3's name), operation and Region, as far as they can be told."""

    service: str | None
    operation: str | None
    region: str | None


def identify(environ: dict[str, Any]) -> Identity:
    """Who and what a WSGI request is for; its body stays readable."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    scope = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION") or query.get("X-Amz-Credential", [""])[0])
    region = scope["region"] if scope else None
    candidates = _services(scope["service"]) if scope else ["s3"]
    cbor = CBOR_PATH.fullmatch(environ["PATH_INFO"])
    if cbor:
        return Identity(candidates[0], cbor["operation"], region)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        prefix, _, operation = target.rpartition(".")
        return Identity(_with_target(candidates, prefix), operation, region)
    action = _action(environ)
    if action:
        return Identity(_with_operation(candidates, action), action, region)
    return Identity(*_by_route(candidates, environ), region)


@cache
def _signing_names() -> dict[str, list[str]]:
    names: dict[str, list[str]] = json.loads(Path(__file__).with_name("signing_names.json").read_text())
    return names


def _services(signing_name: str) -> list[str]:
    return _signing_names().get(signing_name, [signing_name])


@cache
def _model(service: str) -> Any:
    return get_service_model(service)


def _with_target(candidates: list[str], prefix: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    return next((c for c in candidates if _model(c).metadata.get("targetPrefix") == prefix), candidates[0])


def _with_operation(candidates: list[str], operation: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    return next((c for c in candidates if operation in _model(c).operation_names), candidates[0])


def _action(environ: dict[str, Any]) -> str | None:
    if not environ.get("CONTENT_TYPE", "").startswith(FORM):
        return None
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    actions = parse_qs(body.decode("utf-8", "replace")).get("Action")
    return actions[0] if actions else None


def _by_route(candidates: list[str], environ: dict[str, Any]) -> tuple[str | None, str | None]:
    for service in candidates:
        try:
            if not _model(service).protocol.startswith("rest"):
                continue
            operation, _ = get_service_router(service).match(Request(dict(environ)))
        except (HTTPException, ValueError, LookupError):
            continue
        return service, operation.name
    return (candidates[0] if candidates else None), None
