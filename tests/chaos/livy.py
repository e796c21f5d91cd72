"""A stand-in for Livy, on the address and the port where a cluster's Livy is: batches without Spark.

It answers as Livy 0.7.1 does (see ``sagemaker_emr/hooks/livy.py``). What a batch started on the cluster
goes on when Livy is restarted, as an application on YARN does, and Livy then knows nothing of it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from local_aws.emr.addresses import LIVY_PORT
from local_aws.persistence import perishing
from tests.chaos import job

RUN_SECONDS = 0.03
"""How long the rows of a batch take, in seconds here."""

_applications = itertools.count(1)


@dataclass(eq=False)
class Batch:
    """A batch, and the application that it is on the cluster.

    :ivar works: the dates whose rows it made.
    :ivar commits: the dates that it committed: its conditional put was the one that counts.
    """

    id: int
    name: str
    args: list[str]
    cluster: str
    state: str = "starting"
    lines: list[str] = field(default_factory=list)
    works: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)
    application_id: str = field(default_factory=lambda: f"application_{next(_applications)}")

    def run(self) -> None:
        """The driver's life, in its thread."""
        self.state = "running"
        time.sleep(RUN_SECONDS)
        try:
            job.run(self.args, self.application_id, self, self.killed)
        except job.Killed:
            self.state = "killed"
        except Exception as error:
            self.lines.append(f"{type(error).__name__}: {error}")
            self.state = "dead"
        else:
            self.state = "success"

    def view(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "appId": self.application_id,
            "state": self.state,
            "log": [],
        }


class Livy:
    """In the place of :class:`local_aws.emr.livy.Livy`.

    :cvar alive: those that run.
    :cvar applications: every batch there ever was.
    """

    alive: ClassVar[list[Livy]] = []
    applications: ClassVar[list[Batch]] = []
    to_lose: ClassVar[bool] = False
    lost: ClassVar[int] = 0

    def __init__(self, node: Path, address: str, region: str, **_: Any) -> None:
        self.address = address
        self._cluster = node.name
        self._server: ThreadingHTTPServer | None = None
        self._stopping = threading.Lock()
        self._own: list[Batch] = []
        self.batches: dict[int, Batch] = {}

    @classmethod
    def lose_batches(cls) -> None:
        """Each Livy that has a batch is restarted without; where none has, the next one that gets one."""
        having = [livy for livy in cls.alive if livy.batches]
        for livy in having:
            livy.batches = {}
        cls.lost += len(having)
        cls.to_lose = not having

    # What a cluster asks of its Livy

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"livy": self})
        self._server = ThreadingHTTPServer((self.address, LIVY_PORT), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.alive.append(self)
        perishing.note(self)

    def wait_until_answering(self, stop: threading.Event) -> bool:
        return True

    @property
    def is_running(self) -> bool:
        return True

    @property
    def is_active(self) -> bool:
        return False

    def stop(self) -> None:
        """The cluster ends, and with it all that runs on it; another thread may be stopping it."""
        with self._stopping:
            server, self._server = self._server, None
        if server is not None:
            self.alive.remove(self)
            server.shutdown()
            server.server_close()
        for batch in self._own:
            batch.killed.set()

    def perish(self) -> None:
        """The machine dies, and with it the drivers."""
        self.stop()

    # What clients ask

    def find(self, name_or_id: str) -> Batch | None:
        if name_or_id.isdigit():
            return self.batches.get(int(name_or_id))
        return next((batch for batch in self.batches.values() if batch.name == name_or_id), None)

    def submit(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = request.get("name")
        if name and (known := self.find(name)):
            return 400, {"msg": f"Duplicate session name: Some({name}) for session {known.id}"}
        batch = Batch(len(self.batches), name, request.get("args", []), self._cluster)
        self.batches[batch.id] = batch
        self._own.append(batch)
        self.applications.append(batch)
        threading.Thread(target=batch.run, daemon=True).start()
        return 201, batch.view()

    def delete(self, name_or_id: str) -> tuple[int, dict[str, Any]]:
        batch = self.find(name_or_id)
        if batch is None:
            return 404, {"msg": f"Session '{name_or_id}' not found."}
        del self.batches[batch.id]
        batch.killed.set()
        return 200, {"msg": "deleted"}

    def get(self, path: list[str]) -> tuple[int, dict[str, Any]]:
        if path == ["version"]:
            return 200, {"version": "0.7.1-incubating"}
        if path == ["batches"]:  # one page: there are never as many as a client asks for
            views = [batch.view() for batch in list(self.batches.values())]
            return 200, {"from": 0, "total": len(views), "sessions": views}
        batch = self.find(path[1])
        if batch is None:
            return 404, {"msg": f"Session '{path[1]}' not found."}
        if path[2:] == ["log"]:
            lines = ["stdout: ", *batch.lines, "\nstderr: "]
            return 200, {"from": 0, "total": len(lines), "log": lines}
        return 200, batch.view()


class _Handler(BaseHTTPRequestHandler):
    livy: Livy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(*self.livy.get(self._path()))

    def do_POST(self) -> None:
        answer = self.livy.submit(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(*answer)
        if Livy.to_lose:
            Livy.lose_batches()

    def do_DELETE(self) -> None:
        self._answer(*self.livy.delete(self._path()[1]))

    def _path(self) -> list[str]:
        return self.path.split("?")[0].strip("/").split("/")

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
