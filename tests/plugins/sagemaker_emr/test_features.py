from __future__ import annotations

import json
from typing import Any

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.features import (
    TRAIN_ANEW,
    committed_files,
    is_current,
    partition_etags,
    read_lineage,
    window_dates,
    write_training_input,
)
from sagemaker_emr.hooks.s3 import ArtifactsHook
from tests.plugins.sagemaker_emr.conftest import ScriptedAws
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

FEATURES = "s3://features/flights"


@pytest.fixture
def objects(aws: ScriptedAws) -> MemoryS3:
    return MemoryS3(aws)


@pytest.fixture
def s3(objects: MemoryS3) -> ArtifactsHook:
    return ArtifactsHook(aws_conn_id=None)


def commit(objects: MemoryS3, day: str, schema: str = "s1", **changes: Any) -> str:
    manifest = {
        "date": day,
        "batch": "b-1",
        "files": [{"key": f"flights/date={day}/b-1/part-0.parquet", "etag": "e", "size": 7}],
        "rows": 3,
        "schema_hash": schema,
        **changes,
    }
    return objects.put(f"{FEATURES}/date={day}/_manifest.json", json.dumps(manifest))


def test_a_window_includes_both_its_days() -> None:
    assert window_dates("2013-02-27", "2013-03-01") == ["2013-02-27", "2013-02-28", "2013-03-01"]


@pytest.mark.parametrize(
    "window", [("2013-02-02", "2013-02-01"), ("2012-01-01", "2013-12-31"), ("soon", "2013-01-01"), ("", "")]
)
def test_a_window_that_is_none_is_refused(window: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="window"):
        window_dates(*window)


def test_committed_files_are_those_of_the_manifests(objects: MemoryS3, s3: ArtifactsHook) -> None:
    etags = {day: commit(objects, day) for day in ("2013-02-01", "2013-02-02")}
    objects.put(f"{FEATURES}/date=2013-02-01/b-0/part-0.parquet", "left by an attempt that was not committed")

    partitions = committed_files(s3, FEATURES, etags)

    assert partition_etags(partitions) == etags
    assert [file["key"] for file in partitions[0].files] == ["flights/date=2013-02-01/b-1/part-0.parquet"]


def test_every_date_without_a_commit_is_named(objects: MemoryS3, s3: ArtifactsHook) -> None:
    commit(objects, "2013-02-01")
    with pytest.raises(InvalidInput) as caught:
        committed_files(s3, FEATURES, ["2013-02-01", "2013-02-02", "2013-02-03"])
    assert "2013-02-02, 2013-02-03" in caught.value.what
    assert "s3://features/flights/date=2013-02-02/_manifest.json" in str(caught.value)


def test_partitions_of_different_schemas_are_refused(objects: MemoryS3, s3: ArtifactsHook) -> None:
    commit(objects, "2013-02-01", schema="s1")
    commit(objects, "2013-02-02", schema="s2")
    with pytest.raises(InvalidInput, match="different schemas"):
        committed_files(s3, FEATURES, ["2013-02-01", "2013-02-02"])


def test_an_unreadable_manifest_is_named(objects: MemoryS3, s3: ArtifactsHook) -> None:
    objects.put(f"{FEATURES}/date=2013-02-01/_manifest.json", "{}")
    with pytest.raises(InvalidInput, match=r"date=2013-02-01/_manifest\.json is no manifest"):
        committed_files(s3, FEATURES, ["2013-02-01"])


def test_a_training_input_lists_files_below_their_bucket(objects: MemoryS3, s3: ArtifactsHook) -> None:
    etag = commit(objects, "2013-02-01")
    partitions = committed_files(s3, FEATURES, ["2013-02-01"])

    uri = write_training_input(s3, "artifacts", FEATURES, partitions)

    assert json.loads(objects.get(uri)) == [
        {"prefix": "s3://features/"},
        "flights/date=2013-02-01/b-1/part-0.parquet",
    ]
    assert read_lineage(s3, uri) == {"2013-02-01": etag}
    assert write_training_input(s3, "artifacts", FEATURES, partitions) == uri


def test_a_recommitted_partition_is_another_training_input(objects: MemoryS3, s3: ArtifactsHook) -> None:
    uris = set()
    for rows in (3, 4):
        commit(objects, "2013-02-01", rows=rows)
        partitions = committed_files(s3, FEATURES, ["2013-02-01"])
        uris.add(write_training_input(s3, "artifacts", FEATURES, partitions))
    assert len(uris) == 2


def test_partitions_without_files_are_refused(objects: MemoryS3, s3: ArtifactsHook) -> None:
    commit(objects, "2013-02-01", files=[])
    with pytest.raises(InvalidInput, match="no files"):
        write_training_input(s3, "artifacts", FEATURES, committed_files(s3, FEATURES, ["2013-02-01"]))


SOURCES = {"s3://raw/a": "1", "s3://raw/b": "2"}


def test_a_date_is_current_when_its_manifest_has_these_sources_and_this_code(
    objects: MemoryS3, s3: ArtifactsHook
) -> None:
    assert not is_current(s3, FEATURES, "2013-02-01", SOURCES, "code")
    listed = [{"uri": uri, "etag": etag} for uri, etag in SOURCES.items()]
    commit(objects, "2013-02-01", sources=listed, code_hash="code")
    assert is_current(s3, FEATURES, "2013-02-01", SOURCES, "code")
    assert not is_current(s3, FEATURES, "2013-02-01", SOURCES, "other")
    assert not is_current(s3, FEATURES, "2013-02-01", {**SOURCES, "s3://raw/b": "3"}, "code")
    assert not is_current(s3, FEATURES, "2013-02-01", {"s3://raw/a": "1"}, "code")
    assert not is_current(s3, FEATURES, "2013-02-01", {**SOURCES, "s3://raw/c": "1"}, "code")


def test_a_manifest_that_tells_no_sources_is_named(objects: MemoryS3, s3: ArtifactsHook) -> None:
    commit(objects, "2013-02-01")
    with pytest.raises(InvalidInput, match=r"date=2013-02-01/_manifest\.json is no manifest"):
        is_current(s3, FEATURES, "2013-02-01", SOURCES, "code")


def test_a_lineage_that_was_deleted_asks_for_a_new_run(s3: ArtifactsHook) -> None:
    with pytest.raises(InvalidInput, match="does not exist") as caught:
        read_lineage(s3, "s3://artifacts/training-inputs/x.json")
    assert caught.value.next_step == TRAIN_ANEW
