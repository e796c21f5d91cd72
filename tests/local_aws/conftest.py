"""One embedded AWS for the session, reached through boto3 as AWS is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

REGION = "us-east-1"


@pytest.fixture(scope="session")
def endpoint_url() -> Iterator[str]:
    from local_aws.server import create_server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = create_server("127.0.0.1", port)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()
    thread.join(10)


@pytest.fixture
def client(endpoint_url: str) -> Callable[..., Any]:
    """``client("s3")``: a boto3 client of the embedded AWS, which starts each test empty."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=10).raise_for_status()

    def make(service: str, region_name: str = REGION) -> Any:
        return boto3.client(
            service,
            region_name=region_name,
            endpoint_url=endpoint_url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"mode": "standard", "max_attempts": 1}),
        )

    return make
