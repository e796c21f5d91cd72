"""The shape of the chain: what must come before what, and what ends the cluster."""

from __future__ import annotations

import itertools

import pytest
from jinja2 import Template

from tests.airflow_names import AirflowException, needs_partitions

CHAIN = [
    "platform.read_platform",
    "choose_window",
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
    "confirm_outcome",
]
CLUSTER_LIFE = [
    "claim_cluster",
    "request_cluster",
    "wait_for_cluster",
    "prepare_features",
    "hold_cluster",
    "terminate_cluster",
    "confirm_outcome",
]


@pytest.fixture
def dag(dags):
    return dags["train_and_deploy_model"]


@pytest.mark.parametrize(("before", "after"), [*itertools.pairwise(CHAIN), *itertools.pairwise(CLUSTER_LIFE)])
def test_each_step_waits_for_the_one_before(dag, before, after):
    assert before in dag.get_task(after).upstream_task_ids


def upstream_of(dag, task_id):
    return {task.task_id for task in dag.get_task(task_id).get_flat_relatives(upstream=True)}


def test_the_cluster_ends_beside_the_training_as_soon_as_the_last_spark_stage_ended(dag):
    assert dag.get_task("hold_cluster").upstream_task_ids == {"prepare_features"}
    assert "train_model" not in upstream_of(dag, "terminate_cluster")
    assert "train_model" in dag.get_task("prepare_features").downstream_task_ids


@pytest.mark.parametrize(("choice", "option"), [("always", "--force"), ("when_missing", "--no-force")])
def test_days_that_are_up_to_date_are_prepared_anew_only_where_the_form_says_so(dag, choice, option):
    arguments = [Template(arg) for arg in dag.get_task("prepare_features").args if "params.prepare" in arg]
    assert [argument.render(params={"prepare": choice}) for argument in arguments] == [option]


def test_the_training_runs_also_where_no_cluster_is_claimed(dag):
    """Airflow skips what lies between a setup and its teardown where the setup was skipped."""
    train = dag.get_task("train_model")
    assert list(train.get_upstreams_only_setups()) == []
    assert train.trigger_rule == "none_failed_min_one_success"


def test_the_training_is_skipped_where_there_is_nothing_to_train(dag):
    """Its trigger rule starts it after any success, so each upstream must be one that is skipped then."""
    for task_id in dag.get_task("train_model").upstream_task_ids:
        assert "choose_window" in upstream_of(dag, task_id)


@needs_partitions
def test_a_run_starts_for_each_feature_partition_and_for_none_that_has_no_date(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    timetable = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).timetable
    assert timetable.partitioned
    assert [asset.name for _, asset in timetable.asset_condition.iter_assets()] == ["flight_features"]
    mapper = timetable.default_partition_mapper
    assert mapper.to_downstream("dev|2013-02-14") == "dev|2013-02-14"
    assert mapper.to_partition_date("dev|2013-02-14").date().isoformat() == "2013-02-14"
    for key in ("2013-02-14", "dev|soon", "dev|2013-02-14|x"):
        with pytest.raises(ValueError, match=r"segments|match"):
            mapper.to_downstream(key)


def test_no_cluster_is_asked_for_before_the_raw_data_is_there(dag):
    assert "wait_for_raw_partitions" in upstream_of(dag, "request_cluster")


def test_no_cluster_is_paid_for_while_code_can_still_fail_to_stage(dag):
    assert "stage_code" in dag.get_task("claim_cluster").upstream_task_ids


def test_the_claim_is_the_setup_and_creates_nothing(dag):
    claim = dag.get_task("claim_cluster")
    assert claim.is_setup
    assert claim.task_type == "ServiceCatalogClaimProductOperator"
    assert not dag.get_task("request_cluster").is_setup


def test_the_cluster_is_torn_down_after_all_that_may_need_it(dag):
    terminate = dag.get_task("terminate_cluster")
    assert terminate.is_teardown
    assert terminate.on_failure_fail_dagrun
    claimed = {t.task_id for t in dag.get_task("claim_cluster").get_flat_relatives(upstream=False)}
    assert upstream_of(dag, "terminate_cluster") & claimed == set(CLUSTER_LIFE[1:-2])


def test_the_only_leaf_is_a_verdict_that_always_runs(dag):
    assert {t.task_id for t in dag.tasks} - {"confirm_outcome"} <= upstream_of(dag, "confirm_outcome")
    assert [task.task_id for task in dag.leaves] == ["confirm_outcome"]
    verdict = dag.get_task("confirm_outcome")
    assert verdict.is_teardown
    assert verdict.on_failure_fail_dagrun


def test_a_training_that_outlived_its_task_is_stopped_before_the_verdict(dag):
    stop = dag.get_task("stop_training")
    assert stop.is_teardown
    assert stop.on_failure_fail_dagrun
    assert stop.upstream_task_ids == {"train_model"}
    assert stop.purpose == dag.get_task("train_model").purpose
    assert "stop_training" in dag.get_task("confirm_outcome").upstream_task_ids


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
        ("prepare", "maybe"),
        ("deploy", "never"),
    ],
)
def test_a_value_outside_the_form_is_rejected(dag, field, value):
    param = dag.params.get_param(field)
    assert param.resolve() is not None
    with pytest.raises((AirflowException, ValueError)):
        param.resolve(value)
