"""What a run has cost, by what AWS answers at its end."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from sagemaker_emr.costs import cluster_usd
from sagemaker_emr.costs.report import COSTS, report_costs
from tests.plugins.sagemaker_emr.conftest import DAG_ID, RUN_ID, aws_error

GONE = aws_error("ValidationException", "Requested resource not found.")
FORM = {
    "environment": "dev",
    "master_instance_type": "m5.xlarge",
    "core_instance_type": "m5.xlarge",
    "core_instance_count": 2,
    "training_instance_type": "ml.m5.xlarge",
    "budget_usd": 5,
}


def job(seconds, status="Completed"):
    return {
        "TrainingJobName": "j",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/j",
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://artifacts/m"},
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {},
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "BillableTimeInSeconds": seconds,
    }


@pytest.fixture
def ended(monkeypatch):
    """The context of the last task of a run whose other tasks have pushed what a test gives."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")

    def make(pushed, **form):
        told = {}
        ti = SimpleNamespace(
            dag_id=DAG_ID,
            run_id=RUN_ID,
            told=told,
            xcom_push=lambda key, value: told.__setitem__(key, value),
            xcom_pull=lambda task_ids, key: pushed.get((task_ids, key)),
        )
        return {"ti": ti, "params": {**FORM, **form}}

    return make


def test_a_run_has_cost_its_clusters_seconds_and_what_every_training_job_is_billed(aws, ended, caplog):
    aws.on("DescribeTrainingJob", job(100, "Failed"), job(260), GONE)
    context = ended(
        {
            ("terminate_cluster", "cluster_seconds"): 1800.0,
            ("claim_cluster", "cost_estimate"): {"usd": "3.18"},
        }
    )
    with caplog.at_level(logging.INFO):
        report_costs(context)
    told = context["ti"].told[COSTS]
    whole = cluster_usd({"m5.xlarge": 3}, 1800) + Decimal("0.23") * 360 / 3600
    assert told["actual"]["usd"] == f"{whole:.2f}"
    assert (told["estimate"]["usd"], told["budget_usd"], told["endpoint"]) == ("3.18", "5", None)
    assert "Estimated: 3.18 USD; budget: 5.00 USD" in caplog.text


def test_an_endpoint_is_told_since_its_creation_and_is_not_the_runs_cost(aws, ended):
    aws.on("DescribeTrainingJob", GONE)
    created = datetime.now(UTC) - timedelta(hours=10)
    aws.on(
        "DescribeEndpoint",
        {
            "EndpointName": "e",
            "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            "EndpointConfigName": "c",
            "EndpointStatus": "InService",
            "CreationTime": created,
            "LastModifiedTime": created,
        },
    )
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    aws.on(
        "DescribeEndpointConfig",
        {
            "EndpointConfigName": "c",
            "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c",
            "ProductionVariants": [variant],
            "CreationTime": created,
        },
    )
    context = ended({("deploy_model", "endpoint_name"): "e"})
    report_costs(context)
    told = context["ti"].told[COSTS]
    assert told["actual"]["usd"] == "0.00"
    assert Decimal(told["endpoint"]["usd"]) == pytest.approx(Decimal("2.30"), abs=Decimal("0.01"))
    assert told["endpoint"]["usd_per_hour"] == "0.230"


@pytest.mark.parametrize(
    "error", [aws_error("AccessDeniedException"), RuntimeError("the API server is gone")]
)
def test_costs_that_can_t_be_counted_fail_nothing(aws, ended, caplog, error):
    def refuse(_):
        raise error

    aws.on("DescribeTrainingJob", refuse)
    context = ended({})
    report_costs(context)
    assert context["ti"].told == {}
    assert "could not be counted" in caplog.text


def test_a_run_whose_instances_have_no_price_ends_as_it_would(aws, ended, caplog):
    aws.on("DescribeTrainingJob", GONE)
    context = ended({("terminate_cluster", "cluster_seconds"): 60.0}, core_instance_type="x9.mega")
    report_costs(context)
    assert "x9.mega" in caplog.text
