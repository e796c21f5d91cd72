"""Whole runs while AWS throttles three calls of ten and answers one of a hundred after 20 s or more.

All times are shortened by one factor: AWS's waits and latency, botocore's pauses between its tries, the
waits' pauses between their looks, and the deadlines that the runs have to keep.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
import requests
from botocore.client import BaseClient

from local_aws import internal
from local_aws.faults.stale import READING
from sagemaker_emr.hooks.base import TRIES
from sagemaker_emr.triggers import base
from tests.dags.account import snapshot
from tests.dags.runs import play

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(900), pytest.mark.usefixtures("airflow_user")]

SCALE = 30.0
"""Seconds in one second of these tests: an hour's deadline is two minutes."""

FORM = {"user_profiles": ["ada"], "check": "always"}
END = {"confirm": "dev", "end_clusters": True, "delete_home_file_system": True, "delete_buckets": True}

AIRFLOW = {"user_agent": "*Airflow*"}
THROTTLING = {"kind": "throttling", "probability": 0.3, **AIRFLOW}
SLOWNESS = {"kind": "latency", "median": 0.2, "p99": 20, "scaled": True, **AIRFLOW}


class Aws:
    """The embedded AWS's controls."""

    def __init__(self, endpoint_url: str) -> None:
        self._url = f"{endpoint_url}/_local"
        self._since = max((call["seq"] for call in self._get("/requests")), default=0)

    def _get(self, path: str) -> Any:
        return requests.get(self._url + path, timeout=60).json()

    def breaks(self, *rules: dict[str, Any], seed: int = 7) -> None:
        body = {"seed": seed, "rules": rules}
        response = requests.post(f"{self._url}/faults", json=body, timeout=60)
        assert response.ok, response.text

    def works(self) -> list[dict[str, Any]]:
        """No faults any more; the rules, with their counts."""
        rules: list[dict[str, Any]] = self._get("/faults")["rules"]
        requests.delete(f"{self._url}/faults", timeout=60).raise_for_status()
        return rules

    def calls(self) -> list[dict[str, Any]]:
        """Airflow's calls since the test began."""
        noted = self._get(f"/requests?since={self._since}")
        return [call for call in noted if "Airflow" in (call["user_agent"] or "")]


@pytest.fixture
def aws(endpoint_url, local_aws):
    made = Aws(endpoint_url)
    yield made
    made.works()


@pytest.fixture
def scaled(monkeypatch, airflow_user, endpoint_url):
    """``on_task`` for runs whose deadlines are shortened as everything else."""
    from local_aws import clock

    before = clock.time_scale()
    pauses = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / SCALE), time=time.time)
    monkeypatch.setattr(botocore.endpoint, "time", pauses)
    for name in ("FIRST_DELAY_SECONDS", "MAX_DELAY_SECONDS"):
        monkeypatch.setattr(base, name, {"FIRST_DELAY_SECONDS": 0.5, "MAX_DELAY_SECONDS": 15.0}[name] / SCALE)
    clock.set_time_scale(SCALE)

    def shorten(operator: Any) -> None:
        for name in ("timeout_seconds", "timeout"):
            if isinstance(getattr(operator, name, None), int | float):
                setattr(operator, name, getattr(operator, name) / SCALE)

    yield shorten
    clock.set_time_scale(before)


@pytest.fixture
def configurations(monkeypatch):
    """Of every client by which Airflow calls AWS."""
    seen = []
    call = BaseClient._make_api_call

    def noted(client, operation, parameters):
        if client.meta.endpoint_url != internal.ENDPOINT and "Airflow" in client.meta.config.user_agent:
            seen.append(client.meta.config)
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return seen


def test_a_platform_goes_up_and_down_under_throttling_and_slowness(
    dags, aws, scaled, configurations, local_aws, endpoint_url
):
    play(dags["deploy_platform"], FORM)
    undisturbed = snapshot(local_aws)
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()

    aws.breaks(THROTTLING, SLOWNESS)
    play(dags["deploy_platform"], FORM, on_task=scaled)
    throttled, slowed = aws.works()
    assert snapshot(local_aws) == undisturbed

    assert throttled["hit"] >= 50
    assert 0.2 < throttled["hit"] / throttled["matched"] < 0.4
    latencies = [fault["seconds"] for call in aws.calls() for fault in call["faults"] if "seconds" in fault]
    assert len(latencies) == slowed["hit"]
    assert max(latencies) >= 20

    bounds = {
        (*sorted(config.retries.items()), config.connect_timeout, config.read_timeout)
        for config in configurations
    }
    assert bounds == {(("mode", "standard"), ("total_max_attempts", TRIES), 10, 60)}

    aws.breaks(THROTTLING, SLOWNESS)
    play(dags["destroy_platform"], END, on_task=scaled)
    assert aws.works()[0]["hit"] >= 20
    assert local_aws("cloudformation").describe_stacks()["Stacks"] == []


def test_a_change_whose_answer_is_lost_is_made_once(dags, aws, scaled, local_aws, endpoint_url):
    """botocore sends it again, and the derived name or the token tells AWS that it is the same."""
    play(dags["deploy_platform"], FORM)
    undisturbed = snapshot(local_aws)
    changes = {(c["service"], c["operation"]) for c in aws.calls() if not c["operation"].startswith(READING)}
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()

    aws.breaks(*(lost(*change) for change in sorted(changes)))
    play(dags["deploy_platform"], FORM, on_task=scaled)
    assert {(rule["service"], rule["operation"]) for rule in aws.works() if rule["hit"] == 1} == changes
    assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject"} <= {operation for _, operation in changes}
    assert snapshot(local_aws) == undisturbed

    operations = {
        "cloudformation": ["DeleteStack"],
        "s3": ["DeleteBucket"],
        "efs": ["DeleteMountTarget", "DeleteFileSystem"],
        "sagemaker": ["DeleteApp"],
    }
    aws.breaks(*(lost(service, one) for service, many in operations.items() for one in many))
    play(dags["destroy_platform"], END, on_task=scaled)
    assert sum(rule["hit"] for rule in aws.works()) >= 3
    assert local_aws("cloudformation").describe_stacks()["Stacks"] == []


def lost(service: str, operation: str) -> dict[str, Any]:
    return {"kind": "response_lost", "service": service, "operation": operation, "nth": 1, **AIRFLOW}


@pytest.fixture(scope="module")
def told(told_by):
    return told_by("throttled", seconds=800)


@pytest.mark.parametrize("scenario", ["chain", "backfill"])
def test_runs_on_a_cluster_reach_the_same_end_under_throttling_and_slowness(told, scenario):
    """``train_and_deploy_model``; two days of ``prepare_features`` on one ``provide_shared_cluster``."""
    found = told[scenario]
    throttled, slowed = found["rules"]
    assert found["violations"] == []
    assert found["calm"]["violations"] == []
    assert throttled["matched"] >= 100
    assert 0.2 < throttled["hit"] / throttled["matched"] < 0.4
    assert slowed["hit"] == slowed["matched"]
    assert found["longest_seconds"] >= 20
    assert found["tries"] == found["calm"]["tries"], (
        "botocore's tries were enough, no task had to be tried again"
    )
    assert found["configurations"] == [[["mode", "standard"], ["total_max_attempts", TRIES], 10, 60]]
