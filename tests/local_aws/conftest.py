"""One embedded AWS for the session, reached through boto3 as AWS is; its answers are checked.

Tests marked ``conformance`` can run against a real account too (``make conformance``): then, and then only,
``client`` gives clients of that account, and ``unique`` its run's names.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.validate import ParamValidator

from tests.conformance.plugin import ACCOUNT

REGION = "us-east-1"

TIME_SCALE = 600.0
"""Seconds of AWS in one second of a test: ten times as many as of a local stack."""

UNHURRIED_TIME_SCALE = 60.0
"""For a test that must see what AWS's resources go through."""

# States that AWS documents and sends, but botocore's models do not list. Of events:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
# Of VPC endpoints, whose enumeration is capitalized and whose states are not:
# https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html
UNLISTED = {
    "available",
    "REVIEW_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}


@pytest.fixture(scope="session")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ.setdefault("LOCAL_AWS_HOME", str(tmp_path_factory.mktemp("local_aws")))
    from local_aws import clock
    from local_aws.processes import stop_all
    from local_aws.server import create_server

    clock.settings = replace(clock.settings, time_scale=TIME_SCALE)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = create_server("127.0.0.1", port)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()
    stop_all()
    thread.join(10)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS's time pass as slowly as in a local stack, so that states between two others are seen."""
    from local_aws import clock

    monkeypatch.setattr(clock, "settings", replace(clock.settings, time_scale=UNHURRIED_TIME_SCALE))


@pytest.fixture(scope="session")
def make_client(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``make_client("s3")``: a boto3 client of the embedded AWS as it is, for tests that share resources.

    An answer that does not match botocore's output shape fails the call with an AssertionError.
    """
    if account := request.config.stash.get(ACCOUNT, None):
        return lambda service: _checked(account.client(service))
    endpoint_url = request.getfixturevalue("endpoint_url")

    def make(service: str, region_name: str = REGION) -> Any:
        return _checked(
            boto3.client(
                service,
                region_name=region_name,
                endpoint_url=endpoint_url,
                aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                aws_secret_access_key="not-a-secret",
                config=Config(retries={"mode": "standard", "max_attempts": 1}),
            )
        )

    return make


@pytest.fixture
def client(request: pytest.FixtureRequest, make_client: Callable[..., Any]) -> Callable[..., Any]:
    """``make_client`` for an embedded AWS that starts each test empty."""
    if ACCOUNT not in request.config.stash:
        endpoint_url = request.getfixturevalue("endpoint_url")
        requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    return make_client


_numbers = itertools.count(1)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """``unique("data")``: a name that no other test has, in an account that has other users as well."""
    account = request.config.stash.get(ACCOUNT, None)
    prefix = f"{account.prefix if account else 'test-'}{next(_numbers)}"
    return lambda name: f"{prefix}-{name}"


def _checked(client: Any) -> Any:
    client.meta.events.register("after-call.*.*", _check_answer)
    return client


def _check_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Types, required members, enums, and (of JSON) members that the shape lacks."""
    shape = model.output_shape
    if http_response.status_code >= 300 or shape is None:
        return
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name != "structure":
        return
    answer = {name: value for name, value in parsed.items() if name in shape.members}
    report = ParamValidator().validate(answer, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    problems += _outside_enums(answer, shape, model.name)
    if model.service_model.resolved_protocol in ("json", "rest-json") and not payload:
        known = {member.serialization.get("name", name) for name, member in shape.members.items()}
        problems += [f"{name} is no member of {shape.name}" for name in _members(http_response) - known]
    assert not problems, f"{model.service_model.service_name} {model.name}: {problems}"


def _members(http_response: Any) -> set[str]:
    return set(json.loads(http_response.content)) if http_response.content else set()


def _outside_enums(value: Any, shape: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        return [
            problem
            for name, inner in value.items()
            if name in shape.members
            for problem in _outside_enums(inner, shape.members[name], f"{path}.{name}")
        ]
    if shape.type_name == "list":
        return [problem for item in value for problem in _outside_enums(item, shape.member, f"{path}[]")]
    if shape.type_name == "string" and shape.enum and value not in {*shape.enum, *UNLISTED}:
        return [f"{path}: {value!r} is not one of {shape.enum}"]
    return []
