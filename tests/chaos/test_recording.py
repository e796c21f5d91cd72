"""The recorded results are those of the real runtimes: Spark's partitions, and the model made from them.

``python -m tests.chaos record`` writes them anew, with this test.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagemaker_emr.flights import HISTORY_DAYS
from tests.chaos import recorded
from tests.include.spark.conftest import endpoint_url, s3, spark  # puts raw_data on the path
from tests.include.training.conftest import Job

from raw_data import DAYS  # isort: skip

__all__ = ["endpoint_url", "s3", "spark"]

pytestmark = pytest.mark.runtime

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def partitions(s3: Any, spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Spark makes of the raw data: ``day=D.parquet`` each, and ``partitions.json``."""
    folder = tmp_path_factory.mktemp("partitions")
    s3.create_bucket(Bucket="recording")
    raw = recorded.raw_data(s3, "recording")
    spark.prepare(
        raw.uri, f"{raw.uri}/flights", str(DAYS[0]), str(DAYS[-1]), history_days=HISTORY_DAYS, code_hash="any"
    )
    told = {}
    for day in map(str, DAYS):
        key = f"flights/date={day}/_manifest.json"
        manifest = json.loads(s3.get_object(Bucket="recording", Key=key)["Body"].read())
        [file] = manifest["files"]
        content = s3.get_object(Bucket="recording", Key=file["key"])["Body"].read()
        (folder / f"day={day}.parquet").write_bytes(content)
        told[day] = {name: manifest[name] for name in ("rows", "schema_hash", "content_hash")}
    (folder / "partitions.json").write_text(json.dumps(told, indent=1) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(partitions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the training makes of them: ``model.tar.gz`` and ``output.tar.gz``."""
    folder = tmp_path_factory.mktemp("model")
    job = Job(folder)
    for day in map(str, DAYS):
        channel = job.evaluation if day == str(DAYS[-1]) else job.train
        path = channel / f"day={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes((partitions / f"day={day}.parquet").read_bytes())
    hyperparameters = [
        word for name, value in recorded.HYPERPARAMETERS.items() for word in (f"--{name}", str(value))
    ]
    job.run(*hyperparameters).check_returncode()
    for name, content in (("model.tar.gz", job.model), ("output.tar.gz", job.output)):
        with tarfile.open(folder / name, "w:gz") as archive:
            for file in sorted(content.iterdir()):
                archive.add(file, file.name)
    return folder


def test_spark_makes_the_recorded_partitions(partitions: Path) -> None:
    if os.environ.get(recorded.RECORD):
        for file in partitions.iterdir():
            (recorded.FOLDER / file.name).write_bytes(file.read_bytes())
    made = json.loads((partitions / "partitions.json").read_text())
    assert made == recorded.partitions()


def test_the_training_makes_the_recorded_model(model: Path) -> None:
    if os.environ.get(recorded.RECORD):
        for name in ("model.tar.gz", "output.tar.gz"):
            (recorded.FOLDER / name).write_bytes((model / name).read_bytes())
    assert members(model / "model.tar.gz") == members(recorded.FOLDER / "model.tar.gz")
    assert members(model / "output.tar.gz") == members(recorded.FOLDER / "output.tar.gz")


def members(path: Path) -> dict[str, str]:
    """The digest of each file in an archive."""
    with tarfile.open(path) as archive:
        return {
            member.name: hashlib.sha256(archive.extractfile(member).read()).hexdigest()  # type: ignore[union-attr]
            for member in archive
        }
