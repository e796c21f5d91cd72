"""A small HTTP server that gives Livy 0.7.1's documented answers, for unit tests."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DRIVER = ["started the driver", "reading 3 partitions", "wrote features"]


class FakeLivy(ThreadingHTTPServer):
    """Batches whose states are a script: each ``GET /batches/{name}`` moves on by one.

    :ivar scripts: states of the batches to come; the last one stays.
    :ivar delete_faults: what befalls the next deletions: ``refused`` with HTTP 500, or ``lost``, the answer.
    """

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.batches: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.submitted: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.script = ["running", "running", "success"]
        self.log = list(DRIVER)
        self.on_state: dict[str, Any] = {}
        self.broken = False
        self.lose_next_answer = False
        self.delete_faults: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.port}"

    def __enter__(self) -> FakeLivy:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def add(self, name: str, script: list[str]) -> dict[str, Any]:
        batch = {"id": len(self.batches), "name": name, "appId": "application_1_0001", "script": list(script)}
        self.batches[name] = batch
        return batch

    def find(self, name_or_id: str) -> dict[str, Any] | None:
        if name_or_id.isdigit():
            return next((batch for batch in self.batches.values() if batch["id"] == int(name_or_id)), None)
        return self.batches.get(name_or_id)

    def view(self, batch: dict[str, Any], advance: bool = True) -> dict[str, Any]:
        script = batch["script"]
        state = script.pop(0) if advance and len(script) > 1 else script[0]
        if state in self.on_state:
            self.on_state[state](batch)
        return {key: batch[key] for key in ("id", "name", "appId")} | {"state": state, "log": []}

    def log_page(self, start: int, size: int) -> dict[str, Any]:
        lines = ["stdout: ", *self.log, "\nstderr: "]
        return {"from": start, "total": len(lines), "log": lines[start : start + size]}


class _Handler(BaseHTTPRequestHandler):
    server: FakeLivy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.strip("/").split("/")
        self.server.requests.append(("GET", parts.path))
        if self.server.broken:
            return self._answer(500, {"msg": "java.lang.NullPointerException"})
        if path == ["version"]:
            return self._answer(200, {"version": "0.7.1-incubating"})
        query = parse_qs(parts.query)
        if path == ["batches"]:
            start, size = int(query["from"][0]), int(query["size"][0])
            views = [self.server.view(batch, advance=False) for batch in self.server.batches.values()]
            page = {"from": start, "total": len(views), "sessions": views[start : start + size]}
            return self._answer(200, page)
        batch = self.server.find(path[1])
        if batch is None:
            return self._answer(404, {"msg": f"Session '{path[1]}' not found."})
        if path[2:] == ["log"]:
            return self._answer(200, self.server.log_page(int(query["from"][0]), int(query["size"][0])))
        return self._answer(200, self.server.view(batch))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(("POST", self.path))
        if request["name"] in self.server.batches:
            return self._answer(
                400, {"msg": f"Duplicate session name: Some({request['name']}) for session 1"}
            )
        if request["file"].endswith("refused.py"):
            return self._answer(400, {"msg": "Rejected, too many sessions are being created!"})
        self.server.submitted.append(request)
        batch = self.server.add(request["name"], self.server.script)
        if self.server.lose_next_answer:
            self.close_connection = True
            return None
        return self._answer(201, self.server.view(batch, advance=False))

    def do_DELETE(self) -> None:
        name_or_id = self.path.strip("/").split("/")[1]
        self.server.requests.append(("DELETE", self.path))
        fault = self.server.delete_faults.pop(0) if self.server.delete_faults else ""
        if fault == "refused":
            return self._answer(500, {"msg": "java.util.concurrent.TimeoutException"})
        batch = self.server.find(name_or_id)
        if batch is None:
            return self._answer(404, {"msg": f"Session '{name_or_id}' not found."})
        del self.server.batches[batch["name"]]
        self.server.deleted.append(batch["name"])
        if fault == "lost":
            self.close_connection = True
            return None
        return self._answer(200, {"msg": "deleted"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
