"""Serves the flight delay model: the handlers of the SageMaker inference toolkit.

``application/json``: ``{"instances": [{feature: value or null, …}, …]}`` gives
``{"predictions": [minutes, …]}``.
``text/csv``: rows of values in the order of features.py, without a header, empty where missing, give one
prediction a line. A request that is neither is answered 400 with what is wrong.
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from features import FEATURES
from sagemaker_inference.errors import GenericInferenceToolkitError

JSON = "application/json"
CSV = "text/csv"
BAD_REQUEST = 400
UNSUPPORTED_MEDIA_TYPE = 415
NOT_ACCEPTABLE = 406


class BadRequest(GenericInferenceToolkitError):
    """The request can't be answered; the message tells its sender why."""

    def __init__(self, message: str, status_code: int = BAD_REQUEST) -> None:
        super().__init__(status_code, message)


def model_fn(model_dir: str) -> xgb.Booster:
    """The booster that train.py saved."""
    model = xgb.Booster()
    model.load_model(Path(model_dir) / "model.ubj")
    return model


def input_fn(request_body: str | bytes, content_type: str) -> xgb.DMatrix:
    """The rows of a request.

    :raises BadRequest: names the row and the feature that can't be used.
    """
    text = request_body.decode() if isinstance(request_body, bytes | bytearray) else request_body
    media_type = content_type.split(";")[0].strip().lower()
    if media_type == JSON:
        rows = _json_rows(text)
    elif media_type == CSV:
        rows = _csv_rows(text)
    else:
        raise BadRequest(f"content type {content_type} is neither {JSON} nor {CSV}", UNSUPPORTED_MEDIA_TYPE)
    if not rows:
        raise BadRequest("the request holds no row")
    return xgb.DMatrix(np.array(rows, dtype=np.float64), feature_names=FEATURES)


def predict_fn(data: xgb.DMatrix, model: xgb.Booster) -> list[float]:
    """Minutes of delay added en route, one a row."""
    return [float(value) for value in model.predict(data)]


def output_fn(predictions: list[float], accept: str) -> tuple[str, str]:
    """The answer and its content type."""
    wanted = accept.split(";")[0].strip().lower()
    if wanted == CSV:
        return "".join(f"{value!r}\n" for value in predictions), CSV
    if wanted in (JSON, "*/*", ""):
        return json.dumps({"predictions": predictions}), JSON
    raise BadRequest(f"accept type {accept} is neither {JSON} nor {CSV}", NOT_ACCEPTABLE)


def _json_rows(text: str) -> list[list[float]]:
    try:
        request = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"the request is no JSON: {error}") from error
    instances = request.get("instances") if isinstance(request, dict) else None
    if not isinstance(instances, list):
        raise BadRequest('the request must be {"instances": [{feature: value or null, …}, …]}')
    return [_instance_row(number, instance) for number, instance in enumerate(instances)]


def _instance_row(number: int, instance: Any) -> list[float]:
    if not isinstance(instance, dict):
        raise BadRequest(f"instance {number} is no object of features")
    unknown, missing = sorted(instance.keys() - set(FEATURES)), [f for f in FEATURES if f not in instance]
    if unknown:
        raise BadRequest(f"instance {number} has unknown features: {', '.join(unknown)}")
    if missing:
        raise BadRequest(f"instance {number} lacks features (null is allowed): {', '.join(missing)}")
    return [_number(number, name, instance[name]) for name in FEATURES]


def _csv_rows(text: str) -> list[list[float]]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    for number, row in enumerate(rows):
        if len(row) != len(FEATURES):
            raise BadRequest(f"row {number} has {len(row)} values; the model takes {len(FEATURES)}")
    return [
        [_number(number, name, value or None) for name, value in zip(FEATURES, row, strict=True)]
        for number, row in enumerate(rows)
    ]


def _number(row: int, name: str, value: Any) -> float:
    if value is None:
        return math.nan
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise BadRequest(f"row {row}: {name} is no finite number: {value!r}") from None
    return number
