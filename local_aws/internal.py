"""boto3 clients that call this server from inside itself, without a socket.

CloudFormation makes a resource by calling its service's API. Ours does the same, so a stack's resource is
exactly what the API would have made, parameters are checked against the service's model, and a failure
carries the service's own error. Such calls are not part of the log of requests received. Those made for a
stack are made on behalf of whoever asked for the stack (``local_aws.iam.enforcement``).
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local_aws.identify import identify
from local_aws.persistence import requests as persisted

ENDPOINT = "http://localhost"


class _Body(io.BytesIO):
    """What botocore reads of a urllib3 response."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@cache
def client(service: str, region: str) -> Any:
    """A client of this server; thread-safe, as botocore's clients are.

    :raises botocore.exceptions.ClientError: from its methods, as any client's.
    """
    from local_aws.server import application

    session = botocore.session.Session(profile=None)
    made = session.create_client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id="AKIAINTERNALCALLS000",
        aws_secret_access_key="internal",  # noqa: S106
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return _call(application(), request)

    events: Any = made.meta.events
    events.register("before-send", send)
    return made


def _call(app: Any, request: AWSPreparedRequest) -> AWSResponse:
    answer: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        answer.update(status=int(status.split()[0]), headers=dict(headers))

    from local_aws.errors import answer as error_answer
    from local_aws.iam import enforcement

    environ = _environ(request)
    principal = enforcement.stack_principal()
    identity = identify(environ)
    try:
        if principal:
            enforcement.check(principal, environ, identity)
        with persisted.inside(environ, identity), enforcement.as_principal(None):
            body = b"".join(app(environ, start_response))
    except enforcement.AccessDenied as error:
        status, headers, body = error_answer(environ, identity, error, 403)
        answer.update(status=status, headers=dict(headers))
    return AWSResponse(request.url, answer["status"], answer["headers"], _Body(body))


def _environ(request: AWSPreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path, "latin-1"),
        "RAW_URI": url.path + (f"?{url.query}" if url.query else ""),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "HTTP_HOST": url.netloc,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = (
            value.decode() if isinstance(value, bytes) else value
        )
    return environ
