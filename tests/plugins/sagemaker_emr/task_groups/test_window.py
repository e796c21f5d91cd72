"""Where a run goes after it looked which days are prepared."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sagemaker_emr import airflow_versions
from sagemaker_emr.flights import current_code_hash
from sagemaker_emr.task_groups import window
from tests.airflow_names import AirflowSkipException, needs_partitions
from tests.plugins.sagemaker_emr.test_assets import started_by
from tests.plugins.sagemaker_emr.test_windows import commit

__all__ = ["commit"]

pytestmark = pytest.mark.local_aws

FEATURES = "s3://artifacts/flights"
RAW = "s3://artifacts/raw"
STRAIGHT = ["stage_code"]
WITH_CLUSTER = ["stage_code", "wait_for_raw_partitions"]


@pytest.fixture
def choose(bucket, context, monkeypatch):
    monkeypatch.setattr(window, "ArtifactsHook", lambda: window_hook())
    params = {
        "training_end_date": "2013-02-04",
        "training_window_days": 4,
        "evaluation_days": 2,
        "prepare": "when_missing",
    }

    def run(run_type="manual", partition_key=None, run_id="run-1", **changes):
        context.update(
            dag_run=SimpleNamespace(run_type=run_type, partition_key=partition_key),
            params={**params, **changes},
            run_id=run_id,
        )
        return window.choose_window.function(FEATURES, RAW, bucket, **context)

    return run


@pytest.fixture
def deliver(bucket, local_aws):
    """Deliver a day's flights; what a manifest would tell of them."""

    def deliver(day, body="a flight"):
        key = f"raw/flights/date={day}/flights.csv.gz"
        answer = local_aws("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
        return {f"s3://{bucket}/{key}": answer["ETag"].strip('"')}

    return deliver


def window_hook():
    from sagemaker_emr.hooks.s3 import ArtifactsHook

    return ArtifactsHook(aws_conn_id=None)


def days(context):
    pushed = context["ti"].xcom
    return tuple(
        pushed[name] for name in ("training_start", "training_end", "evaluation_start", "evaluation_end")
    )


def test_a_run_by_hand_prepares_where_a_day_is_missing(choose, commit, context):
    commit("2013-02-01", "2013-02-05")
    assert choose() == WITH_CLUSTER
    assert days(context) == ("2013-02-01", "2013-02-04", "2013-02-05", "2013-02-06")


def test_a_run_by_hand_needs_no_cluster_where_every_day_is_ready(choose, commit):
    commit("2013-02-01", "2013-02-06")
    assert choose() == STRAIGHT


def test_a_run_by_hand_prepares_where_a_day_is_out_of_date(choose, commit, deliver):
    commit("2013-02-01", "2013-02-06", code=current_code_hash(), sources=deliver("2013-02-01"))
    # The other days' own raw files are gone, so nothing can be done for them.
    assert choose() == STRAIGHT
    deliver("2013-02-01", "corrected")
    assert choose() == WITH_CLUSTER


def test_a_run_by_hand_prepares_what_other_code_prepared(choose, commit, deliver):
    commit("2013-02-01", "2013-02-06", code="yesterday's", sources=deliver("2013-02-01"))
    assert choose() == WITH_CLUSTER


@needs_partitions
def test_a_day_that_completes_a_window_is_trained_on_also_where_another_is_out_of_date(
    choose, commit, deliver, caplog
):
    caplog.set_level("INFO")
    commit("2013-02-01", "2013-02-06", code="yesterday's", sources=deliver("2013-02-01"))
    assert choose("asset_triggered", "dev|2013-02-06") == STRAIGHT
    assert "have changed since they were prepared: 2013-02-01\n" in caplog.text


def test_the_form_can_ask_to_prepare_ready_days_again(choose, commit):
    commit("2013-02-01", "2013-02-06")
    assert choose(prepare="always") == WITH_CLUSTER


@needs_partitions
def test_a_run_by_hand_with_a_partition_key_ends_its_window_there(choose, commit, context):
    commit("2013-02-01", "2013-02-06")
    assert choose(partition_key="dev|2013-03-06") == WITH_CLUSTER
    assert days(context) == ("2013-03-01", "2013-03-04", "2013-03-05", "2013-03-06")


@needs_partitions
def test_a_day_that_completes_a_window_is_trained_on(choose, commit, context):
    commit("2013-02-01", "2013-02-06")
    assert choose("asset_triggered", "dev|2013-02-06") == STRAIGHT
    assert days(context) == ("2013-02-01", "2013-02-04", "2013-02-05", "2013-02-06")


@needs_partitions
def test_a_day_that_fills_a_gap_is_answered_with_the_newest_window(choose, commit, context):
    commit("2013-02-01", "2013-02-08")
    assert choose("asset_triggered", "dev|2013-02-04") == STRAIGHT
    assert days(context)[-1] == "2013-02-08"


@needs_partitions
def test_a_day_without_a_complete_window_skips_the_run_and_names_what_misses(choose, commit, context, caplog):
    caplog.set_level("INFO")
    commit("2013-02-01", "2013-02-04")
    commit("2013-02-06")
    with pytest.raises(AirflowSkipException, match=r"up to that day miss: 2013-02-05$"):
        choose("asset_triggered", "dev|2013-02-06")
    assert context["ti"].xcom["skip_reason"].startswith("No window with 2013-02-06 is complete")
    assert "Skipped: No window with 2013-02-06 is complete" in caplog.text


@needs_partitions
def test_a_day_before_the_newest_window_starts_no_training(choose, commit):
    commit("2013-02-01", "2013-02-12")
    with pytest.raises(AirflowSkipException, match="2013-02-06 is not in the newest complete window"):
        choose("asset_triggered", "dev|2013-02-06")


@needs_partitions
def test_of_the_runs_that_the_days_of_a_window_started_one_trains(choose, commit):
    commit("2013-02-01", "2013-02-06")
    assert choose("asset_triggered", "dev|2013-02-05", run_id="first") == STRAIGHT
    with pytest.raises(AirflowSkipException, match="Run first trains on the same partitions"):
        choose("asset_triggered", "dev|2013-02-06", run_id="second")
    assert choose("asset_triggered", "dev|2013-02-05", run_id="first") == STRAIGHT


@pytest.mark.parametrize(
    "told", [("2013-02-06",), ("2013-02-08", "2013-01-01", "2013-02-04")], ids=["one", "several"]
)
def test_without_partitions_the_announced_days_are_answered_with_the_newest_window(
    choose, commit, context, monkeypatch, told
):
    monkeypatch.setattr(airflow_versions, "ASSETS_HAVE_PARTITIONS", False)
    context.update(started_by(*({"environment": "dev", "date": day} for day in told)))
    commit("2013-02-01", "2013-02-06")
    assert choose("asset_triggered") == STRAIGHT
    assert days(context)[-1] == "2013-02-06"


def test_without_partitions_an_event_that_announces_no_day_starts_no_training(choose, context, monkeypatch):
    monkeypatch.setattr(airflow_versions, "ASSETS_HAVE_PARTITIONS", False)
    context.update(started_by({}))
    with pytest.raises(AirflowSkipException, match="announces no partition"):
        choose("asset_triggered")
