"""Every call that leaves the product's processes, and what befalls it.

AWS is reached where botocore hands a signed request to its HTTP session, Livy where requests hands one to
its adapter: so each client's own tries, pauses and errors are the real ones. The embedded AWS runs in this
process and is called without a socket. A process that died is over: nothing that its code still does goes
out.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import requests
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError
from requests.adapters import HTTPAdapter

from local_aws import internal
from tests.chaos.schedules import STORE_RESULT, Aftermath, Call, Fault, Kind
from tests.dags.faults import READING
from tests.dags.runs import PROCESS, Observer, Process, ProcessDied, TriggerFailed

ENDPOINT_URL = "http://127.0.0.1:4566"
"""What the product is told; nothing listens there."""

BODY_KEPT_BYTES = 20_000


@dataclass(frozen=True)
class Seen:
    """A call as the checker reads it.

    :param text: address and body, in which the names of what it is about are.
    """

    call: Call
    by_triggerer: bool
    changes: bool
    text: str
    status: int | None


class Boundary(Observer):
    """Between the product's processes and everything else.

    :ivar seen: the calls so far.
    :ivar hits: the faults that befell one, ``hit_calls`` which, and
        ``hit_triggerers`` how many of these were a triggerer's.
    :ivar last_look: how many calls were seen when a trigger last looked.
    """

    def __init__(self) -> None:
        self.begin([], lambda aftermath: None, lambda run_id: run_id, lambda process, state, result: None)

    def begin(
        self,
        faults: Sequence[Fault],
        aftermath: Callable[[Aftermath], None],
        label: Callable[[str], str],
        on_end: Callable[[Process, str, Any], None],
    ) -> None:
        """Forget what was, and let a schedule begin.

        :param faults: to be met, in this order.
        :param aftermath: carries out what a fault brings beside the death of a process.
        :param label: what a run is called in a schedule.
        :param on_end: told of each task that has ended, with its state and result.
        """
        self.faults, self.aftermath, self.label, self.on_end = faults, aftermath, label, on_end
        self.seen: list[Seen] = []
        self.hits: list[Fault] = []
        self.hit_calls: list[Call] = []
        self.hit_triggerers = 0
        self.last_look = 0
        self._numbers: Counter[tuple[str, str, str]] = Counter()
        self._since_hit = 0
        self._doomed: set[int] = set()

    # Observer

    def calls(self, process: Process, name: str, send: Callable[[], Any]) -> Any:
        """A call to Airflow's own API; its client tries again when an answer is lost."""
        try:
            return self.passes(f"airflow.{name}", name, send, lambda: ConnectionError(name))
        except ConnectionError:
            return self.passes(f"airflow.{name}", name, send, lambda: ConnectionError(name))

    def looked(self, process: Process, result: Any) -> None:
        self.last_look = len(self.seen)
        if id(process) in self._doomed:
            raise TriggerFailed

    def stores(self, process: Process, state: str) -> None:
        if id(process) in self._doomed or not process.alive:
            process.alive = False
            raise ProcessDied
        if state in ("deferred", "up_for_reschedule"):
            return  # whether a task has to wait depends on AWS's pace; what it asked for before is broken too
        with suppress(ConnectionError):  # the supervisor tries again
            self.passes(STORE_RESULT, "", lambda: None, lambda: ConnectionError(STORE_RESULT))

    def ends(self, process: Process, state: str, result: Any) -> None:
        self.on_end(process, state, result)

    # The boundary

    def passes(
        self,
        operation: str,
        text: str,
        send: Callable[[], Any],
        lost: Callable[[], Exception],
        changes: bool = True,
    ) -> Any:
        """Let a call out, unless something befalls it.

        :param lost: the error that the client sees when the connection is reset.
        """
        process = PROCESS.get()
        assert process is not None, f"{operation} was called by no process"
        if not process.alive:
            raise ProcessDied
        call = self._numbered(process, operation)
        fault = self._due(call) if changes else None
        if fault is not None and fault.kind is Kind.BEFORE:
            self._note(call, process, changes, text, None)
            self._die(process, fault, call)
        answer = send()
        self._note(call, process, changes, text, getattr(answer, "status_code", None))
        if fault is None:
            return answer
        if fault.kind is Kind.AFTER:
            self._die(process, fault, call)
        self._hit(fault, call, process)
        if fault.aftermath is Aftermath.RETRIED:
            self._doomed.add(id(process))
        raise lost()

    def _numbered(self, process: Process, operation: str) -> Call:
        run = self.label(process.run.run_id)
        self._numbers[run, process.task_id, operation] += 1
        return Call(run, process.task_id, operation, self._numbers[run, process.task_id, operation])

    def _note(self, call: Call, process: Process, changes: bool, text: str, status: int | None) -> None:
        self.seen.append(Seen(call, process.is_triggerer, changes, text, status))

    def _due(self, call: Call) -> Fault | None:
        if len(self.hits) == len(self.faults):
            return None
        self._since_hit += 1
        fault = self.faults[len(self.hits)]
        return fault if fault.at in (call, self._since_hit if self.hits else call) else None

    def _hit(self, fault: Fault, call: Call, process: Process) -> None:
        self.hits.append(fault)
        self.hit_calls.append(call)
        self.hit_triggerers += process.is_triggerer
        self._since_hit = 0
        self.aftermath(fault.aftermath)

    def _die(self, process: Process, fault: Fault, call: Call) -> NoReturn:
        self._hit(fault, call, process)
        process.alive = False
        if process.is_triggerer and fault.aftermath is Aftermath.RETRIED:
            raise TriggerFailed
        raise ProcessDied

    # The clients

    def install(self, front: Callable[..., Any]) -> None:
        """Stand between the clients of this process and AWS and Livy; for good.

        :param front: the embedded AWS, as a WSGI application.
        """
        told = threading.local()
        respond = Endpoint._do_get_response

        def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
            told.operation = operation_model
            return respond(endpoint, request, operation_model, context)

        def send_to_aws(endpoint: Any, request: AWSPreparedRequest) -> AWSResponse:
            operation = told.operation
            service = operation.service_model.service_name
            return self.passes(
                f"{service}.{operation.name}",
                _text(request.url, request.body),
                lambda: _answer(front, request),
                lambda: ConnectionClosedError(endpoint_url=request.url, request=request),
                changes=not operation.name.startswith((*READING, "Invoke")),
            )

        adapt = HTTPAdapter.send

        def send_to_livy(adapter: Any, request: Any, **kwargs: Any) -> Any:
            kind = "batches" if "/batches" in request.url else "other"
            return self.passes(
                f"livy.{request.method}-{kind}",
                _text(request.url, request.body),
                lambda: adapt(adapter, request, **kwargs),
                lambda: requests.ConnectionError("Connection reset by peer", request=request),
                changes=request.method != "GET",
            )

        Endpoint._do_get_response = do_get_response
        Endpoint._send = send_to_aws
        HTTPAdapter.send = send_to_livy


def _text(url: str, body: Any) -> str:
    if hasattr(body, "getvalue"):
        body = body.getvalue()
    if isinstance(body, bytes | bytearray):
        body = bytes(body[:BODY_KEPT_BYTES]).decode(errors="replace")
    return f"{url}\n{body or ''}"


def _answer(front: Callable[..., Any], request: AWSPreparedRequest) -> AWSResponse:
    told: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        told.update(status=int(status.split()[0]), headers=dict(headers))

    assert request.url.startswith(ENDPOINT_URL), f"{request.url} is outside of the embedded AWS"
    body = b"".join(front(internal._environ(request), start_response))
    return AWSResponse(request.url, told["status"], told["headers"], internal._Body(body))
