from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_emr.exceptions import EndpointFailed, EndpointUnusable, PredictionMismatch
from sagemaker_emr.operators.sagemaker_endpoint import SageMakerSmokeTestEndpointOperator
from tests.airflow_names import AirflowSkipException
from tests.plugins.sagemaker_emr.conftest import Run, ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

ENDPOINT = "sagemaker-emr-dev-flight-delay"
ROWS = [
    {"features": {"distance": float(n), "wind": None}, "actual": n / 2, "prediction": n / 3}
    for n in range(60)
]
EVALUATION = {"predictions_uri": "s3://artifacts/evaluations/job-1/predictions.jsonl"}


@pytest.fixture
def serving(aws: ScriptedAws) -> Callable[[Callable[[float], float]], None]:
    """An endpoint that predicts by a function of the row's distance."""
    MemoryS3(aws).put(EVALUATION["predictions_uri"], "\n".join(map(json.dumps, ROWS)))

    def predict_by(function: Callable[[float], float]) -> None:
        def invoke(request: dict[str, Any]) -> dict[str, Any]:
            instances = json.loads(request["Body"])["instances"]
            predictions = [function(row["distance"]) for row in instances]
            return {"Body": io.BytesIO(json.dumps({"predictions": predictions}).encode())}

        aws.on("InvokeEndpoint", invoke)

    return predict_by


def smoke_test(**changes: Any) -> SageMakerSmokeTestEndpointOperator:
    return SageMakerSmokeTestEndpointOperator(
        task_id="smoke_test",
        aws_conn_id=None,
        **{"endpoint_name": ENDPOINT, "evaluation": EVALUATION, **changes},
    )


def test_an_endpoint_that_predicts_as_its_model_did_passes(
    run_task: Run, aws: ScriptedAws, serving: Any
) -> None:
    serving(lambda distance: distance / 3 + 1e-6)
    result = run_task(smoke_test)
    assert result["prediction_count"] == 50
    assert result["max_abs_difference"] == pytest.approx(1e-6)
    assert len(result["sample"]) == 10
    assert result["sample"][4]["actual"] == 2.0
    [request] = aws.requests("InvokeEndpoint")
    assert json.loads(request["Body"])["instances"][0] == {"distance": 0.0, "wind": None}


def serve(aws: ScriptedAws, *configs: str) -> None:
    """The endpoint's configuration, look by look."""
    now = datetime.now(UTC)
    described = {
        "EndpointName": ENDPOINT,
        "EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}",
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    aws.on("DescribeEndpoint", *(described | {"EndpointConfigName": config} for config in configs))


def test_an_endpoint_that_serves_what_was_deployed_passes(
    run_task: Run, aws: ScriptedAws, serving: Any
) -> None:
    serving(lambda distance: distance / 3)
    serve(aws, "config-1")
    assert run_task(lambda: smoke_test(endpoint_config_name="config-1"))["prediction_count"] == 50


@pytest.mark.parametrize("configs", [["config-2"], ["config-1", "config-2"]], ids=["before", "meanwhile"])
def test_an_endpoint_that_another_run_took_over_is_told_as_such(
    run_task: Run, aws: ScriptedAws, serving: Any, configs: list[str]
) -> None:
    """Also where both models predict the same, or the test itself would call it a mismatch."""
    serving(lambda distance: distance / 3 + (0 if len(configs) == 1 else 5))
    serve(aws, *configs)
    with pytest.raises(EndpointUnusable, match="does not serve config-1\nReason: it serves config-2"):
        run_task(lambda: smoke_test(endpoint_config_name="config-1"))


def served_until(aws: ScriptedAws, day: str) -> None:
    """What the endpoint serves was trained until that day."""
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/config-2"
    config = {"EndpointConfigName": "config-2", "EndpointConfigArn": arn, "CreationTime": datetime.now(UTC)}
    aws.on("DescribeEndpointConfig", config | {"ProductionVariants": [{"VariantName": "AllTraffic"}]})
    aws.on("ListTags", {"Tags": [{"Key": "sagemaker-emr:trained-until", "Value": day}]})


@pytest.mark.parametrize("configs", [["config-2"], ["config-1", "config-2"]], ids=["before", "meanwhile"])
def test_a_newer_model_in_our_place_is_a_reason_to_skip(
    run_task: Run, aws: ScriptedAws, serving: Any, context: dict[str, Any], configs: list[str]
) -> None:
    serving(lambda distance: distance)
    serve(aws, *configs)
    served_until(aws, "2013-02-15")
    evaluation = {**EVALUATION, "training_dates": ["2013-02-13", "2013-02-14"]}
    with pytest.raises(AirflowSkipException, match="serves config-2, trained until 2013-02-15"):
        run_task(lambda: smoke_test(endpoint_config_name="config-1", evaluation=evaluation))
    assert "is registered and not deployed" in context["ti"].xcom["skip_reason"]


def test_an_older_model_in_our_place_is_an_error(run_task: Run, aws: ScriptedAws, serving: Any) -> None:
    serving(lambda distance: distance)
    serve(aws, "config-2")
    served_until(aws, "2013-02-13")
    evaluation = {**EVALUATION, "training_dates": ["2013-02-14"]}
    with pytest.raises(EndpointUnusable, match="it serves config-2"):
        run_task(lambda: smoke_test(endpoint_config_name="config-1", evaluation=evaluation))


def test_an_endpoint_that_is_gone_is_told_as_such(run_task: Run, aws: ScriptedAws, serving: Any) -> None:
    aws.on("DescribeEndpoint", aws_error("ValidationException", f'Could not find endpoint "{ENDPOINT}".'))
    with pytest.raises(EndpointUnusable, match="it is gone"):
        run_task(lambda: smoke_test(endpoint_config_name="config-1"))


def test_the_row_that_differs_most_is_named(run_task: Run, serving: Any) -> None:
    serving(lambda distance: distance / 3 + (5 if distance == 7 else 0.1))
    with pytest.raises(PredictionMismatch, match=r'row 8 of .*"distance": 7\.0'):
        run_task(smoke_test)


def test_no_number_is_a_mismatch(run_task: Run, serving: Any) -> None:
    serving(lambda distance: float("nan") if distance == 3 else distance / 3)
    with pytest.raises(PredictionMismatch, match="row 4 "):
        run_task(smoke_test)


def test_missing_predictions_are_a_mismatch(run_task: Run, aws: ScriptedAws, serving: Any) -> None:
    aws.on("InvokeEndpoint", {"Body": io.BytesIO(b'{"predictions": [1.0]}')})
    with pytest.raises(PredictionMismatch, match="1 predictions for 50 rows"):
        run_task(smoke_test)


def test_a_container_that_fails_tells_its_error(run_task: Run, aws: ScriptedAws, serving: Any) -> None:
    error = aws_error("ModelError", "Received server error (500)", status=424)
    error.response["OriginalMessage"] = "KeyError: 'distance'"
    aws.on("InvokeEndpoint", error)
    with pytest.raises(EndpointFailed, match="KeyError: 'distance'"):
        run_task(smoke_test)
