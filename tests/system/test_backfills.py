"""Backfills of prepare_features in real Airflow: many runs, one cluster, each date once."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.conftest import Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

DAG = "prepare_features"
PROVIDER = "provide_shared_cluster"
MONTH = (datetime.date(2013, 1, 1), datetime.date(2013, 1, 31))
DAYS = [MONTH[0] + datetime.timedelta(days=day) for day in range(31)]
BACKFILL_SECONDS = 1200


class Backfills:
    """The stack, as who starts backfills sees it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.s3 = stack.client("s3")
        self.features = stack.outputs("storage")["FeaturesBucket"]
        self.raw = stack.outputs("storage")["RawBucket"]

    def manifest(self, date: datetime.date) -> dict[str, Any] | None:
        import json

        key = f"flights/date={date}/_manifest.json"
        found = self.s3.list_objects_v2(Bucket=self.features, Prefix=key).get("Contents", [])
        if not found:
            return None
        manifest: dict[str, Any] = json.loads(
            self.s3.get_object(Bucket=self.features, Key=key)["Body"].read()
        )
        return manifest

    def run(self, first: datetime.date, last: datetime.date, **how: Any) -> dict[datetime.date, str]:
        """Run a backfill to its end; the state of each date's run."""
        how = {"runs_at_once": 4, **how}
        self.stack.airflow.backfill(DAG, first, last, **how)
        return self.stack.wait_until(
            lambda: self.ended(first, last), f"backfill from {first} to {last} ended", BACKFILL_SECONDS
        )

    def states(self) -> dict[datetime.date, str]:
        runs = [run for run in self.stack.airflow.runs(DAG) if run["logical_date"]]
        return {datetime.date.fromisoformat(run["logical_date"][:10]): run["state"] for run in runs}

    def ended(self, first: datetime.date, last: datetime.date) -> dict[datetime.date, str] | None:
        states = {day: state for day, state in self.states().items() if first <= day <= last}
        going = [state for state in states.values() if state in ("queued", "running")]
        return states if states and not going else None

    def wait_until_no_cluster(self) -> None:
        def ended() -> bool:
            runs = self.stack.airflow.runs(PROVIDER)
            return all(run["state"] in ("success", "failed") for run in runs)

        self.stack.wait_until(ended, "every provider ended")
        self.stack.assert_nothing_left()

    def task_states(self, date: datetime.date) -> dict[str, str | None]:
        run_id = next(
            run["dag_run_id"]
            for run in self.stack.airflow.runs(DAG)
            if (run["logical_date"] or "").startswith(str(date))
        )
        tasks = self.stack.airflow.tasks(DAG, run_id)
        return {task["task_id"]: task["state"] for task in tasks}


@pytest.fixture(scope="module")
def backfills(stack: Stack) -> Iterator[Backfills]:
    stack.deploy_platform()
    stack.airflow.unpause(DAG)
    found = Backfills(stack)
    key = f"flights/date={MONTH[1]}/flights.csv.gz"
    stack.wait_until(
        lambda: found.s3.list_objects_v2(Bucket=found.raw, Prefix=key).get("Contents"),
        "the feed delivered January",
    )
    yield found
    found.wait_until_no_cluster()


@pytest.fixture(scope="module")
def january(backfills: Backfills) -> dict[datetime.date, str]:
    """A backfill of the month, ended; and how many clusters there were before."""
    return backfills.run(*MONTH)


def test_a_month_is_prepared_by_one_cluster(backfills, january):
    assert january == dict.fromkeys(DAYS, "success")
    assert [day for day in DAYS if backfills.manifest(day) is None] == []
    backfills.wait_until_no_cluster()
    providers = backfills.stack.airflow.runs(PROVIDER)
    assert [run["state"] for run in providers] == ["success"]


def test_a_month_that_is_prepared_needs_neither_cluster_nor_spark(backfills, january):
    before = len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))
    manifests = {day: backfills.manifest(day) for day in DAYS}
    assert backfills.run(*MONTH, reprocess="completed") == dict.fromkeys(DAYS, "success")
    assert backfills.task_states(MONTH[0])["prepare_features"] == "skipped"
    assert (len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))) == before
    assert {day: backfills.manifest(day) for day in DAYS} == manifests
