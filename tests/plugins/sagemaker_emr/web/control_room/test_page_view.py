"""What one view of the whole page asks of AWS and of Airflow's database, with 200 clusters and 1,000 runs."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import insert

from sagemaker_emr.web.control_room.runs import DAG_ID, SHOWN, STAGES
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.web.control_room.conftest import (
    HERE,
    NOW,
    Read,
    catalog_of,
    paged,
)

CLUSTERS, RUNS, EVALUATIONS = 200, 1000, 150
CALLS = {
    "DescribeStacks": 4,
    "SearchProvisionedProducts": 2,
    "ListClusters": 4,
    "GetResources": 2,
    "ListStacks": 1,
    "ListObjectsV2": 6,  # five for the calendar, one for the evaluations
    "GetObject": 63,  # of the newest 60 evaluations, and three looks for the last check's report
}
"""Of the first view; docs/guides/control_room.md states them."""

STATEMENTS = 12


@pytest.fixture
def crowded(database, aws):
    """An environment with many of everything."""
    database.add_dag()
    runs, tasks = [], []
    for number in range(RUNS):
        begin = NOW - timedelta(hours=number)
        run_id, end = f"run-{number}", begin + timedelta(minutes=30)
        runs.append(
            {
                "dag_id": DAG_ID,
                "run_id": run_id,
                "run_type": "manual",
                "state": "success",
                "conf": {},
                "run_after": begin,
                "start_date": begin,
                "end_date": end,
                "clear_number": 0,
                "span_status": "not_started",
            }
        )
        tasks += [
            {
                "id": uuid.uuid4(),
                "dag_id": DAG_ID,
                "run_id": run_id,
                "task_id": parts[0],
                "state": "success",
                "start_date": begin,
                "end_date": end,
                "pool": "default_pool",
                "pool_slots": 1,
            }
            for parts in STAGES.values()
        ]
    database.session.execute(insert(DagRun.__table__), runs)
    database.session.execute(insert(TaskInstance.__table__), tasks)
    for number in range(5):
        database.add_run("check_platform", f"check-{number}", "success", after=NOW + timedelta(hours=number))
    tags = {"sagemaker-emr:owner": "ana", "sagemaker-emr:dag": DAG_ID}
    catalog_of(aws, [{**tags, "sagemaker-emr:run": f"run-{number}"} for number in range(CLUSTERS)])
    aws.on("ListStacks", {"StackSummaries": []})
    aws.on("ListObjectsV2", objects)
    aws.on("GetObject", evaluation)
    database.statements.clear()
    return aws


def objects(request):
    """A bucket with a year of prepared days, or with evaluations."""
    if request["Prefix"] != "evaluations/":
        return {"CommonPrefixes": [{"Prefix": "flights/date=2013-01-01/"}]}
    keys = [f"evaluations/job-{number}/evaluation.json" for number in range(EVALUATIONS)]
    return paged(
        [{"Key": key, "ETag": key, "LastModified": NOW} for key in keys],
        "Contents",
        1000,
        "ContinuationToken",
        "NextContinuationToken",
    )(request)


class Body:
    def __init__(self, text):
        self._text = text

    def read(self):
        return self._text.encode()


def evaluation(request):
    if not request["Key"].startswith("evaluations/"):
        return aws_error("NoSuchKey", "The specified key does not exist.")
    document = {
        "rmse": 17.0,
        "baseline_rmse": 19.0,
        "baselines": {"mean": 19.0},
        "evaluation_rows": 10,
        "training_rows": 100,
        "evaluation_dates": ["2013-02-10"],
        "training_dates": ["2013-02-07"],
    }
    return {"Body": Body(json.dumps(document))}


def view(browse):
    """The page and everything that it fetches."""
    page = browse.get(HERE)
    read = Read(page.text)
    addresses = [found["data-part"] for _, found in read.elements if "data-part" in found]
    assert len(addresses) == 6
    answers = {address.rpartition("/")[2].partition("?")[0]: browse.get(address) for address in addresses}
    assert {answer.status_code for answer in answers.values()} == {200}
    return answers


def test_a_view_of_200_clusters_and_1000_runs_asks_for_so_much_and_no_more(browse, database, crowded):
    answers = view(browse)
    assert Counter(operation for operation, _ in crowded.calls) == CALLS
    assert len(database.statements) <= STATEMENTS, database.statements
    shown = Read(answers["clusters"].text)
    assert len(shown.buttons) == 25
    assert f"of {CLUSTERS}" in shown.text
    assert shown.text.count("success") == 25, "each with the state of its run"
    assert len(Read(answers["runs"].text).all("a", data_airflow_page="")) == SHOWN
    assert f"The newest 60 of {EVALUATIONS}" in Read(answers["model-error"].text).text


def test_the_next_view_asks_aws_for_nothing(browse, database, crowded):
    view(browse)
    crowded.calls.clear()
    database.statements.clear()
    view(browse)
    assert crowded.calls == []
    assert len(database.statements) <= STATEMENTS


def test_a_view_is_small(browse, crowded):
    """As much as a browser takes in and lays out at once; none of it grows with clusters, runs or models."""
    sizes = {name: len(answer.content) for name, answer in view(browse).items()}
    assert sum(sizes.values()) < 250_000, sizes
