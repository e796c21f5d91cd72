from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG, Param, TaskGroup

from sagemaker_emr import names
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.operators.base import SKIP_REASON
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.task_groups.spark import SparkJobTasks, check_batch, spark_job
from tests.airflow_names import AirflowSkipException
from tests.plugins.sagemaker_emr.conftest import Run, ScriptedAws
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

FILES = {"file": "routes/count.py", "py_files": ["spark/partitions.py"]}
WORK = {
    "completion_manifest": "s3://features/_batches/{batch_name}.json",
    "purpose": "count_flights",
    "batch_name_key": ["dev", "routes", "2013-01-01"],
}


def dag() -> DAG:
    return DAG("routes", schedule=None, start_date=datetime(2013, 1, 1), params={"environment": Param("dev")})


def job(**changes: Any) -> SparkJobTasks:
    with dag():
        return spark_job("count_flights", **{**FILES, "args": ["--raw", "{raw}", "{batch_name}"], **changes})


def upstream(task: Any) -> set[str]:
    return {each.task_id for each in task.get_flat_relatives(upstream=True)}


def test_buckets_are_taken_from_the_platforms_outputs():
    args = job().batch.args
    assert args[0] == "--raw"
    assert args[1].startswith("s3://{{ task_instance.xcom_pull(task_ids='read_platform'")
    assert "key='RawBucket'" in args[1]
    assert args[2] == "{batch_name}"


def test_work_is_told_by_environment_dag_date_arguments_and_the_content_of_the_files():
    batch = job().batch
    environment, dag_id, run, *args, file, module = batch.batch_name_key
    assert (environment, dag_id) == ("{{ params.environment }}", "{{ ti.dag_id }}")
    assert "logical_date" in run
    assert args == batch.args
    assert [file.key, module.key] == ["count", "partitions"]
    assert file.operator.task_id == module.operator.task_id == "stage_code"


def test_what_is_looked_for_before_a_cluster_is_asked_for_is_what_the_batch_would_do():
    batch = job(batch_key=["version 3"]).batch
    check = batch.dag.get_task("check_batch")
    assert check.op_kwargs == {
        "completion_manifest": batch.completion_manifest,
        "purpose": batch.purpose,
        "batch_name_key": batch.batch_name_key,
    }
    assert batch.batch_name_key[2] == "version 3"
    assert "check_batch" in upstream(batch.dag.get_task("join_cluster"))


def test_inputs_are_waited_for_before_a_cluster_is_asked_for():
    waiting = job(inputs=["{raw}/flights/date={{ ds }}/flights.csv.gz"]).batch.dag
    (uri,) = waiting.get_task("wait_for_inputs").uris
    assert uri.endswith("}}/flights/date={{ ds }}/flights.csv.gz")
    assert "wait_for_inputs" in upstream(waiting.get_task("join_cluster"))
    assert "wait_for_inputs" not in job().batch.dag.task_ids


def test_the_verdict_comes_after_all_and_looks_at_the_batch():
    made = job()
    verdict = made.batch.dag.get_task("confirm_outcome")
    assert upstream(verdict) == set(made.batch.dag.task_ids) - {"confirm_outcome"}
    assert verdict.is_teardown
    assert verdict.on_failure_fail_dagrun
    assert verdict.op_args == ("count_flights",)
    assert verdict.op_kwargs == {"may_skip": ["check_batch"]}


def test_a_dag_takes_several_jobs_each_in_a_group_of_its_own():
    with dag() as both:
        for group in ("first", "second"):
            with TaskGroup(group):
                made = spark_job("count_flights", **FILES, args=["{raw}"])
    assert "task_ids='second.read_platform'" in made.batch.args[0]
    verdict = both.get_task("second.confirm_outcome")
    assert verdict.op_args == ("second.count_flights",)
    assert verdict.op_kwargs == {"may_skip": ["second.check_batch"]}


def test_two_files_of_one_name_are_refused():
    with pytest.raises(InvalidInput, match="count_flights"):
        job(py_files=["other/count.py"])


@pytest.fixture
def s3(aws: ScriptedAws) -> MemoryS3:
    return MemoryS3(aws)


def test_work_that_is_not_done_goes_on(s3: MemoryS3, context: dict[str, Any]):
    s3.put("s3://features/_batches/another-0123456789ab-1.json", "{}")
    name = names.derive(WORK["purpose"], *WORK["batch_name_key"])
    s3.put(f"s3://features/_batches/{name}.json.submitted", "{}")
    check_batch.function(**WORK, **context)
    assert context["ti"].xcom == {}


def test_work_that_the_batch_did_is_skipped_and_says_why(
    s3: MemoryS3, context: dict[str, Any], run_task: Run
):
    name = names.derive(WORK["purpose"], *WORK["batch_name_key"], generation=2)
    done = f"s3://features/_batches/{name}.json"
    s3.put(done, "{}")
    batch = {"task_id": "count_flights", "environment": "dev", "cluster_id": "j-1", "file": "s3://a/count.py"}
    assert run_task(lambda: LivyRunBatchOperator(**batch, **WORK))["batch_name"] == name
    with pytest.raises(AirflowSkipException):
        check_batch.function(**WORK, **context)
    assert context["ti"].xcom[SKIP_REASON] == f"The work is done: {done}"
