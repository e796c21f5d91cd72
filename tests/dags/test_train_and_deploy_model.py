"""The shape of the chain: what must come before what, and what ends the cluster."""

from __future__ import annotations

import itertools

import pytest
from airflow.sdk.exceptions import AirflowException

CHAIN = [
    "platform.read_platform",
    "wait_for_raw_partitions",
    "claim_cluster",
    "request_cluster",
    "wait_for_cluster",
    "prepare_features",
    "train_model",
    "evaluate_model",
    "register_model",
    "deploy_model",
    "smoke_test",
    "terminate_cluster",
    "confirm_outcome",
]


@pytest.fixture
def dag(dags):
    return dags["train_and_deploy_model"]


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(CHAIN)))
def test_each_step_waits_for_the_one_before(dag, before, after):
    assert before in dag.get_task(after).upstream_task_ids


def test_the_cluster_is_released_as_soon_as_the_last_spark_stage_ended(dag):
    release = dag.get_task("release_cluster")
    assert release.upstream_task_ids == {"platform.read_platform", "prepare_features"}
    assert "train_model" in dag.get_task("prepare_features").downstream_task_ids


def test_no_cluster_is_asked_for_before_the_raw_data_is_there(dag):
    upstream = {task.task_id for task in dag.get_task("request_cluster").get_flat_relatives(upstream=True)}
    assert "wait_for_raw_partitions" in upstream


def test_no_cluster_is_paid_for_while_code_can_still_fail_to_stage(dag):
    assert "stage_code" in dag.get_task("claim_cluster").upstream_task_ids


def test_runs_of_one_environment_do_not_overtake_each_other(dag):
    assert dag.max_active_runs == 1


def test_the_claim_is_the_setup_and_creates_nothing(dag):
    claim = dag.get_task("claim_cluster")
    assert claim.is_setup
    assert claim.task_type == "ServiceCatalogClaimProductOperator"
    assert not dag.get_task("request_cluster").is_setup


def test_the_cluster_is_torn_down_after_everything_else(dag):
    terminate = dag.get_task("terminate_cluster")
    assert terminate.is_teardown
    assert terminate.on_failure_fail_dagrun
    work = {t.task_id for t in dag.tasks if not t.is_teardown}
    upstream = {t.task_id for t in terminate.get_flat_relatives(upstream=True)}
    assert work <= upstream


def test_the_only_leaf_is_a_verdict_that_always_runs(dag):
    assert [task.task_id for task in dag.leaves] == ["confirm_outcome"]
    verdict = dag.get_task("confirm_outcome")
    assert verdict.is_teardown
    assert verdict.on_failure_fail_dagrun


def test_no_run_timeout_skips_the_teardown(dag):
    assert dag.dagrun_timeout is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environment", "Dev"),
        ("environment", "a" * 17),
        ("environment", "dev; rm -rf /"),
        ("environment", "dev\n"),
        ("environment", "dev-"),
        ("endpoint_instance_type", "ml.m5.large\n"),
        ("platform", "destroy"),
        ("emr_release", "emr-6.3.0"),
        ("core_instance_count", 3),
        ("core_instance_type", "p5.48xlarge"),
        ("training_end_date", "14.02.2013"),
        ("training_window_days", 0),
        ("max_depth", 99),
        ("endpoint_instance_type", "ml.m5.large --x"),
        ("release_cluster", "never"),
    ],
)
def test_a_value_outside_the_form_is_rejected(dag, field, value):
    param = dag.params.get_param(field)
    assert param.resolve() is not None
    with pytest.raises((AirflowException, ValueError)):
        param.resolve(value)
