"""IAM for callers that assumed a role: their role's policies are evaluated before each request.

Callers with a user's access key are not restrained; the local user administers the account. CloudFormation
acts on behalf of whoever asked for a stack operation, so the requests by which it makes resources are
evaluated for the same role (forward access sessions), Service Catalog's types by what their schemas say that
their handlers need. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html

A role that does not exist can't be assumed. Not evaluated: a role's trust when it is assumed, session and
resource-based policies, permissions of users, condition keys other than ``aws:RequestedRegion``,
``iam:PassedToService``, ``iam:AWSServiceName`` and ``servicecatalog:accountLevel``, which is always ``self``.
A resource that the request does not name has ``*`` for its name (``local_aws.iam.authorization``).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.utilities.utils import get_partition

from local_aws.iam.authorization import PREFIXES, Needed, Place, needed
from local_aws.iam.evaluation import decision
from local_aws.identify import CREDENTIAL, Identity
from local_aws.servicecatalog.permissions import Caller, caller, role_by_arn

CODES = {"ec2": "UnauthorizedOperation", "iam": "AccessDenied", "s3": "AccessDenied"}
"""Of services whose error is not AccessDeniedException."""

_requester: ContextVar[Caller | None] = ContextVar("requester", default=None)
_principal: ContextVar[Caller | None] = ContextVar("principal", default=None)


class AccessDenied(ServiceException):
    """AWS's refusal; the code is the service's."""

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        default = "AccessDenied" if service in ("cloudformation", "sts") else "AccessDeniedException"
        self.code = CODES.get(service, default)


class Decisions:
    """What was asked of roles and how it was answered; thread-safe."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], bool] = {}
        self._lock = threading.Lock()

    def add(self, role: str, need: Needed, allowed: bool) -> None:
        """Note an answer."""
        with self._lock:
            self._made[role, need.action, need.resource] = allowed

    def forget(self) -> None:
        """Begin anew: the roles are gone."""
        with self._lock:
            self._made.clear()

    def all(self) -> list[dict[str, Any]]:
        """Each role's ``action`` and ``resource`` with the last answer."""
        with self._lock:
            made = list(self._made.items())
        return [{"role": r, "action": a, "resource": x, "allowed": allowed} for (r, a, x), allowed in made]


decisions = Decisions()


def session(environ: dict[str, Any], region: str | None) -> Caller | None:
    """The assumed-role session that made a request; None for anybody else."""
    found = _caller(environ, region or "us-east-1")
    return found if ":assumed-role/" in found.arn else None


def _caller(environ: dict[str, Any], region: str) -> Caller:
    """Whose access key signed a request; the account's root user, as ``caller`` has it, where none did."""
    scope = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return caller(scope[0].split("/")[0] if scope else "", DEFAULT_ACCOUNT_ID, region)


@contextmanager
def requested_by(principal: Caller | None) -> Iterator[None]:
    """While a request is answered; a stack operation that starts meanwhile is on the caller's behalf."""
    token = _requester.set(principal)
    try:
        yield
    finally:
        _requester.reset(token)


def requester() -> Caller | None:
    """The assumed-role session whose request is being answered."""
    return _requester.get()


def on_behalf(principal: Caller | None, operation: Callable[[], None]) -> Callable[[], None]:
    """A stack operation for another thread, with the permissions of whoever asked for it."""

    def run() -> None:
        _principal.set(principal)
        operation()

    return run


@contextmanager
def as_principal(principal: Caller | None) -> Iterator[None]:
    """What a service does of its own accord within a request is not the caller's doing."""
    token = _principal.set(principal)
    try:
        yield
    finally:
        _principal.reset(token)


def stack_principal() -> Caller | None:
    """On whose behalf CloudFormation acts in this thread."""
    return _principal.get()


def check(principal: Caller, environ: dict[str, Any], identity: Identity) -> None:
    """:raises AccessDenied: the role's policies don't allow the request."""
    service, operation = str(identity.service), str(identity.operation)
    place = _place(identity.region or "us-east-1")
    for need in needed(service, operation, _parameters(environ, service, operation), place):
        _require(principal, need, place, service)


def check_assumed(environ: dict[str, Any], identity: Identity) -> None:
    """:raises AccessDenied: AssumeRole names a role that is not there, which AWS tells as a refusal."""
    if (identity.service, identity.operation) != ("sts", "AssumeRole"):
        return
    region = identity.region or "us-east-1"
    role_arn = _parameters(environ, "sts", "AssumeRole").get("RoleArn", "")
    if role_by_arn(role_arn, DEFAULT_ACCOUNT_ID, region) is not None:
        return
    asking = _caller(environ, region).arn
    raise AccessDenied(
        "sts", f"User: {asking} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
    )


def check_type(region: str, permissions: list[str], role_arn: str | None) -> None:
    """What the handler of a resource type needs, where its class does not call the service's API.

    :param role_arn: the role that the resource hands over.
    :raises AccessDenied: the policies of whoever asked for the stack don't allow it.
    """
    principal, place = stack_principal(), _place(region)
    if principal is None:
        return
    for action in permissions:
        if action.startswith("servicecatalog:") and "ServiceAction" not in action:
            _require(principal, Needed(action, "*"), place, "servicecatalog")
    if role_arn:
        for action in ("iam:GetRole", "iam:PassRole"):
            _require(principal, Needed(action, role_arn), place, "servicecatalog")


def _place(region: str) -> Place:
    return Place(DEFAULT_ACCOUNT_ID, region, get_partition(region))


def _require(principal: Caller, need: Needed, place: Place, service: str) -> None:
    role_arn = next(iter(principal.principals))
    role = role_by_arn(role_arn, place.account_id, place.region)
    context = {
        "aws:RequestedRegion": place.region,
        "servicecatalog:accountLevel": "self",
        **dict(need.context),
    }
    found = decision(role, need.action, need.resource, context) if role else "implicitDeny"
    decisions.add(role_arn, need, found == "allowed")
    if found == "allowed":
        return
    why = (
        "with an explicit deny in an identity-based policy"
        if found == "explicitDeny"
        else f"because no identity-based policy allows the {need.action} action"
    )
    raise AccessDenied(
        PREFIXES.get(service, service),
        f"User: {principal.arn} is not authorized to perform: {need.action} on resource: {need.resource} "
        f"{why}",
    )


def _parameters(environ: dict[str, Any], service: str, operation: str) -> dict[str, Any]:
    """A request's parameters by the service's model; its body stays readable."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    model = get_service_model(service)
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    protocol = determine_request_protocol(model, request.content_type)
    named: dict[str, Any] = {}
    if protocol.startswith("rest"):
        _, named = get_service_router(service).match(Request({**environ, "wsgi.input": io.BytesIO(body)}))
    if service == "s3" and operation != "DeleteObjects":
        # An object's body is no parameter, and may be long.
        return {**named, **({"VersionId": request.args["versionId"]} if "versionId" in request.args else {})}
    parsed: dict[str, Any] = PROTOCOL_PARSERS[protocol](model.operation_model(operation)).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data or body,
            "url_path": request.path,
            "url_params": named,
        }
    )
    return {**named, **parsed}
