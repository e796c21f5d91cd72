"""The whole chain in real Airflow, on real data; each test leaves no cluster."""

from __future__ import annotations

import gzip
import json
import time

import pytest
import requests

from tests.system.conftest import DAG_ID, Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

LIVY_PORT = 8998


@pytest.fixture(scope="module")
def finished_run(stack: Stack) -> str:
    """A run that keeps its cluster to the end, so that Livy can be asked what it ran."""
    return stack.trigger(platform="deploy", release_cluster="at_end", training_end_date="2013-02-12")


def test_a_value_outside_the_form_is_rejected_when_triggered(stack):
    with pytest.raises(requests.HTTPError, match="400"):
        stack.trigger(emr_release="emr-6.3.0")


def test_spark_runs_on_apache_livy(stack, finished_run):
    stack.wait_until(
        lambda: stack.states(finished_run)["prepare_features"] == "success", "prepare_features succeeded"
    )
    (cluster_id,) = stack.clusters_alive()
    cluster = stack.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
    livy = f"http://{cluster['MasterPublicDnsName']}:{LIVY_PORT}"
    assert requests.get(f"{livy}/version", timeout=10).json()["version"] == "0.7.1-incubating"
    (batch,) = requests.get(f"{livy}/batches", timeout=10).json()["sessions"]
    assert batch["state"] == "success"
    assert batch["name"].startswith("prepare-features-")


def test_the_run_succeeds_and_its_cluster_is_gone(stack, finished_run):
    assert stack.wait_for_end(finished_run) == "success"
    assert set(stack.states(finished_run).values()) == {"success"}
    stack.assert_nothing_left()
    # Other tests had clusters before on the same stack.
    cluster_id = stack.airflow.xcom(DAG_ID, finished_run, "wait_for_cluster", "cluster_id")
    cluster = stack.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
    assert cluster["Status"]["State"] == "TERMINATED"


def test_the_model_beats_its_baselines_on_days_it_never_saw(stack, finished_run):
    evaluation = stack.airflow.xcom("train_and_deploy_model", finished_run, "evaluate_model")
    assert evaluation["rmse"] < evaluation["baseline_rmse"]
    assert min(evaluation["evaluation_dates"]) > max(evaluation["training_dates"])


def test_the_endpoint_serves_the_model(stack, finished_run):
    smoke = stack.airflow.xcom("train_and_deploy_model", finished_run, "smoke_test")
    assert smoke["prediction_count"] >= 10
    endpoint = stack.client("sagemaker").describe_endpoint(EndpointName=smoke["endpoint_name"])
    assert endpoint["EndpointStatus"] == "InService"


def test_spark_and_training_logs_are_in_the_tasks_logs(stack, finished_run):
    log = stack.log(finished_run, "prepare_features")
    assert "rows of 31 dates" in log
    assert "error calling listener" not in log
    assert "baseline_rmse" in stack.log(finished_run, "train_model")


def test_a_cleared_task_goes_on_without_a_second_cluster_batch_or_job(stack, finished_run):
    stack.wait_for_end(finished_run)
    sagemaker = stack.client("sagemaker")
    jobs = len(sagemaker.list_training_jobs()["TrainingJobSummaries"])
    packages = len(sagemaker.list_model_packages()["ModelPackageSummaryList"])
    clusters = len(stack.clusters())
    stack.airflow.clear(
        "train_and_deploy_model", finished_run, ["prepare_features", "train_model"], downstream=False
    )
    assert stack.wait_for_end(finished_run) == "success"
    assert len(sagemaker.list_training_jobs()["TrainingJobSummaries"]) == jobs
    assert len(sagemaker.list_model_packages()["ModelPackageSummaryList"]) == packages
    assert len(stack.clusters()) == clusters


