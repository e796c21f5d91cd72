"""Committing a partition, against S3."""

from __future__ import annotations

import datetime
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from partitions import CommitConflict, Source, Store, commit, declare_complete, quarantine
from raw_tables import Sources, changed

URI_KEY = "flights/date=2013-03-01/_manifest.json"


def manifest(batch: str, *, code: str = "code", etag: str = "1") -> dict[str, Any]:
    return {"batch": batch, "code_hash": code, "sources": [{"uri": "s3://raw/x", "etag": etag}], "rows": 3}


def content(s3: Any, bucket: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=URI_KEY)["Body"].read())
    return found


def test_a_new_partition_is_committed(s3: Any, bucket: str) -> None:
    assert commit(Store(s3), f"s3://{bucket}/{URI_KEY}", manifest("a"), None) == manifest("a")
    assert content(s3, bucket) == manifest("a")


def test_the_version_seen_at_the_start_is_replaced(s3: Any, bucket: str) -> None:
    uri, store = f"s3://{bucket}/{URI_KEY}", Store(s3)
    commit(store, uri, manifest("a"), None)
    commit(store, uri, manifest("b", etag="2"), store.read(uri)[1])
    assert content(s3, bucket)["batch"] == "b"


@pytest.mark.parametrize("seen", [True, False], ids=["replacing", "new"])
def test_a_lost_race_against_the_same_content_is_no_failure(s3: Any, bucket: str, seen: bool) -> None:
    uri, store = f"s3://{bucket}/{URI_KEY}", Store(s3)
    replacing = None
    if seen:
        commit(store, uri, manifest("before", etag="0"), None)
        replacing = store.read(uri)[1]
    commit(store, uri, manifest("winner"), replacing)
    assert commit(store, uri, manifest("loser"), replacing) == manifest("winner")
    assert content(s3, bucket) == manifest("winner")


@pytest.mark.parametrize("difference", [{"code": "other"}, {"etag": "other"}], ids=["code", "sources"])
def test_a_lost_race_against_other_content_fails_naming_the_winner(
    s3: Any, bucket: str, difference: dict[str, str]
) -> None:
    uri, store = f"s3://{bucket}/{URI_KEY}", Store(s3)
    commit(store, uri, manifest("winner"), None)
    with pytest.raises(CommitConflict, match=r"date=2013-03-01.* committed by batch winner while loser"):
        commit(store, uri, manifest("loser", **difference), None)
    assert content(s3, bucket) == manifest("winner")


def test_a_partition_deleted_meanwhile_is_not_brought_back(s3: Any, bucket: str) -> None:
    uri, store = f"s3://{bucket}/{URI_KEY}", Store(s3)
    commit(store, uri, manifest("before"), None)
    etag = store.read(uri)[1]
    s3.delete_object(Bucket=bucket, Key=URI_KEY)
    with pytest.raises(CommitConflict, match="was deleted"):
        commit(store, uri, manifest("late"), etag)


def test_attempts_that_took_different_times_declare_the_same_batch(s3: Any, bucket: str) -> None:
    uri, store = f"s3://{bucket}/_batches/b.json", Store(s3)
    done = {"batch": "b", "dates": {"2013-03-01": {"rows": 3}}}
    assert declare_complete(store, uri, done, 12.5) == {**done, "seconds": 12.5}
    assert declare_complete(store, uri, done, 99.0) == {**done, "seconds": 12.5}
    with pytest.raises(CommitConflict, match="other dates or rows"):
        declare_complete(store, uri, {**done, "dates": {}}, 12.5)
    assert store.read(uri)[0] == {**done, "seconds": 12.5}


def test_a_missing_bucket_is_told_as_such(s3: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        commit(Store(s3), f"s3://no-such-bucket-here/{URI_KEY}", manifest("a"), None)


def test_undecided_writers_are_tried_again() -> None:
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="no"
    )
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stubber.add_response("put_object", {})
        assert Store(client).put("s3://bucket/key", {}, None)
        stubber.assert_no_pending_responses()


def test_of_many_writers_one_wins(s3: Any, bucket: str) -> None:
    uri, store = f"s3://{bucket}/{URI_KEY}", Store(s3)
    with ThreadPoolExecutor(4) as threads:
        committed = list(threads.map(lambda n: commit(store, uri, manifest(f"b{n}"), None), range(8)))
    assert {found["batch"] for found in committed} == {content(s3, bucket)["batch"]}


def test_objects_are_listed_with_etag_and_size(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a/b", Body=b"123")["ETag"].strip('"')
    s3.put_object(Bucket=bucket, Key="c", Body=b"")
    assert Store(s3).objects(f"s3://{bucket}/a/") == {
        f"s3://{bucket}/a/b": Source(f"s3://{bucket}/a/b", etag, 3)
    }


def test_a_raw_file_replaced_or_gone_is_noticed_and_one_that_arrived_is_not() -> None:
    one, two, three = (datetime.date(2013, 3, day) for day in (1, 2, 3))
    planes = Source("s3://raw/planes", "1", 1)
    before = Sources({one: Source("s3://raw/1", "1", 1), two: Source("s3://raw/2", "1", 1)}, {}, planes)
    now = Sources({one: Source("s3://raw/1", "2", 1), three: Source("s3://raw/3", "1", 1)}, {}, planes)
    assert changed(before, before) == []
    assert changed(before, now) == ["s3://raw/1", "s3://raw/2"]


def test_a_later_attempt_tells_over_an_earlier_one_why_a_date_is_put_aside(s3: Any, bucket: str) -> None:
    store, uri = Store(s3), f"s3://{bucket}/flights/_quarantine/date=2013-03-01/b.json"
    for attempt in ("first", "second"):
        quarantine(store, uri, {"files": [attempt]})
    assert store.read(uri)[0] == {"files": ["second"]}
