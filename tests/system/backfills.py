"""The shared stack as who starts backfills sees it: what the files of backfills' tests share.

Their dates are of their own: those of :meth:`Backfills.fresh` lie in summer, and no two tests have the same;
other files prepare days of winter.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local_stack import airflow
from local_stack.settings import PROJECT
from tests.system.conftest import DAG_ID as TRAINING
from tests.system.conftest import Stack

DAG = "prepare_features"
PROVIDER = "provide_shared_cluster"
LAST_DELIVERED = datetime.date(2013, 12, 31)
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

    def objects(self, prefix: str = "") -> dict[str, str]:
        """The objects of the features' bucket: key to ETag."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.features, Prefix=prefix)
        return {
            entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])
        }

    def committed(self) -> set[str]:
        """The dates that are committed."""
        keys = self.objects("flights/date=")
        return {key.split("/")[1].removeprefix("date=") for key in keys if key.endswith("/_manifest.json")}

    def quarantined(self, date: datetime.date) -> list[dict[str, Any]]:
        """What is told of the attempts at a date that were put aside."""
        prefix = f"flights/_quarantine/date={date}/"
        found = self.s3.list_objects_v2(Bucket=self.features, Prefix=prefix).get("Contents", [])
        bodies = [self.s3.get_object(Bucket=self.features, Key=entry["Key"])["Body"] for entry in found]
        return [json.loads(body.read()) for body in bodies]

    def etag(self, date: datetime.date) -> str:
        """The version of a committed date."""
        key = f"flights/date={date}/_manifest.json"
        return str(self.s3.head_object(Bucket=self.features, Key=key)["ETag"])

    @staticmethod
    def between(first: datetime.date, last: datetime.date) -> list[datetime.date]:
        """The days of a range."""
        return [first + datetime.timedelta(days=day) for day in range((last - first).days + 1)]

    def fresh(self, first: datetime.date, last: datetime.date) -> list[datetime.date]:
        """The days of a range, of which nobody has prepared one."""
        days = self.between(first, last)
        assert {str(day) for day in days} & self.committed() == set()
        return days

    def run(
        self, first: datetime.date, last: datetime.date, *, seconds: float = BACKFILL_SECONDS, **how: Any
    ) -> dict[datetime.date, str]:
        """Run a backfill to its end; the state of each date's run."""
        backfill = self.stack.airflow.backfill(DAG, first, last, **{"runs_at_once": 4, **how})
        return self.states_at_the_end(backfill, first, last, seconds)

    def states_at_the_end(
        self, backfill: int, first: datetime.date, last: datetime.date, seconds: float = BACKFILL_SECONDS
    ) -> dict[datetime.date, str]:
        """Wait until the backfill is over, for Airflow too; each date's state."""
        states: dict[datetime.date, str] = self.stack.wait_until(
            lambda: self.ended(first, last), f"backfill from {first} to {last} ended", seconds
        )
        self.stack.wait_for_backfill(backfill)
        return states

    def runs(self) -> dict[datetime.date, dict[str, Any]]:
        """Each date's run; one by hand has its date in its form, and is not among them."""
        runs = [run for run in self.stack.airflow.runs(DAG) if run["logical_date"]]
        return {datetime.date.fromisoformat(run["logical_date"][:10]): run for run in runs}

    def states(self) -> dict[datetime.date, str]:
        return {day: run["state"] for day, run in self.runs().items()}

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
        return str(self.runs()[date]["dag_run_id"])

    def log(self, date: datetime.date, task_id: str) -> str:
        return self.stack.log(self.run_id(date), task_id, DAG)

    def differences(self, first: datetime.date, last: datetime.date) -> tuple[dict[str, Any], dict[str, int]]:
        """What a plain pandas computation has otherwise than what is committed; and the rows of each date."""
        compared = subprocess.run(
            [
                *(PROJECT / ".venv-sagemaker" / "bin" / "python", PROJECT / "tests" / "plain_features.py"),
                *("--raw", f"s3://{self.raw}", "--features", f"s3://{self.features}/flights"),
                *("--from", str(first), "--to", str(last), "--history-days", "28"),
            ],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **airflow.aws(self.stack.settings)},
        )
        result = json.loads(compared.stdout)
        return result["differences"], result["rows"]

    @contextmanager
    def replaced(self, key: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
        """A raw file with its content changed, as it was again afterwards."""
        whole = self.s3.get_object(Bucket=self.raw, Key=key)["Body"].read()
        self.s3.put_object(Bucket=self.raw, Key=key, Body=change(whole))
        try:
            yield
        finally:
            self.s3.put_object(Bucket=self.raw, Key=key, Body=whole)

    def tries(self, date: datetime.date, task_id: str) -> int:
        tasks = self.stack.airflow.tasks(DAG, self.run_id(date))
        return next(int(task["try_number"]) for task in tasks if task["task_id"] == task_id)

    def task_states(self, date: datetime.date) -> dict[str, str | None]:
        tasks = self.stack.airflow.tasks(DAG, self.run_id(date))
        return {task["task_id"]: task["state"] for task in tasks}


@pytest.fixture(scope="module")
def backfills(stack: Stack) -> Iterator[Backfills]:
    """Meanwhile the training, of which each day that is prepared would start a run, is paused."""
    stack.deploy_platform()
    stack.airflow.pause(TRAINING)
    stack.airflow.unpause(DAG)
    found = Backfills(stack)
    key = f"flights/date={LAST_DELIVERED}/flights.csv.gz"
    stack.wait_until(
        lambda: found.s3.list_objects_v2(Bucket=found.raw, Prefix=key).get("Contents"),
        "the feed delivered the year",
    )
    yield found
    stack.airflow.unpause(TRAINING)
