"""What a date becomes when it is prepared again, by force, or has no raw data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from raw_data import DAYS, FLIGHTS, RawData
from spark_job import JobFailed, Spark

pytestmark = pytest.mark.runtime

FIRST, LAST = str(DAYS[5]), str(DAYS[6])

Manifest = Callable[[str, str], dict[str, Any]]


def completion(s3: Any, raw: RawData, batch: str) -> dict[str, Any]:
    answer = s3.get_object(Bucket=raw.bucket, Key=f"_batches/{batch}.json")
    content: dict[str, Any] = json.loads(answer["Body"].read())
    return content


def test_forced_preparation_replaces_the_manifest_and_gives_the_same_content(
    spark: Spark, raw: RawData, manifest: Manifest
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST, batch_name="one")
    before = manifest(raw.bucket, FIRST)
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST, batch_name="two")
    assert manifest(raw.bucket, FIRST) == before

    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST, batch_name="three", force=True)
    after = manifest(raw.bucket, FIRST)
    assert after["batch"] == "three"
    assert after["content_hash"] == before["content_hash"]
    assert after["files"] != before["files"]
    raw.s3.head_object(Bucket=raw.bucket, Key=before["files"][0]["key"])  # a reader may still read them


def test_a_changed_raw_row_changes_the_content(spark: Spark, raw: RawData, manifest: Manifest) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    before = [manifest(raw.bucket, date)["content_hash"] for date in (FIRST, LAST)]
    raw.flights[DAYS[5]].reverse()
    raw.upload()
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    assert [manifest(raw.bucket, date)["content_hash"] for date in (FIRST, LAST)] == before
    raw.flights[DAYS[5]][0]["arr_delay"] += 1
    raw.upload()
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    after = [manifest(raw.bucket, date)["content_hash"] for date in (FIRST, LAST)]
    assert after[0] != before[0]
    assert before[0] != before[1]


def missing(raw: RawData) -> None:
    raw.s3.delete_object(Bucket=raw.bucket, Key=raw.key("flights", DAYS[5]))


def missing_weather(raw: RawData) -> None:
    raw.s3.delete_object(Bucket=raw.bucket, Key=raw.key("weather", DAYS[5]))


def no_content(raw: RawData) -> None:
    raw.put_bytes(raw.key("flights", DAYS[5]), b"")


def no_rows(raw: RawData) -> None:
    raw.put(raw.key("flights", DAYS[5]), FLIGHTS, [])


def none_arrived(raw: RawData) -> None:
    rows = [{**flight, "arr_delay": "NA"} for flight in raw.flights[DAYS[5]]]
    raw.put(raw.key("flights", DAYS[5]), FLIGHTS, rows)


@pytest.mark.parametrize(
    "absence", [missing, missing_weather, no_content, no_rows, none_arrived], ids=lambda f: f.__name__
)
def test_a_date_without_raw_data_fails_or_is_skipped_and_reported(
    spark: Spark, s3: Any, raw: RawData, manifest: Manifest, absence: Callable[[RawData], None]
) -> None:
    absence(raw)
    table = "weather" if absence is missing_weather else "flights"
    key = raw.key(table, DAYS[5])
    with pytest.raises(JobFailed, match=f"RawDataError: {FIRST}: .*{key}"):
        spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)

    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, batch_name="b", when_raw_is_missing="skip")
    dates = completion(s3, raw, "b")["dates"]
    assert key in dates[FIRST]["skipped"]
    assert dates[LAST] == {"rows": 29}
    assert manifest(raw.bucket, LAST)["rows"] == 29
    assert "Contents" not in s3.list_objects_v2(Bucket=raw.bucket, Prefix=f"flights/date={FIRST}/_")


def test_dates_outside_the_feed_are_skipped_or_refused(spark: Spark, s3: Any, raw: RawData) -> None:
    for date in ("2012-12-31", "2027-01-01"):
        with pytest.raises(JobFailed, match=f"RawDataError: {date}: raw data is missing"):
            spark.prepare(raw.uri, f"{raw.uri}/flights", date, date)
        spark.prepare(raw.uri, f"{raw.uri}/flights", date, date, batch_name=date, when_raw_is_missing="skip")
        assert "skipped" in completion(s3, raw, date)["dates"][date]
