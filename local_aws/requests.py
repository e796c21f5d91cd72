"""The front of the server: notes each API call, answers failures in the service's protocol.

``GET /_local/health``
    ``{"status": "ok", "pid": ...}``.
``GET /_local/requests?since=<seq>``
    The calls noted after that number (all without it), oldest first, each with ``seq``, ``time`` (seconds
    since the epoch), ``service``, ``operation``, ``region``, ``status``, ``error_code``, ``duration_ms``,
    ``user_agent``, ``faults`` (those of ``local_aws.faults`` that befell it). A call whose connection was
    reset has no ``status``. The last ``KEPT`` calls are kept.
``GET /_local/state``
    What became of the state on disk at the start: its ``folder``, ``resumed`` (counts by kind), and
    ``set_aside`` if it could not be read. Empty without one.
``/_local/faults``, ``/_local/clock``
    See ``local_aws.faults`` and ``local_aws.clock``.
``GET /_local/authorizations``
    What was evaluated since the last reset for callers that assumed a role: ``role``, ``action``,
    ``resource``, ``allowed``.
``GET /_local/studio/<domain id>/auth?token=<token>``
    A presigned domain URL: who came in, or 403. Never noted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from local_aws import persistence
from local_aws.connection import hang_up
from local_aws.errors import Answer, InternalFailure, NotImplementedByLocalAws, answer
from local_aws.faults import controls
from local_aws.faults.injector import Injector
from local_aws.iam import enforcement
from local_aws.identify import Identity, identify
from local_aws.persistence import requests as persisted
from local_aws.sagemaker import studio_page

KEPT = 20_000
ERROR_CODE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"|<Code>([^<]+)</Code>|"code"\s*:\s*"([^"]+)"')

StartResponse = Callable[..., Any]
logger = logging.getLogger(__name__)


class RequestLog:
    """The last calls received; thread-safe."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=kept)
        self._lock = threading.Lock()
        self._seq = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Note a call under the next number."""
        with self._lock:
            self._seq += 1
            noted = {"seq": self._seq, **entry}
            self._entries.append(noted)
        persistence.note_request(noted["seq"], json.dumps(noted))

    def restore(self, entries: list[dict[str, Any]], gap: int) -> None:
        """Begin with the calls of former lives, leaving numbers out for those that were lost."""
        with self._lock:
            self._entries.extend(entries)
            self._seq = entries[-1]["seq"] + gap if entries else 0

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Calls noted after a number."""
        with self._lock:
            return [entry for entry in self._entries if entry["seq"] > seq]


class Front:
    """WSGI application in front of moto's."""

    def __init__(self, application: Any, log: RequestLog) -> None:
        self._application = application
        self.log = log
        self.faults = Injector()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(studio_page.PREFIX):
            status, headers, body = self._studio(path, environ)
        elif path.startswith("/_local/"):
            status, headers, body = self._own(path, environ)
        elif path == "/moto-api/reset":
            answered = persistence.forget(lambda: self._application(environ, start_response))
            enforcement.decisions.forget()
            return answered  # type: ignore[no-any-return]
        elif path.startswith("/moto-api"):
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        else:
            noted = self._noted(environ)
            if noted is None:
                hang_up(environ)
                noted = 503, [("Content-Length", "0")], b""
            status, headers, body = noted
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _own(self, path: str, environ: dict[str, Any]) -> Answer:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        shown: Any
        if path == "/_local/health":
            status, shown = 200, {"status": "ok", "pid": os.getpid()}
        elif path in controls.PATHS:
            status, shown = controls.answered(path, environ, self.faults)
        elif path == "/_local/authorizations":
            status, shown = 200, enforcement.decisions.all()
        elif path == "/_local/state":
            status, shown = 200, persistence.told()
        elif path == "/_local/requests":
            since = query.get("since", ["0"])[0]
            if since.isdecimal():
                status, shown = 200, self.log.since(int(since))
            else:
                status, shown = 400, {"message": "since must be a number"}
        else:
            status, shown = 404, {"message": f"There is no {path}"}
        body = json.dumps(shown).encode()
        return status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body

    def _studio(self, path: str, environ: dict[str, Any]) -> Answer:
        token = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        with persistence.change():
            status, html = studio_page.page(path, token)
        persistence.wait()
        body = html.encode()
        return status, [("Content-Type", "text/html"), ("Content-Length", str(len(body)))], body

    def _noted(self, environ: dict[str, Any]) -> Answer | None:
        """The answer to a call, or None where the caller is to get none."""
        begun, started = time.time(), time.monotonic()
        identity = identify(environ)
        outcome = self.faults.answered(environ, identity, self._inside)
        status, _, body = outcome.answer or (None, [], b"")
        self.log.add(
            {
                "time": begun,
                "service": identity.service,
                "operation": identity.operation,
                "region": identity.region,
                "status": status,
                "error_code": _error_code(body) if status and status >= 400 else None,
                "duration_ms": round((time.monotonic() - started) * 1000, 1),
                "user_agent": environ.get("HTTP_USER_AGENT"),
                "faults": outcome.faults,
            }
        )
        try:
            persisted.wait(identity)
        except OSError as error:
            # What is not on the disk must not be told; the caller tries again.
            return answer(environ, identity, InternalFailure(str(error)), 500)
        return None if outcome.lost else outcome.answer

    def _inside(self, environ: dict[str, Any], identity: Identity) -> Answer:
        """The service's own answer. What delays or withholds it is outside: it must not hold up a save."""
        with persisted.inside(environ, identity):
            return self._answered(environ, identity)

    def _answered(self, environ: dict[str, Any], identity: Identity) -> Answer:
        made: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            made.update(status=int(status.split()[0]), headers=headers)

        try:
            principal = enforcement.session(environ, identity.region)
            if principal:
                enforcement.check(principal, environ, identity)
            enforcement.check_assumed(environ, identity)
            with enforcement.requested_by(principal):
                body = b"".join(self._application(environ, start_response))
        except enforcement.AccessDenied as error:
            return answer(environ, identity, error, 403)
        except NotImplementedError as error:
            return self._not_implemented(environ, identity, str(error))
        except Exception as error:
            logger.exception("%s %s failed", identity.service, identity.operation)
            failure = InternalFailure(f"{type(error).__name__}: {error}")
            return answer(environ, identity, failure, 500)
        # An answer to HEAD has no body, hence the default type: so S3 says that an object is missing.
        missing = made["status"] in (404, 405) and environ["REQUEST_METHOD"] != "HEAD"
        if missing and _is_html(made["headers"]):
            return self._not_implemented(environ, identity, "no such route")
        return made["status"], made["headers"], body

    def _not_implemented(self, environ: dict[str, Any], identity: Identity, why: str) -> Answer:
        message = f"local_aws does not play {identity.service} {identity.operation}: {why}"
        logger.warning(message)
        return answer(environ, identity, NotImplementedByLocalAws(message), 501)


def _is_html(headers: list[tuple[str, str]]) -> bool:
    return any(n.lower() == "content-type" and v.startswith("text/html") for n, v in headers)


def _error_code(body: bytes) -> str | None:
    found = ERROR_CODE.search(body)
    return next(group for group in found.groups() if group).decode() if found else None
