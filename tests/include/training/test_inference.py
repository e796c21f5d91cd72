"""inference.py: the same model answers through both formats, and says what is wrong with a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.runtime

Serve = Callable[..., dict[str, Any]]


def test_json_gives_the_offline_predictions(trained: Any, serve: Serve) -> None:
    rows = trained.predictions()[:20]
    answer = serve(
        json.dumps({"instances": [row["features"] for row in rows]}), "application/json; charset=utf-8"
    )
    assert (answer["status"], answer["type"]) == (200, "application/json")
    assert json.loads(answer["body"])["predictions"] == [row["prediction"] for row in rows]


def test_csv_gives_one_prediction_a_line(trained: Any, serve: Serve) -> None:
    rows = trained.predictions()[:20]
    lines = [
        ",".join("" if value is None else repr(value) for value in row["features"].values()) for row in rows
    ]
    answer = serve("\n".join(lines) + "\n", "text/csv", "text/csv")
    assert (answer["status"], answer["type"]) == (200, "text/csv")
    assert [float(line) for line in answer["body"].splitlines()] == [row["prediction"] for row in rows]


def changed(features: dict[str, Any], **changes: Any) -> str:
    row = {**features, **changes}
    return json.dumps({"instances": [{name: value for name, value in row.items() if value != "absent"}]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"altitude": 1}, "instance 0 has unknown features: altitude"),
        ({"seats": "absent"}, r"instance 0 lacks features (null is allowed): seats"),
        ({"seats": "many"}, "row 0: seats is no finite number: 'many'"),
        ({"seats": True}, "row 0: seats is no finite number: True"),
        ({"seats": float("inf")}, "row 0: seats is no finite number: inf"),
    ],
    ids=["unknown", "missing", "text", "boolean", "infinite"],
)
def test_a_bad_instance_is_answered_400(
    trained: Any, serve: Serve, changes: dict[str, Any], message: str
) -> None:
    answer = serve(changed(trained.predictions()[0]["features"], **changes), "application/json")
    assert answer == {"status": 400, "body": message}


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "message"),
    [
        ("{", "application/json", "application/json", 400, "the request is no JSON"),
        ("[]", "application/json", "application/json", 400, "the request must be"),
        ('{"instances": []}', "application/json", "application/json", 400, "the request holds no row"),
        ('{"instances": [3]}', "application/json", "application/json", 400, "instance 0 is no object"),
        ("1,2\n", "text/csv", "text/csv", 400, "row 0 has 2 values; the model takes"),
        ("", "application/x-parquet", "text/csv", 415, "neither application/json nor text/csv"),
    ],
    ids=["broken", "a list", "empty", "a number", "short row", "parquet"],
)
def test_a_bad_request_is_refused(
    serve: Serve, body: str, content_type: str, accept: str, status: int, message: str
) -> None:
    answer = serve(body, content_type, accept)
    assert answer["status"] == status
    assert message in answer["body"]


def test_an_answer_in_another_format_is_refused(trained: Any, serve: Serve) -> None:
    answer = serve(changed(trained.predictions()[0]["features"]), "application/json", "image/png")
    assert answer["status"] == 406
