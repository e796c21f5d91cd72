"""The control's DAG: stock operators at their defaults, and the same work."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airflow.providers.amazon.aws.operators import emr
from airflow.providers.amazon.aws.sensors.emr import EmrStepSensor

from local_aws.emr import parameters, steps

PROJECT = Path(__file__).resolve().parents[2]


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{Path(path).stem}", PROJECT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stock() -> ModuleType:
    return load("bench/dags/prepare_features_stock.py")


@pytest.fixture(scope="module")
def dag(stock: ModuleType) -> Any:
    return stock.prepare_features_stock()


def test_all_but_the_poke_interval_is_the_providers_default(dag: Any, stock: ModuleType) -> None:
    kinds = {
        "create_job_flow": emr.EmrCreateJobFlowOperator,
        "add_steps": emr.EmrAddStepsOperator,
        "wait_for_step": EmrStepSensor,
        "remove_cluster": emr.EmrTerminateJobFlowOperator,
    }
    assert {task.task_id: type(task) for task in dag.tasks} == kinds
    for task in dag.tasks:
        plain = inspect.signature(type(task).__init__).parameters
        for name in ("deferrable", "waiter_delay", "waiter_max_attempts", "max_attempts", "aws_conn_id"):
            if name in plain and plain[name].default is not None:
                assert getattr(task, name) == plain[name].default, (task.task_id, name)
        assert task.retries == 0
    assert dag.get_task("remove_cluster").trigger_rule == "all_done"
    assert dag.get_task("wait_for_step").poke_interval == stock.STOCK_POKE_SECONDS / 60


def test_it_submits_the_same_work(stock: ModuleType) -> None:
    ours = load("dags/prepare_features.py").prepare_features().get_task("prepare_features")
    [step] = stock.STEPS
    args = step["HadoopJarStep"]["Args"]
    flags = [arg for arg in args if arg.startswith("--") and arg != "--py-files"]
    ours_flags = [arg.split("'")[1] if "{{ '--" in arg else arg for arg in ours.args]
    expected = {arg for arg in ours_flags if arg.startswith("--")}
    assert {flag.replace("--no-force", "--force") for flag in flags} == expected
    modules = args[args.index("--py-files") + 1].split(",")
    assert len(modules) == len(ours.py_files)


def test_its_requests_are_what_the_embedded_aws_plays(stock: ModuleType) -> None:
    steps.check(stock.STEPS, stock.JOB_FLOW["Applications"])
    released = stock.JOB_FLOW | {"ReleaseLabel": "emr-7.8.0", "LogUri": "s3://bucket/logs/"}
    released["BootstrapActions"] = [{"Name": "b", "ScriptBootstrapAction": {"Path": "s3://bucket/b.sh"}}]
    parameters.check_run_job_flow(released)
