"""docs/guides/your_own_job.md in real Airflow: its job on real days, then its model."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import subprocess
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from local_aws.settings import settings
from tests.system.conftest import ENDED, Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

JOB = "summarize_routes"
MODEL = "train_arrival_delay"
PROVIDER = "provide_shared_cluster"
DAYS = [datetime.date(2013, 1, 1) + datetime.timedelta(days=day) for day in range(5)]
SECONDS = 600


class Guide:
    """The stack, as the guide's reader sees it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.s3 = stack.client("s3")
        self.outputs = stack.outputs("storage")

    def read(self, output: str, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.outputs[output], Key=key)["Body"].read()
        return body

    def manifest(self, day: datetime.date) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.read("FeaturesBucket", f"routes/date={day}/_manifest.json"))
        return found

    def is_delivered(self, day: datetime.date) -> bool:
        prefix = f"flights/date={day}/flights.csv.gz"
        return bool(self.s3.list_objects_v2(Bucket=self.outputs["RawBucket"], Prefix=prefix).get("Contents"))

    def backfill(self, reprocess: str = "none") -> list[dict[str, Any]]:
        """Backfill the days; their runs, ended, so that the next backfill may begin."""
        before = {(run["dag_run_id"], run["start_date"]) for run in self.stack.airflow.runs(JOB)}
        backfill = self.stack.airflow.backfill(JOB, DAYS[0], DAYS[-1], runs_at_once=4, reprocess=reprocess)

        def ended() -> list[dict[str, Any]]:
            runs = self.stack.airflow.runs(JOB)
            new = [run for run in runs if (run["dag_run_id"], run["start_date"]) not in before]
            return new if len(new) == len(DAYS) and all(run["state"] in ENDED for run in new) else []

        runs: list[dict[str, Any]] = self.stack.wait_until(ended, f"backfill of {JOB} ended", SECONDS)
        self.stack.wait_for_backfill(backfill)
        return runs

    def states(self, run: dict[str, Any]) -> dict[str, str | None]:
        tasks = self.stack.airflow.tasks(run["dag_id"], run["dag_run_id"])
        return {task["task_id"]: task["state"] for task in tasks}

    def providers(self) -> list[str]:
        return [run["dag_run_id"] for run in self.stack.airflow.runs(PROVIDER)]

    def wait_until_no_cluster(self) -> None:
        runs = self.stack.airflow.runs
        self.stack.wait_until(
            lambda: all(run["state"] in ENDED for run in runs(PROVIDER)), "every provider ended", SECONDS
        )
        self.stack.assert_nothing_left()

    def expected(self, day: datetime.date) -> dict[tuple[str, str], tuple[int, float, float]]:
        """Flights and mean delays by route, made from the raw file by plain Python."""
        text = gzip.decompress(self.read("RawBucket", f"flights/date={day}/flights.csv.gz")).decode()
        routes = defaultdict(list)
        for row in csv.DictReader(text.splitlines()):
            if "NA" not in (row["dep_delay"], row["arr_delay"]):
                routes[row["origin"], row["dest"]].append((float(row["dep_delay"]), float(row["arr_delay"])))
        return {
            route: (len(delays), fmean(left for left, _ in delays), fmean(arrived for _, arrived in delays))
            for route, delays in routes.items()
        }

    def committed(self, day: datetime.date, folder: Path) -> dict[tuple[str, str], tuple[int, float, float]]:
        """The same, as the job committed it."""
        (file,) = self.manifest(day)["files"]
        parquet = folder / f"{day}.parquet"
        parquet.write_bytes(self.read("FeaturesBucket", file["key"]))
        script = "import pandas, sys; print(pandas.read_parquet(sys.argv[1]).astype({'date': str}).to_json())"
        done = subprocess.run(
            [settings.sagemaker_python, "-c", script, parquet], check=True, capture_output=True, text=True
        )
        columns = {name: list(values.values()) for name, values in json.loads(done.stdout).items()}
        assert set(columns["date"]) == {str(day)}
        values = zip(
            *(columns[name] for name in ("flights", "mean_dep_delay", "mean_arr_delay")), strict=True
        )
        return dict(zip(zip(columns["origin"], columns["dest"], strict=True), values, strict=True))


@pytest.fixture(scope="module")
def guide(stack: Stack) -> Guide:
    stack.deploy_platform()
    guide = Guide(stack)
    stack.wait_until(lambda: all(map(guide.is_delivered, DAYS)), "the feed delivered the days")
    stack.airflow.unpause(JOB)
    return guide


@pytest.fixture(scope="module")
def summarized(guide: Guide) -> list[dict[str, Any]]:
    runs = guide.backfill()
    assert {run["state"] for run in runs} == {"success"}, list(map(guide.states, runs))
    return runs


def test_the_job_commits_each_day_as_the_raw_files_have_it(guide, summarized, tmp_path):
    for day in DAYS:
        committed, expected = guide.committed(day, tmp_path), guide.expected(day)
        assert guide.manifest(day)["rows"] == len(expected) > 100
        assert committed.keys() == expected.keys()
        for route, values in expected.items():
            assert committed[route] == pytest.approx(values), route


def test_days_that_are_done_are_not_done_again(guide, summarized):
    before, manifests = guide.providers(), [guide.manifest(day) for day in DAYS]
    for run in guide.backfill(reprocess="completed"):
        states = guide.states(run)
        assert run["state"] == "success", states
        assert states["check_batch"] == states["join_cluster"] == states[JOB] == "skipped"
    assert guide.providers() == before
    assert [guide.manifest(day) for day in DAYS] == manifests


def test_the_model_is_trained_on_these_days_and_serves(guide, summarized):
    airflow = guide.stack.airflow
    run_id = airflow.trigger(MODEL, {"judged_on": str(DAYS[-1]), "days": len(DAYS) - 1})
    run = guide.stack.wait_until(
        lambda: run if (run := airflow.run(MODEL, run_id))["state"] in ENDED else None,
        f"{MODEL} ended",
        SECONDS,
    )
    assert run["state"] == "success", guide.states(run)
    evaluation = airflow.xcom(MODEL, run_id, "evaluate_model")
    assert evaluation["training_dates"] == [str(day) for day in DAYS[:-1]]
    assert evaluation["evaluation_rows"] == guide.manifest(DAYS[-1])["rows"]
    tested = airflow.xcom(MODEL, run_id, "smoke_test")
    assert tested["endpoint_name"] == "sagemaker-emr-dev-arrival-delay"
    assert tested["prediction_count"] == 50
    guide.stack.client("sagemaker").delete_endpoint(EndpointName=tested["endpoint_name"])


def test_no_cluster_is_left(guide, summarized):
    guide.wait_until_no_cluster()
