"""What a training job leaves beside its model: its evaluation and held-out predictions."""

from __future__ import annotations

import io
import json
import math
import posixpath
import tarfile
import zlib
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import TrainingFailed
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri

EVALUATION = "evaluation.json"
PREDICTIONS = "predictions.jsonl"

MAX_ARCHIVE_BYTES = 50 * 1024**2
MAX_UNPACKED_BYTES = 200 * 1024**2
MAX_MEMBER_BYTES = 10 * 1024**2

_NUMBERS = ("rmse", "baseline_rmse")
_COUNTS = ("evaluation_rows", "training_rows")
_DATES = ("training_dates", "evaluation_dates")


def read_output(s3: ArtifactsHook, uri: str) -> dict[str, bytes]:
    """The evaluation and the predictions in a job's ``output.tar.gz``.

    Members are read in memory, never unpacked to paths that the archive chooses.

    :raises TrainingFailed: the archive or a file is missing or too big.
    """
    bucket, key = split_uri(uri)
    try:
        answer = s3.conn.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise _unusable(uri, "it does not exist") from error
    if answer["ContentLength"] > MAX_ARCHIVE_BYTES:
        raise _unusable(uri, f"{answer['ContentLength']} bytes are too many")
    archive = answer["Body"].read()
    try:
        found = _members(archive, uri)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _unusable(uri, str(error)) from error
    missing = [name for name in (EVALUATION, PREDICTIONS) if name not in found]
    if missing:
        raise _unusable(uri, f"it holds no {' and no '.join(missing)}")
    return found


def _members(packed: bytes, uri: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    unpacked = 0
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for member in archive:
            unpacked += member.size
            if unpacked > MAX_UNPACKED_BYTES:
                raise _unusable(uri, f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
            name = posixpath.normpath(member.name)
            if name not in (EVALUATION, PREDICTIONS) or not member.isfile():
                continue
            content = archive.extractfile(member)
            if member.size > MAX_MEMBER_BYTES or content is None:
                raise _unusable(uri, f"{name} has {member.size} bytes")
            found[name] = content.read(MAX_MEMBER_BYTES)
    return found


def parse_evaluation(data: bytes, uri: str) -> dict[str, Any]:
    """The evaluation, checked: finite errors, baselines, row counts, dates.

    :raises TrainingFailed: it is not what ``train.py`` promises.
    """
    try:
        evaluation: dict[str, Any] = json.loads(data)
        baselines = evaluation["baselines"]
        for value in (*(evaluation[name] for name in _NUMBERS), *baselines.values()):
            _check(isinstance(value, int | float) and math.isfinite(value) and value >= 0, f"error {value!r}")
        for name in _COUNTS:
            _check(isinstance(evaluation[name], int) and evaluation[name] > 0, f"{name} {evaluation[name]!r}")
        for name in _DATES:
            _check(bool(evaluation[name]) and isinstance(evaluation[name], list), f"{name} is empty")
        _check(bool(baselines), "no baselines")
        _check(
            not set(evaluation["training_dates"]) & set(evaluation["evaluation_dates"]),
            "evaluated on training days",
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(f"{EVALUATION} of {uri}", repr(error)) from error
    return evaluation


def parse_predictions(data: bytes, uri: str) -> list[dict[str, Any]]:
    """The held-out rows: ``features``, ``actual`` and ``prediction`` each.

    :raises TrainingFailed: a line is not that.
    """
    try:
        rows = [json.loads(line) for line in data.splitlines() if line.strip()]
        for number, row in enumerate(rows, start=1):
            _check(isinstance(row["features"], dict), f"line {number}: no features")
            _check(
                all(math.isfinite(row[name]) for name in ("actual", "prediction")),
                f"line {number}: no number",
            )
        _check(bool(rows), "no rows")
    except (ValueError, KeyError, TypeError) as error:
        raise _unusable(f"{PREDICTIONS} of {uri}", repr(error)) from error
    return rows


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _unusable(what: str, reason: str) -> TrainingFailed:
    return TrainingFailed(
        f"{what} can't be used",
        reason=reason,
        next_step="train.py must write evaluation.json and predictions.jsonl to SM_OUTPUT_DATA_DIR.",
    )
