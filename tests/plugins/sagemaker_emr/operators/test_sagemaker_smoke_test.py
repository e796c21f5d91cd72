from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagemaker_emr.exceptions import EndpointFailed, PredictionMismatch
from sagemaker_emr.operators.sagemaker_endpoint import SageMakerSmokeTestEndpointOperator
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
        task_id="smoke_test", aws_conn_id=None, endpoint_name=ENDPOINT, evaluation=EVALUATION, **changes
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
