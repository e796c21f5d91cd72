"""Backfills of prepare_features in real Airflow: many runs, one cluster, each date once."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from local_stack import airflow
from local_stack.settings import PROJECT
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
        self.last_by_hand = ""

    def manifest(self, date: datetime.date) -> dict[str, Any] | None:
        key = f"flights/date={date}/_manifest.json"
        found = self.s3.list_objects_v2(Bucket=self.features, Prefix=key).get("Contents", [])
        if not found:
            return None
        manifest: dict[str, Any] = json.loads(
            self.s3.get_object(Bucket=self.features, Key=key)["Body"].read()
        )
        return manifest

    def committed(self) -> set[str]:
        """The dates that are committed."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.features, Prefix="flights/date="
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key.split("/")[1].removeprefix("date=") for key in keys if key.endswith("/_manifest.json")}

    def etag(self, date: str) -> str:
        """The version of a committed date."""
        key = f"flights/date={date}/_manifest.json"
        return str(self.s3.head_object(Bucket=self.features, Key=key)["ETag"])

    def run(self, first: datetime.date, last: datetime.date, **how: Any) -> dict[datetime.date, str]:
        """Run a backfill to its end; the state of each date's run."""
        backfill = self.stack.airflow.backfill(DAG, first, last, **{"runs_at_once": 4, **how})
        return self.states_at_the_end(backfill, first, last)

    def states_at_the_end(
        self, backfill: int, first: datetime.date, last: datetime.date
    ) -> dict[datetime.date, str]:
        """Wait until the backfill is over, for Airflow too: it takes no other before; each date's state."""
        states: dict[datetime.date, str] = self.stack.wait_until(
            lambda: self.ended(first, last), f"backfill from {first} to {last} ended", BACKFILL_SECONDS
        )
        self.stack.wait_until(
            lambda: self.stack.airflow.find_backfill(backfill)["completed_at"], "Airflow noticed its end"
        )
        return states

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

    def by_hand(self, **form: Any) -> tuple[str, str | None]:
        """Run the DAG from its form; the states of the run and of its Spark batch."""
        run_id = self.stack.airflow.trigger(DAG, form)
        state = self.stack.wait_for_end(run_id, DAG)
        tasks = self.stack.airflow.tasks(DAG, run_id)
        self.last_by_hand = run_id
        return state, next(task["state"] for task in tasks if task["task_id"] == "prepare_features")

    def log_of_last(self, task_id: str) -> str:
        return self.stack.log(self.last_by_hand, task_id, DAG)

    def run_id(self, date: datetime.date) -> str:
        runs = self.stack.airflow.runs(DAG)
        return next(run["dag_run_id"] for run in runs if (run["logical_date"] or "").startswith(str(date)))

    def log(self, date: datetime.date, task_id: str) -> str:
        return self.stack.log(self.run_id(date), task_id, DAG)

    def task_states(self, date: datetime.date) -> dict[str, str | None]:
        tasks = self.stack.airflow.tasks(DAG, self.run_id(date))
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


def test_the_month_is_what_a_plain_computation_makes_of_it(backfills, january):
    compared = subprocess.run(
        [
            *(PROJECT / ".venv-sagemaker" / "bin" / "python", PROJECT / "tests" / "plain_features.py"),
            *("--raw", f"s3://{backfills.raw}", "--features", f"s3://{backfills.features}/flights"),
            *("--from", str(MONTH[0]), "--to", str(MONTH[1]), "--history-days", "28"),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **airflow.aws(backfills.stack.settings)},
    )
    result = json.loads(compared.stdout)
    assert result["differences"] == {}
    assert list(result["rows"]) == [str(day) for day in DAYS]
    assert min(result["rows"].values()) > 500


def test_a_month_that_is_prepared_needs_neither_cluster_nor_spark(backfills, january):
    before = len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))
    manifests = {day: backfills.manifest(day) for day in DAYS}
    assert backfills.run(*MONTH, reprocess="completed") == dict.fromkeys(DAYS, "success")
    assert backfills.task_states(MONTH[0])["prepare_features"] == "skipped"
    assert (len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))) == before
    assert {day: backfills.manifest(day) for day in DAYS} == manifests


def test_a_date_that_is_prepared_is_not_prepared_again_by_hand(backfills, january):
    clusters = len(backfills.stack.clusters())
    assert backfills.by_hand(date=str(MONTH[1])) == ("success", "skipped")
    assert len(backfills.stack.clusters()) == clusters


def test_a_day_that_is_not_over_is_refused(backfills):
    today = datetime.datetime.now(datetime.UTC).date()
    assert backfills.by_hand(date=str(today))[0] == "failed"
    assert "that day is not over" in backfills.log_of_last("check_partition")


@pytest.mark.parametrize(("choice", "state"), [("skip", "success"), ("fail", "failed")])
def test_a_day_before_the_feed_is_skipped_or_fails_as_the_form_says(backfills, choice, state):
    assert backfills.by_hand(date="2012-06-01", when_raw_data_is_missing=choice)[0] == state
    assert "date=2012-06-01/flights.csv.gz does not exist" in backfills.log_of_last("check_partition")


def test_a_damaged_raw_file_fails_its_date_and_no_date_before_it(backfills):
    """Dates after it look back on it, so they fail too; once it is mended, all are prepared."""
    first, damaged, last = (datetime.date(2013, 2, day) for day in (20, 21, 22))
    key = f"flights/date={damaged}/flights.csv.gz"
    whole = backfills.s3.get_object(Bucket=backfills.raw, Key=key)["Body"].read()
    backfills.s3.put_object(Bucket=backfills.raw, Key=key, Body=whole[: len(whole) // 2])
    try:
        states = backfills.run(first, last)
        assert states == {first: "success", damaged: "failed", last: "failed"}
        assert backfills.manifest(damaged) is None
        log = backfills.log(damaged, "prepare_features")
        assert f"{key} can't be read" in log or f"{key} is damaged" in log
    finally:
        backfills.s3.put_object(Bucket=backfills.raw, Key=key, Body=whole)
    assert set(backfills.run(first, last, reprocess="failed").values()) == {"success"}
    assert backfills.manifest(last)


def test_a_backfill_that_is_cancelled_leaves_nothing_half_done(backfills):
    first, last = datetime.date(2013, 2, 24), datetime.date(2013, 2, 27)
    backfill = backfills.stack.airflow.backfill(DAG, first, last, runs_at_once=1)
    backfills.stack.wait_until(lambda: backfills.states().get(first) == "running", "the first date began")
    backfills.stack.airflow.change_backfill(backfill, "cancel")
    states = backfills.states_at_the_end(backfill, first, last)
    assert states == {
        first: "success",
        **{first + datetime.timedelta(days=day): "failed" for day in (1, 2, 3)},
    }
    assert [backfills.manifest(day) is not None for day in states] == [
        state == "success" for state in states.values()
    ]


def test_a_date_that_is_cleared_while_it_runs_is_prepared_once(backfills):
    date = "2013-02-28"
    run_id = backfills.stack.airflow.trigger(DAG, {"date": date})

    def state() -> str | None:
        tasks = backfills.stack.airflow.tasks(DAG, run_id)
        return next((t["state"] for t in tasks if t["task_id"] == "prepare_features"), None)

    backfills.stack.wait_until(lambda: state() == "deferred", "the batch is waited for")
    backfills.stack.airflow.clear(DAG, run_id, ["prepare_features"])
    assert backfills.stack.wait_for_end(run_id, DAG) == "success"
    assert backfills.manifest(datetime.date.fromisoformat(date))["rows"] > 0