def test_the_demo_runs_the_default_path_and_reports_it(stack, finished_run):
    stack.wait_for_end(finished_run)
    assert stack.command("demo") == 0
    report = json.loads((stack.settings.home / "demo" / "report.json").read_text())
    assert report["state"] == "success"
    assert report["clusters_alive_at_end"] == 0
    assert report["rmse"] < report["baseline_rmse"]
    assert report["prediction_count"] >= 10
    assert {task["state"] for task in report["tasks"]} == {"success"}
    assert all({"id", "state", "start", "end", "tries"} <= set(task) for task in report["tasks"])
    assert report["cluster_id"].startswith("j-")
    assert 0 < report["cluster_seconds"] < report["wall_seconds"]
    assert all(seconds > 0 for seconds in report["work"].values())
    assert 0 < report["work_seconds"] < report["wall_seconds"]
    assert report["work_seconds"] + report["overhead_seconds"] == pytest.approx(
        report["wall_seconds"], abs=0.2
    )


def test_a_model_that_beats_nothing_is_not_deployed(stack, finished_run):
    stack.wait_for_end(finished_run)
    sagemaker = stack.client("sagemaker")
    name = stack.airflow.xcom("train_and_deploy_model", finished_run, "smoke_test")["endpoint_name"]
    serving = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    run_id = stack.trigger(platform="verify", num_round=1, eta=0.001)
    assert stack.wait_for_end(run_id) == "failed"
    assert stack.states(run_id)["evaluate_model"] == "failed"
    assert "ModelRejected" in stack.log(run_id, "evaluate_model")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] == serving
    stack.assert_nothing_left()


def test_a_cluster_that_can_not_start_fails_with_emrs_reason(stack, finished_run):
    stack.wait_for_end(finished_run)
    s3, bucket = stack.client("s3"), stack.outputs("storage")["ArtifactsBucket"]
    found = s3.list_objects_v2(Bucket=bucket)["Contents"]
    (script,) = [item["Key"] for item in found if item["Key"].endswith("installpylibs.sh")]
    body = s3.get_object(Bucket=bucket, Key=script)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=script)
    try:
        run_id = stack.trigger(platform="verify", prepare="always")
        assert stack.wait_for_end(run_id) == "failed"
    finally:
        s3.put_object(Bucket=bucket, Key=script, Body=body)
    assert stack.states(run_id)["wait_for_cluster"] == "failed"
    assert "BOOTSTRAP_FAILURE" in stack.log(run_id, "wait_for_cluster")
    assert "TERMINATED_WITH_ERRORS" in {c["Status"]["State"] for c in stack.clusters()}
    stack.assert_nothing_left()


def test_a_failing_spark_job_shows_its_exception_leaves_no_cluster_and_goes_on_when_mended(
    stack, finished_run
):
    stack.wait_for_end(finished_run)
    key = "flights/date=2013-03-04/flights.csv.gz"
    bucket = stack.outputs("storage")["RawBucket"]
    s3 = stack.client("s3")
    healthy = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"not,a,flight\n1,2,3\n"))
    run_id = stack.trigger(platform="verify", training_end_date="2013-03-04", training_window_days=7)
    assert stack.wait_for_end(run_id) == "failed"
    states = stack.states(run_id)
    assert states["prepare_features"] == "failed"
    assert states["terminate_cluster"] == "success"
    assert states["confirm_outcome"] == "failed"
    log = stack.log(run_id, "prepare_features")
    assert "SparkJobRejected" in log
    assert key in log
    stack.assert_nothing_left()

    s3.put_object(Bucket=bucket, Key=key, Body=healthy)
    stack.airflow.clear("train_and_deploy_model", run_id, ["request_cluster"])
    stack.wait_for_end(run_id)
    assert stack.states(run_id)["prepare_features"] == "success"
    stack.assert_nothing_left()


def test_a_run_failed_by_hand_ends_its_cluster_and_stays_failed(stack, finished_run):
    stack.wait_for_end(finished_run)
    run_id = stack.trigger(platform="verify", training_end_date="2013-03-20", training_window_days=7)
    stack.wait_until(
        lambda: stack.states(run_id).get("wait_for_cluster") == "deferred", "wait_for_cluster deferred"
    )
    stack.airflow.mark_failed("train_and_deploy_model", run_id)

    def settled() -> bool:
        return stack.states(run_id)["confirm_outcome"] in ("success", "failed")

    stack.wait_until(settled, f"the teardowns ran; {stack.states(run_id)}")
    assert stack.states(run_id)["terminate_cluster"] == "success"
    time.sleep(2)
    assert stack.airflow.run("train_and_deploy_model", run_id)["state"] == "failed"
    stack.assert_nothing_left()
