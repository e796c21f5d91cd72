"""Machines whose clocks differ by minutes: S3's clock decides, and renewals are counted, not dated."""

from __future__ import annotations

import email.utils
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from sagemaker_emr import orphan_search
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LEASE_SECONDS, LeaseStore, Watch, opened_of
from sagemaker_emr.orphan_search import Environment, LaunchSearch
from sagemaker_emr.orphans import RunState
from tests.local_aws.conftest import client, make_client

__all__ = ["client", "make_client"]

pytestmark = pytest.mark.local_aws

FOUR_MINUTES = 240.0
"""AWS refuses what a clock signs that is 5 minutes off."""


@pytest.fixture
def machine(client, endpoint_url, monkeypatch):
    """``machine(seconds)``: the lease as a worker uses it whose clock is so many seconds ahead."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    client("s3").create_bucket(Bucket="artifacts")
    real_time, real_gmtime = time.time, time.gmtime

    def store(ahead):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(seconds=ahead)

        monkeypatch.setattr(time, "time", lambda: real_time() + ahead)
        monkeypatch.setattr(time, "gmtime", lambda *given: real_gmtime(*given or [real_time() + ahead]))
        monkeypatch.setattr(orphan_search, "datetime", Clock)
        # The embedded AWS answers from this process, and by its own clock.
        monkeypatch.setattr(
            email.utils, "formatdate", lambda **how: format_datetime(datetime.now(UTC), **how)
        )
        return LeaseStore(ArtifactsHook(aws_conn_id=None), "artifacts", "dev", "cluster")

    return store


def search(state):
    runs = SimpleNamespace(state=lambda dag_id, run_id: state)
    return LaunchSearch(Environment("dev", "prod-1", "artifacts", ()), runs, {"aws_conn_id": None})


@pytest.mark.parametrize("ahead", [FOUR_MINUTES, -FOUR_MINUTES])
def test_of_two_providers_the_first_stays_whatever_their_clocks_say(machine, client, ahead):
    first = machine(ahead).join("h-1", "dag", "run-1")
    client("s3").delete_object(Bucket="artifacts", Key="leases/dev/cluster.json")
    time.sleep(1.1)  # S3 dates by the second
    second = machine(-ahead).join("h-2", "dag", "run-2")
    assert first.opened < second.opened
    opened = opened_of(first.provider_run_id)
    assert second.reclaim(opened, first.generation).provider_run_id == first.provider_run_id
    said = datetime.strptime(first.opened, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - said).total_seconds()) < FOUR_MINUTES / 2


@pytest.mark.parametrize("ahead", [LEASE_SECONDS * 2, -LEASE_SECONDS * 2])
def test_a_holder_that_renews_is_never_silent_and_one_that_does_not_is_in_the_end(machine, ahead):
    machine(0).join("h-1", "dag", "run-1")
    now = 0.0
    watch = Watch(clock=lambda: now)
    for _ in range(4):
        renewed = machine(ahead).keep("h-1", "dag", "run-1")
        assert watch.silent(machine(0).read()) == {}
        now += LEASE_SECONDS * 0.9
    now += LEASE_SECONDS
    assert watch.silent(machine(0).read()) == {"h-1": renewed.holders["h-1"].renewals}


@pytest.mark.parametrize("ahead", [LEASE_SECONDS * 2, -LEASE_SECONDS * 2])
def test_the_reaper_sees_by_s3s_clock_that_a_lease_moves(machine, ahead):
    machine(0).join("h-1", "dag", "run-1")
    machine(ahead)
    looking = search(RunState.UNKNOWN)
    [stored] = looking.leases()
    assert stored.seconds_since_change < LEASE_SECONDS
    assert looking.living_holders(stored) == {"h-1"}
    assert search(RunState.ENDED).living_holders(stored) == set(), "Airflow's word is more than a date"
