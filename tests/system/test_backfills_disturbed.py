"""Backfills while workers, Livy and the cluster are killed at random: the same partitions, and nothing left.

In CI a few dates, prepared again once. ``DISTURBED_DATES=20 DISTURBED_TIMES=3 pytest
tests/system/test_backfills_disturbed.py`` is the long form; ``DISTURBED_SEED`` repeats one.
"""

from __future__ import annotations

import datetime
import os
import random
import threading
from collections.abc import Iterator

import psutil
import pytest

from local_stack import processes
from tests.system.conftest import Stack
from tests.system.test_backfills import Backfills, backfills

__all__ = ["backfills"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]

DATES = int(os.environ.get("DISTURBED_DATES", "4"))
TIMES = int(os.environ.get("DISTURBED_TIMES", "1"))
SEED = int(os.environ.get("DISTURBED_SEED", "20130301"))
FIRST = datetime.date(2013, 3, 1)
LAST = FIRST + datetime.timedelta(days=DATES - 1)
PAUSE_SECONDS = (8, 20)


class Disturber(threading.Thread):
    """Kills something every few seconds until it is stopped.

    :ivar done: what it killed.
    """

    def __init__(self, stack: Stack, seed: int) -> None:
        super().__init__(daemon=True)
        self.stack, self.random = stack, random.Random(seed)
        self.stopped = threading.Event()
        self.done: list[str] = []

    def run(self) -> None:
        kinds = (self.kill_a_worker, self.kill_livy, self.end_the_cluster)
        for number in range(10_000):
            # Each kind in turn, so that a short run meets all of them.
            if self.stopped.wait(self.random.uniform(*PAUSE_SECONDS)):
                return
            kinds[number % len(kinds)]()

    def kill_a_worker(self) -> None:
        """A task's process, with the supervisor of it."""
        self._kill("airflow worker -- ", "worker")

    def kill_livy(self) -> None:
        self._kill("org.apache.livy.server.LivyServer", "Livy")

    def end_the_cluster(self) -> None:
        for cluster_id in self.stack.clusters_alive():
            self.stack.client("emr").terminate_job_flows(JobFlowIds=[cluster_id])
            self.done.append(f"cluster {cluster_id}")

    def _kill(self, command: str, kind: str) -> None:
        found = [p for p in processes.members(self.stack.settings.home) if command in _command(p)]
        if found:
            victim = self.random.choice(found)
            victim.kill()
            self.done.append(f"{kind} {victim.pid}")


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def disturber(stack: Stack) -> Iterator[Disturber]:
    disturber = Disturber(stack, SEED)
    yield disturber
    disturber.stopped.set()


def test_disturbed_backfills_prepare_the_same(backfills: Backfills, disturber: Disturber) -> None:
    dates = [FIRST + datetime.timedelta(days=day) for day in range(DATES)]
    assert backfills.run(FIRST, LAST) == dict.fromkeys(dates, "success")
    undisturbed = {day: backfills.manifest(day)["content_hash"] for day in dates}
    others = backfills.committed() - {str(day) for day in dates}
    untouched = {day: backfills.etag(day) for day in others}

    disturber.start()
    for _ in range(TIMES):
        states = backfills.run(FIRST, LAST, reprocess="completed", conf={"force": True})
        assert states == dict.fromkeys(dates, "success"), disturber.done
    disturber.stopped.set()
    disturber.join()
    print(f"seed {SEED}: {len(disturber.done)} kills: {', '.join(disturber.done)}")
    assert len(disturber.done) >= 3

    assert {day: backfills.manifest(day)["content_hash"] for day in dates} == undisturbed
    assert {day: backfills.etag(day) for day in others} == untouched
    backfills.wait_until_no_cluster()
