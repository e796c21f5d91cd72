"""Runs by stage, from Airflow's database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagemaker_emr.web.control_room import words
from sagemaker_emr.web.control_room.runs import SHOWN, STAGES
from tests.plugins.sagemaker_emr.web.control_room.conftest import HOSTILE, NOW, data, part

DAG = "train_and_deploy_model"
TASKS = {
    "platform.storage.deploy": (1, 20),
    "platform.read_platform": (20, 25),
    "choose_window": (25, 30),
    "wait_for_raw_partitions": (30, 90),
    "claim_cluster": (90, 91),
    "wait_for_cluster": (95, 400),
    "prepare_features": (400, 520),
    "train_model": (520, 640),
    "terminate_cluster": (521, 580),
    "evaluate_model": (640, 641),
    "register_model": (641, 645),
    "deploy_model": (645, 800),
    "smoke_test": (800, 803),
}


def whole_run(database, run_id="manual__1"):
    database.add_run(DAG, run_id, "success", seconds=810)
    for task_id, (begin, end) in TASKS.items():
        database.add_task(run_id, task_id, begin, end)


def stages(browse):
    [run] = data(browse, "runs")["runs"]
    return {stage["name"]: stage for stage in run["stages"]}


def test_a_stage_is_from_its_first_tasks_start_to_its_last_ones_end(browse, database):
    whole_run(database)
    assert {name: stage["seconds"] for name, stage in stages(browse).items()} == {
        "Platform": 24,
        "Inputs": 65,
        "Cluster start": 310,
        "Features": 120,
        "Training": 120,
        "Evaluation": 5,
        "Deployment": 155,
        "Smoke test": 3,
        "Cluster end": 59,
    }
    [run] = data(browse, "runs")["runs"]
    assert run["seconds"] == 810
    assert run["run"]["path"] == f"dags/{DAG}/runs/manual__1"


def test_a_stage_that_failed_and_one_that_goes_on_say_so(browse, database):
    database.add_run(DAG, "manual__1", "running")
    database.add_task("manual__1", "prepare_features", 10, 40, "failed")
    database.add_task("manual__1", "train_model", 40, None, "deferred")
    database.add_task("manual__1", "deploy_model", None, None, None)
    database.add_task("manual__1", "smoke_test", None, None, "upstream_failed")
    found = stages(browse)
    assert (found["Features"]["failed"], found["Features"]["running"]) == (True, False)
    assert found["Training"]["running"]
    assert found["Training"]["seconds"] > 0
    assert found["Deployment"]["seconds"] is None
    assert not found["Smoke test"]["failed"], "a task that never began is not where it failed"
    assert "running" in part(browse, "runs").text


def test_skipped_tasks_take_no_time(browse, database):
    database.add_run(DAG, "manual__1", "success")
    database.add_task("manual__1", "prepare_features", 10, 11, "skipped")
    assert stages(browse)["Features"]["seconds"] is None


def test_each_environment_has_its_own_runs(browse, database):
    database.add_run(DAG, "by-form", conf={"environment": "test"})
    database.add_run(DAG, "by-default")
    database.add_run(DAG, "by-partition", conf={"environment": "dev"}, partition_key="test|2013-02-14")
    database.add_run("another_dag", "not-this", conf={"environment": "test"})
    shown = {
        env: {run["run"]["run_id"] for run in data(browse, "runs", env)["runs"]} for env in ("dev", "test")
    }
    assert shown == {"dev": {"by-default"}, "test": {"by-form", "by-partition"}}
    assert "No run yet in prod" in part(browse, "runs", "prod").text


def test_a_thousand_runs_are_two_queries_and_the_newest_are_shown(browse, database):
    for number in range(1000):
        database.add_run(DAG, f"run-{number}", "success", after=NOW + timedelta(minutes=number))
    database.statements.clear()
    found = [run["run"]["run_id"] for run in data(browse, "runs")["runs"]]
    assert found == [f"run-{number}" for number in range(999, 999 - SHOWN, -1)]
    assert len(database.statements) == 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_run_id_is_text(hostile, browse, database):
    whole_run(database)
    usual = part(browse, "runs")
    database.session.rollback()
    whole_run(database, hostile)
    shown = part(browse, "runs")
    assert words.visible(hostile) in shown.text
    assert [tag for tag, _ in shown.elements] == [tag for tag, _ in usual.elements]


def test_every_task_of_a_stage_is_a_task_of_the_dag():
    """A task that is renamed leaves no stage without notice."""
    from airflow.dag_processing.dagbag import DagBag

    from tests.dags.conftest import DAGS_FOLDER

    bag = DagBag(DAGS_FOLDER / "train_and_deploy_model.py")
    task_ids = list(bag.dags[DAG].task_ids)
    for parts in STAGES.values():
        for name in parts:
            assert [
                task for task in task_ids if task == name or (name[-1] == "." and task.startswith(name))
            ], name


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0:00"), (61.4, "1:01"), (3599.7, "1:00:00"), (90061, "25:01:01")]
)
def test_durations_are_told_in_minutes_and_seconds(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0 min"), (0.12, "7 min"), (1, "1 h"), (2.5, "2 h 30 min"), (48, "2 d"), (76, "3 d 4 h")],
)
def test_ages_are_told_in_their_two_largest_units(hours, text):
    assert words.hours(hours) == text
