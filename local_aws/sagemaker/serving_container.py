"""The serving container: SageMaker's inference toolkit behind ``/ping`` and ``/invocations``.

A program of its own, run by the interpreter of the emulated XGBoost image: nothing of local_aws is
importable here. The managed image has the same handlers (model_fn, input_fn, predict_fn, output_fn, or
transform_fn) behind a Java model server, which is the one part replaced.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html

Usage: serving_container.py CODE_FOLDER MODEL_FOLDER PORT_FILE
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL_DIR = {"model_dir": ""}


class Context:
    """What the toolkit asks of the model server about one request."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.system_properties = MODEL_DIR
        self.request_processor = [self]
        self.status, self.content_type = 200, "application/json"
        self._headers = headers

    def get_request_properties(self) -> dict[str, str]:
        """The request's headers."""
        return self._headers

    def set_response_content_type(self, _: int, content_type: str) -> None:
        """Called for each answer."""
        self.content_type = content_type

    def set_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Called when a handler raises; the phrase goes into the body too."""
        self.status = int(code)


class Container(ThreadingHTTPServer):
    """Answers at once; ``/ping`` says 200 only when the model is loaded."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.transformer: Any = None
        # One model server worker: handlers needn't be thread-safe, as in the managed image.
        self.worker = threading.Lock()

    def load(self) -> None:
        """Import the user's module and run its model_fn; whatever they raise ends the container."""
        from sagemaker_inference.transformer import Transformer  # type: ignore[import-not-found]

        transformer = Transformer()
        transformer.validate_and_initialize(model_dir=MODEL_DIR["model_dir"])
        self.transformer = transformer


class Handler(BaseHTTPRequestHandler):
    """The container's two paths."""

    server: Container

    def do_GET(self) -> None:
        """The health check."""
        healthy = self.path == "/ping" and self.server.transformer is not None
        self._answer(200 if healthy else 503, "text/plain", b"")

    def do_POST(self) -> None:
        """An invocation."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/invocations" or self.server.transformer is None:
            self._answer(503, "text/plain", b"Model is not loaded")
            return
        context = Context(dict(self.headers.items()))
        with self.server.worker:
            (result,) = self.server.transformer.transform([{"body": body}], context)
        content = result if isinstance(result, bytes) else str(result).encode()
        if context.status >= 400:
            print(content.decode(errors="replace"), flush=True)
        self._answer(context.status, context.content_type, content)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Invocations are logged, health checks are not: nobody reads those."""
        if self.path != "/ping":
            print(f"{self.address_string()} {format % args}", flush=True)


def main(code: str, model: str, port_file: str) -> None:
    """Serve until told to end, or until the server that started this program is gone."""
    MODEL_DIR["model_dir"] = model
    sys.path.insert(0, code)
    if (Path(code) / "requirements.txt").exists():
        install = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt"]
        subprocess.run(install, cwd=code, check=True)
    container = Container()
    threading.Thread(target=container.serve_forever, daemon=True).start()
    unfinished = Path(port_file + ".unfinished")
    unfinished.write_text(str(container.server_port))
    unfinished.rename(port_file)
    container.load()
    print("Model loaded, ready for invocations", flush=True)
    server_process = os.getppid()
    while os.getppid() == server_process:
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
