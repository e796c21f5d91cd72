"""The Spark job as the tests call it."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import Any


class JobFailed(Exception):
    """What the job raised, as its class and message."""


class Spark:
    """The Spark job in its own interpreter, run again and again in one session."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def call(self, function: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([function, arguments]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise JobFailed(answer["error"])
        return answer["result"]

    def prepare(self, raw: str, features: str, first: str, last: str, **options: Any) -> None:
        """Run the job's command line; a batch's name is new each time unless it is given, True is a flag."""
        given = {"batch_name": uuid.uuid4().hex, "code_hash": "code", "history_days": 4, **options}
        arguments = ["--raw", raw, "--features", features, "--from", first, "--to", last]
        for name, value in given.items():
            arguments += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        self.call("main", arguments)

    def rows(self, *uris: str) -> list[dict[str, Any]]:
        """The rows of parquet files, in the order they are written in."""
        rows: list[dict[str, Any]] = self.call("rows", uris)
        return rows
