"""Backfills while workers, Livy and the cluster are killed at random: the same partitions, and nothing left.

A few dates, prepared again once; ``make chaos-backfill`` runs the long form. ``BACKFILL_KILL_SEED`` repeats
the choices of a run, as far as the machine's timing allows.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil
import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from local_stack import credentials
from local_stack.api import AirflowClient
from tests.system.backfills import DAG, PROVIDER, Backfills, backfills
from tests.system.killing import kill_task, processes_of, task_processes

__all__ = ["backfills"]

DATES = int(os.environ.get("BACKFILL_KILL_DATES", "3"))
RERUNS = int(os.environ.get("BACKFILL_KILL_RERUNS", "1"))
SEED = int(os.environ.get("BACKFILL_KILL_SEED") or random.randrange(1_000_000))
FIRST = datetime.date(2013, 8, 1)
LAST = FIRST + datetime.timedelta(days=DATES - 1)
RUN_SECONDS = 600 + 240 * DATES
"""A deadline for one backfill that hangs, on a machine that does other things too."""

PAUSE_SECONDS = (1, 4 * DATES)
"""Between two kills, at random: with its cluster every date loses its batch, and a new one takes a minute."""
LOOK_SECONDS = 0.3
KILLS_WITHOUT_PROGRESS = 3
"""A date has six tries, and each can lose five batches: something has to be completed now and then."""

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout((RERUNS + 1) * RUN_SECONDS + 600)]


class Hit(NamedTuple):
    """What was killed: ``worker``, ``livy`` or ``cluster``, and which."""

    kind: str
    what: str


class Killer(threading.Thread):
    """Kills one thing after another until it is stopped; of the kinds, each before any is hit again."""

    def __init__(self, backfills: Backfills, seed: int) -> None:
        super().__init__(daemon=True)
        self.backfills, self.random = backfills, random.Random(seed)
        self.hits: list[Hit] = []
        self.failure: Exception | None = None
        self._home = backfills.stack.settings.home
        self._emr = backfills.stack.client("emr")
        self._catalog = backfills.stack.client("servicecatalog")
        settings = backfills.stack.settings
        self._airflow = AirflowClient(settings, credentials.load(settings))
        self._stopped = threading.Event()
        self._completed, self._without_progress = 0, 0

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                for kill in self.random.sample([self.kill_worker, self.kill_livy, self.end_cluster], 3):
                    self._stopped.wait(self.random.uniform(*PAUSE_SECONDS))
                    self._until(self._has_progress)
                    self._until(kill)
        except Exception as error:
            self.failure = error

    def kill_worker(self) -> bool:
        """A task's process; every other time with the worker that minds it, which Airflow has to miss."""
        for task in self.random.sample(found := self._running_tasks(), len(found)):
            for process in task_processes(self._home, task["id"]):
                with_worker = self.random.random() < 0.5
                if kill_task(process, with_worker=with_worker):
                    minder = " and its worker" if with_worker else ""
                    return self._hit("worker", f"{task['task_id']} of {task['dag_run_id']}{minder}")
        return False

    def kill_livy(self) -> bool:
        for server in self._clusters() and processes_of(self._home, "org.apache.livy.server.LivyServer"):
            with contextlib.suppress(psutil.NoSuchProcess):
                server.kill()
                return self._hit("livy", f"process {server.pid}")
        return False

    def end_cluster(self) -> bool:
        for cluster_id in self._clusters():
            self._emr.terminate_job_flows(JobFlowIds=[cluster_id])
            return self._hit("cluster", cluster_id)
        return False

    def _clusters(self) -> list[str]:
        """Clusters that have started: a start that fails fails the dates that wait for it, and says why."""
        products = self._catalog.search_provisioned_products()["ProvisionedProducts"]
        if not any(product["Status"] == "AVAILABLE" for product in products):
            return []
        found = self._emr.list_clusters(ClusterStates=["RUNNING", "WAITING"])["Clusters"]
        return [cluster["Id"] for cluster in found]

    def _hit(self, kind: str, what: str) -> bool:
        self.hits.append(Hit(kind, what))
        self._without_progress += 1
        print(f"{time.strftime('%H:%M:%S')} {kind}: {what}", flush=True)
        return True

    def _until(self, reached: Callable[[], bool]) -> None:
        """Try until it is so; who does not answer, or is gone meanwhile, is asked again."""
        while not self._stopped.is_set():
            with contextlib.suppress(requests.RequestException, BotoCoreError, ClientError):
                if reached():
                    return
            self._stopped.wait(LOOK_SECONDS)

    def _has_progress(self) -> bool:
        completed = sum(key.endswith(".json") for key in self.backfills.objects("_batches/"))
        if completed > self._completed:
            self._completed, self._without_progress = completed, 0
        return self._without_progress < KILLS_WITHOUT_PROGRESS

    def _running_tasks(self) -> list[dict[str, Any]]:
        return [task for dag in (DAG, PROVIDER) for task in self._airflow.running_tasks(dag)]


@pytest.fixture
def killer(backfills: Backfills) -> Iterator[Killer]:
    killer = Killer(backfills, SEED)
    yield killer
    killer.stop()


def test_backfills_under_kills_prepare_the_same_and_nothing_else(
    backfills: Backfills, killer: Killer
) -> None:
    print(f"\n{DATES} dates, {RERUNS} reruns, seed {SEED}", flush=True)
    days = backfills.fresh(FIRST, LAST)
    assert backfills.run(FIRST, LAST, seconds=RUN_SECONDS) == dict.fromkeys(days, "success")
    undisturbed = {day: content(backfills, day) for day in days}
    before = backfills.objects()

    killer.start()
    batches = {day: backfills.manifest(day)["batch"] for day in days}
    for rerun in range(RERUNS):
        started = time.monotonic()
        states = backfills.run(FIRST, LAST, reprocess="completed", conf={"force": True}, seconds=RUN_SECONDS)
        print(
            f"rerun {rerun + 1}: {time.monotonic() - started:.0f} s, {len(killer.hits)} kills so far",
            flush=True,
        )
        assert states == dict.fromkeys(days, "success"), killer.hits
        again = {day: backfills.manifest(day)["batch"] for day in days}
        assert [day for day in days if again[day] == batches[day]] == []
        batches = again
        assert {day: content(backfills, day) for day in days} == undisturbed
    killer.stop()
    print(dict(Counter(hit.kind for hit in killer.hits)))
    assert killer.failure is None
    assert {hit.kind for hit in killer.hits} == {"worker", "livy", "cluster"}

    after = backfills.objects()
    touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert [key for key in touched if not any(str(day) in key for day in days)] == []
    for day in days:
        files = {file["key"]: file["etag"] for file in backfills.manifest(day)["files"]}
        assert {key: after.get(key) for key in files} == files
    backfills.wait_until_no_cluster()


def content(backfills: Backfills, day: datetime.date) -> tuple[str, int]:
    """The hash over a date's ordered rows, and their number."""
    manifest = backfills.manifest(day)
    assert manifest is not None
    return manifest["content_hash"], manifest["rows"]
