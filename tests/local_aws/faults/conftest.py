from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from tests.local_aws.conftest import REGION


@pytest.fixture
def control(endpoint_url: str) -> Iterator[Callable[..., Any]]:
    """``control("POST", "/faults", {...})``: status and JSON; the faults end with the test."""

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        response = requests.request(method, f"{endpoint_url}/_local{path}", json=body, timeout=30)
        return response.status_code, response.json()

    yield ask
    ask("DELETE", "/faults")


@pytest.fixture
def break_on_purpose(control: Callable[..., Any]) -> Callable[..., None]:
    """``break_on_purpose({"kind": ...}, ..., seed=7)``"""

    def post(*rules: dict[str, Any], seed: int = 0) -> None:
        status, shown = control("POST", "/faults", {"seed": seed, "rules": list(rules)})
        assert status == 200, shown

    return post


@pytest.fixture
def counts(control: Callable[..., Any]) -> Callable[[], list[tuple[int, int]]]:
    """How often each rule matched and hit."""
    return lambda: [(rule["matched"], rule["hit"]) for rule in control("GET", "/faults")[1]["rules"]]


@pytest.fixture
def calls(endpoint_url: str) -> Callable[[], list[dict[str, Any]]]:
    """The calls noted since the test began."""
    noted = requests.get(f"{endpoint_url}/_local/requests", timeout=10).json()
    since = noted[-1]["seq"] if noted else 0
    url = f"{endpoint_url}/_local/requests?since={since}"
    return lambda: requests.get(url, timeout=10).json()  # type: ignore[no-any-return]


@pytest.fixture
def make_client(endpoint_url: str) -> Callable[..., Any]:
    """``make_client("iam", tries=3)``: it tries once, unless told otherwise, so that each fault is seen."""

    def make(service: str, region_name: str = REGION, tries: int = 1, **config: Any) -> Any:
        return boto3.client(
            service,
            region_name=region_name,
            endpoint_url=endpoint_url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": tries}, **config),
        )

    return make
