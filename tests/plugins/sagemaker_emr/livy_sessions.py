"""A small HTTP server that gives the answers of Livy's REST API for interactive sessions.

https://livy.apache.org/docs/latest/rest-api.html; the refusal is that of the 0.7.1 server without its REPL.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NO_REPL = "requirement failed: Cannot find Livy REPL jars."


class SessionsLivy(ThreadingHTTPServer):
    """Sessions and statements whose states are scripts: each GET moves on by one, the last one stays."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _Handler)
        self.sessions: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.session_script = ["starting", "starting", "idle"]
        self.statement_script = ["waiting", "running", "available"]
        self.output: dict[str, Any] = {"status": "ok", "execution_count": 0, "data": {"text/plain": "1000"}}
        self.code: list[str] = []
        self.has_repl = True

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_address[1]}"

    def __enter__(self) -> SessionsLivy:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def step(self, script: list[str]) -> str:
        return script.pop(0) if len(script) > 1 else script[0]

    def statement(self) -> dict[str, Any]:
        state = self.step(self.statement_script)
        done = state == "available"
        return {"id": 0, "state": state, "output": self.output if done else None, "progress": float(done)}


class _Handler(BaseHTTPRequestHandler):
    server: SessionsLivy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["version"]:
                self._answer(200, {"version": "0.9.0-incubating"})
            case ["sessions", name] if name in self.server.sessions:
                state = self.server.step(self.server.session_script)
                log = ["stdout: ", "no resources"]
                self._answer(200, {**self.server.sessions[name], "state": state, "log": log})
            case ["sessions", "7", "statements", "0"]:
                self._answer(200, self.server.statement())
            case _:
                self._answer(404, {"msg": "Session not found."})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path.strip("/").split("/"):
            case ["sessions"] if not self.server.has_repl:
                self._answer(400, {"msg": NO_REPL})
            case ["sessions"] if asked["name"] in self.server.sessions:
                self._answer(400, {"msg": f"Duplicate session name: Some({asked['name']}) for session 7"})
            case ["sessions"]:
                self.server.created.append(asked)
                made = {"id": 7, "name": asked["name"], "kind": asked["kind"]}
                self.server.sessions[asked["name"]] = made
                self._answer(201, {**made, "state": "starting", "log": []})
            case _:
                self.server.code.append(asked["code"])
                self._answer(201, {"id": 0, "state": "waiting", "output": None, "progress": 0.0})

    def do_DELETE(self) -> None:
        name = self.path.strip("/").split("/")[1]
        if self.server.sessions.pop(name, None) is None:
            return self._answer(404, {"msg": f"Session '{name}' not found."})
        self.server.deleted.append(name)
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
