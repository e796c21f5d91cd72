"""``python3 health.py SERVICE``: a container's health check; exit status 0, or 1 and the reason.

Light: importing Airflow for each look would cost a tenth of a processor for every service.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request
from typing import Any

SECONDS = 5


def main(service: str) -> int:
    """Look once at what runs in this container."""
    try:
        problem = CHECKS[service]()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        print(f"{service}: {problem}")
    return 1 if problem else 0


def api_server() -> str:
    """Answers, with its part for tasks, and reaches the database."""
    _get("http://127.0.0.1:8080/execution/health/ping")
    status = _get("http://127.0.0.1:8080/api/v2/monitor/health")["metadatabase"]["status"]
    return "" if status == "healthy" else f"the database is {status}"


def worker() -> str:
    """This container's Celery worker answers through the broker."""
    from celery import Celery

    node = f"celery@{socket.gethostname()}"
    with Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"]) as app:
        answers = app.control.ping(destination=[node], timeout=SECONDS)
    return "" if answers else f"{node} does not answer"


def local_aws() -> str:
    """The embedded AWS answers."""
    status = _get(f"http://{socket.gethostname()}:4566/_local/health")["status"]
    return "" if status == "ok" else status


def heartbeat(part: str) -> str:
    """The heartbeat of a scheduler, triggerer or DAG processor, as the API server knows it."""
    status = _get("http://api-server:8080/api/v2/monitor/health")[part]["status"]
    return "" if status == "healthy" else str(status)


def _get(url: str) -> Any:
    # No proxy stands before another container.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=SECONDS) as answer:
        text = answer.read().decode()
        return json.loads(text) if text.lstrip().startswith("{") else {}


CHECKS = {
    "api-server": api_server,
    "scheduler": lambda: heartbeat("scheduler"),
    "triggerer": lambda: heartbeat("triggerer"),
    "dag-processor": lambda: heartbeat("dag_processor"),
    "worker": worker,
    "local-aws": local_aws,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
