from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from sagemaker_emr.exceptions import InvalidInput, TrainingFailed
from sagemaker_emr.hooks import sagemaker_output
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import (
    SageMakerHook,
    code_hash,
    hyperparameters,
    is_busy,
    is_existing,
    is_missing,
)
from sagemaker_emr.hooks.sagemaker_output import parse_evaluation, parse_predictions, read_output
from tests.plugins.sagemaker_emr.conftest import ScriptedAws, aws_error
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

OUTPUT = "s3://artifacts/training/job-1/output/output.tar.gz"
EVALUATION: dict[str, Any] = {
    "rmse": 17.6,
    "baseline_rmse": 19.1,
    "baselines": {"mean": 20.0, "route_mean": 19.1},
    "evaluation_rows": 2500,
    "training_rows": 60000,
    "training_dates": ["2013-02-13", "2013-02-14"],
    "evaluation_dates": ["2013-02-15"],
}


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        ("ValidationException", "Requested resource not found.", is_missing),
        ("ResourceNotFound", "", is_missing),
        ("ValidationException", 'Could not find endpoint "arn:aws:…"', is_missing),
        ("ValidationException", "ModelPackageGroup arn:aws:… does not exist.", is_missing),
        ("ResourceInUse", "Training job names must be unique", is_existing),
        ("ValidationException", 'Cannot create already existing model "arn:aws:…".', is_existing),
        ("ValidationException", "Model Package Group already exists: arn:aws:…", is_existing),
        ("ValidationException", 'Cannot update in-progress endpoint "arn:aws:…".', is_busy),
    ],
)
def test_what_an_error_means(code: str, message: str, meaning: Any) -> None:
    error = aws_error(code, message)
    assert [found(error) for found in (is_missing, is_existing, is_busy) if found is meaning] == [True]
    assert not meaning(aws_error("AccessDeniedException", message))


def test_find_gives_none_only_for_what_is_missing(aws: ScriptedAws) -> None:
    hook = SageMakerHook(aws_conn_id=None)
    aws.on("DescribeTrainingJob", aws_error("ValidationException", "Requested resource not found."))
    assert hook.find_training_job("job-1") is None
    denied = aws_error("AccessDeniedException")
    aws.on("DescribeTrainingJob", denied)
    with pytest.raises(type(denied)):
        hook.find_training_job("job-1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("6", "6"),
        ("0.1", "0.1"),
        (6, "6"),
        (0.1, "0.1"),
        ("true", "true"),
        ("hist", '"hist"'),
        ("null", '"null"'),
    ],
)
def test_hyperparameters_are_json_texts(value: Any, text: str) -> None:
    assert hyperparameters({"x": value}) == {"x": text}


def test_the_code_hash_is_in_the_address() -> None:
    assert code_hash(f"s3://artifacts/code/training/{'a' * 64}/sourcedir.tar.gz") == "a" * 64
    with pytest.raises(InvalidInput, match="no staged code"):
        code_hash("s3://artifacts/sourcedir.tar.gz")


def archive(files: dict[str, bytes], **links: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in links.items():
            member = tarfile.TarInfo(name.replace("_json", ".json"))
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_two_files_are_read_from_the_archive(aws: ScriptedAws, prefix: str) -> None:
    files = {"evaluation.json": b"{}", "predictions.jsonl": b"[]", "other.txt": b"x"}
    MemoryS3(aws).put(OUTPUT, archive({prefix + name: data for name, data in files.items()}))
    assert read_output(ArtifactsHook(aws_conn_id=None), OUTPUT) == {
        "evaluation.json": b"{}",
        "predictions.jsonl": b"[]",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(None, "it does not exist", id="none"),
        pytest.param(b"not gzip", "not a gzip file", id="no archive"),
        pytest.param(archive({"evaluation.json": b"{}"}), r"no predictions\.jsonl", id="a file is missing"),
        pytest.param(
            archive({"predictions.jsonl": b"[]"}, evaluation_json="/etc/passwd"),
            r"no evaluation\.json",
            id="a link",
        ),
        pytest.param(archive({"../evaluation.json": b"{}"}), r"no evaluation\.json", id="outside"),
        pytest.param(archive({"predictions.jsonl": b"0" * 2000}), "has 2000 bytes", id="a big file"),
        pytest.param(archive({"other.bin": b"0" * 9000}), "unpacks to more", id="a big archive"),
    ],
)
def test_an_unusable_archive_is_refused(
    aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch, body: bytes | None, reason: str
) -> None:
    monkeypatch.setattr(sagemaker_output, "MAX_MEMBER_BYTES", 1000)
    monkeypatch.setattr(sagemaker_output, "MAX_UNPACKED_BYTES", 5000)
    s3 = MemoryS3(aws)
    if body:
        s3.put(OUTPUT, body)
    with pytest.raises(TrainingFailed, match=reason):
        read_output(ArtifactsHook(aws_conn_id=None), OUTPUT)


def test_an_archive_beyond_its_bound_is_not_downloaded(aws: ScriptedAws) -> None:
    aws.on("GetObject", {"Body": None, "ContentLength": 10**9})
    with pytest.raises(TrainingFailed, match="1000000000 bytes are too many"):
        read_output(ArtifactsHook(aws_conn_id=None), OUTPUT)


def test_a_whole_evaluation_is_accepted() -> None:
    assert parse_evaluation(json.dumps(EVALUATION).encode(), OUTPUT) == EVALUATION


@pytest.mark.parametrize(
    "change",
    [
        {"rmse": float("nan")},
        {"rmse": "17"},
        {"rmse": None},
        {"baselines": {}},
        {"baselines": {"mean": float("inf")}},
        {"evaluation_rows": 0},
        {"evaluation_dates": []},
        {"evaluation_dates": ["2013-02-14"]},
    ],
)
def test_an_evaluation_that_promises_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TrainingFailed, match=r"evaluation\.json"):
        parse_evaluation(json.dumps(EVALUATION | change).encode(), OUTPUT)


@pytest.mark.parametrize("data", [b"", b"[]", b"[1]", b"not json"])
def test_an_evaluation_of_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(TrainingFailed, match=r"evaluation\.json"):
        parse_evaluation(data, OUTPUT)


@pytest.mark.parametrize(
    "line", ["", "{}", '{"features": {}, "actual": 1}', '{"features": [], "actual": 1, "prediction": 2}']
)
def test_predictions_of_another_shape_are_refused(line: str) -> None:
    with pytest.raises(TrainingFailed, match=r"predictions\.jsonl"):
        parse_predictions(line.encode(), OUTPUT)
