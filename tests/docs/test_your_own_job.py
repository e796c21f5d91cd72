"""docs/guides/your_own_job.md as its reader would follow it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_aws.settings import settings
from tests.docs.guide_files import PROJECT, YOUR_OWN_JOB, files_of, save

GUIDE = YOUR_OWN_JOB.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(PROJECT / "include", folder / "include")
    save(YOUR_OWN_JOB, folder)
    return folder


@pytest.fixture(scope="module")
def guide_dags(folder: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(folder / "dags")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_guide_shows_the_files_that_it_promises():
    assert "\nSix files:" in GUIDE
    assert sorted(files_of(YOUR_OWN_JOB)) == [
        "dags/summarize_routes.py",
        "dags/train_arrival_delay.py",
        "include/routes/summarize_routes.py",
        "include/routes/training/inference.py",
        "include/routes/training/model.py",
        "include/routes/training/train.py",
    ]


def test_each_dag_is_named_for_its_file(guide_dags):
    assert set(guide_dags) == {"summarize_routes", "train_arrival_delay"}


def test_the_dag_with_the_spark_job_has_the_tasks_that_the_guide_lists(guide_dags):
    table = GUIDE[GUIDE.index("`spark_job` makes these tasks") :].split("\n\n")[1]
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(guide_dags["summarize_routes"].task_ids)


def test_the_dag_with_the_model_has_the_tasks_that_the_guide_lists(guide_dags):
    (sentence,) = re.findall(r"`train_and_deploy` makes the tasks ([^.]+)\.", GUIDE)
    told = set(re.findall(r"`(\w+)`", sentence))
    assert told | {"read_platform", "stage_code"} == set(guide_dags["train_arrival_delay"].task_ids)


def test_no_cluster_is_joined_before_the_work_is_looked_for_and_its_inputs_are_there(guide_dags):
    join = guide_dags["summarize_routes"].get_task("join_cluster")
    upstream = {task.task_id for task in join.get_flat_relatives(upstream=True)}
    assert {"check_batch", "wait_for_inputs", "stage_code"} <= upstream


def test_what_the_dags_stage_is_in_the_guide_or_in_the_project(guide_dags, folder):
    for dag in guide_dags.values():
        stage = dag.get_task("stage_code")
        for path in (*stage.files.values(), *stage.directories.values()):
            assert (folder / "include" / path).exists(), path


def test_the_guides_code_passes_the_projects_linter(folder):
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--config",
                PROJECT / "pyproject.toml",
                "dags",
                "include",
            ],
            capture_output=True,
            text=True,
            cwd=folder,
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guide's train.py leaves of made-up days."""
    job = tmp_path_factory.mktemp("job")
    make = """
import random, sys, pandas as pd
from pathlib import Path
chance = random.Random(1)
for channel, days in (("train", range(1, 6)), ("evaluation", range(6, 7))):
    for day in days:
        left = [chance.uniform(-5, 60) for _ in range(80)]
        rows = pd.DataFrame({
            "date": pd.to_datetime(f"2013-01-0{day}").date(), "flights": 3,
            "distance": [chance.uniform(100, 2500) for _ in left], "mean_dep_delay": left,
        })
        rows["mean_arr_delay"] = rows["mean_dep_delay"] - rows["distance"] / 100
        file = Path(sys.argv[1]) / channel / f"nested{day}" / "part.parquet"
        file.parent.mkdir(parents=True)
        rows.to_parquet(file)
"""
    for name in ("model", "output"):
        (job / name).mkdir()
    subprocess.run([settings.sagemaker_python, "-c", make, job], check=True, timeout=120)
    variables = {
        "SM_CHANNEL_TRAIN": job / "train",
        "SM_CHANNEL_EVALUATION": job / "evaluation",
        "SM_MODEL_DIR": job / "model",
        "SM_OUTPUT_DATA_DIR": job / "output",
    }
    script = folder / "include" / "routes" / "training" / "train.py"
    subprocess.run(
        [settings.sagemaker_python, script],
        env={name: str(path) for name, path in variables.items()},
        check=True,
        timeout=120,
    )
    return job


@pytest.mark.runtime
def test_the_guides_training_leaves_what_evaluate_model_takes(trained):
    from sagemaker_emr.hooks.sagemaker_output import parse_evaluation, parse_predictions
    from sagemaker_emr.operators.sagemaker_model import check_beats_baselines

    evaluation = parse_evaluation((trained / "output" / "evaluation.json").read_bytes(), "evaluation")
    check_beats_baselines(evaluation, "job")
    assert evaluation["evaluation_dates"] == ["2013-01-06"]
    assert len(parse_predictions((trained / "output" / "predictions.jsonl").read_bytes(), "rows")) == 80


@pytest.mark.runtime
def test_the_guides_handlers_answer_what_its_training_predicted(trained, folder):
    rows = [json.loads(line) for line in (trained / "output" / "predictions.jsonl").read_text().splitlines()]
    serve = """
import sys, inference
data = inference.input_fn(sys.stdin.read(), "application/json")
answer = inference.predict_fn(data, inference.model_fn(sys.argv[1]))
print(inference.output_fn(answer, "application/json")[0])
"""
    answer = subprocess.run(
        [settings.sagemaker_python, "-c", serve, trained / "model"],
        env={"PYTHONPATH": str(folder / "include" / "routes" / "training")},
        input=json.dumps({"instances": [row["features"] for row in rows]}),
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    ).stdout
    expected = [row["prediction"] for row in rows]
    assert json.loads(answer)["predictions"] == pytest.approx(expected, abs=1e-3)
