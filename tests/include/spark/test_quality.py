"""What is expected of a date's rows, and what becomes of a date that does not meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from raw_data import DAYS, PLANES, WEATHER, RawData, Row
from spark_job import JobFailed, Spark

pytestmark = pytest.mark.runtime

DATE = DAYS[5]
FIRST, LAST = str(DAYS[5]), str(DAYS[6])

Manifest = Callable[[str, str], dict[str, Any]]


def keys(s3: Any, raw: RawData, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=raw.bucket, Prefix=prefix).get("Contents", [])
    return [item["Key"] for item in found]


def weather_twice(raw: RawData) -> None:
    raw.put(raw.key("weather", DATE), WEATHER, raw.weather[DATE] * 2)


def flight_twice(raw: RawData) -> None:
    raw.flights[DATE].append(raw.flights[DATE][0])
    raw.upload()


def no_tail_number(raw: RawData) -> None:
    raw.flights[DATE][0]["tailnum"] = raw.flights[DATE][1]["tailnum"] = "NA"
    raw.upload()


def endless_delay(raw: RawData) -> None:
    raw.flights[DATE][0]["dep_delay"] = 9999
    raw.flights[DATE][0]["arr_delay"] = 9999
    raw.upload()


def no_number(raw: RawData) -> None:
    for hour in raw.weather[DATE]:
        hour["pressure"] = "NaN"
    raw.upload()


@pytest.mark.parametrize(
    ("spoil", "column", "expectation", "rows"),
    [
        (weather_twice, "rows", "of 29 flights that arrived", None),
        (flight_twice, "date, carrier, flight", "more than once", 1),
        (no_tail_number, "tailnum", "valid string", 2),
        (endless_delay, "dep_delay", "less than or equal to", 1),
        (no_number, "pressure", "finite number", None),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_date_that_is_not_as_expected_is_put_aside_and_the_others_are_committed(
    spark: Spark,
    s3: Any,
    raw: RawData,
    manifest: Manifest,
    spoil: Callable[[RawData], None],
    column: str,
    expectation: str,
    rows: int | None,
) -> None:
    spoil(raw)
    with pytest.raises(
        JobFailed, match=f"DataQualityFailed: not as expected, so not committed: {FIRST}"
    ) as failure:
        spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, batch_name="b")

    assert keys(s3, raw, f"flights/date={FIRST}/_") == []
    assert manifest(raw.bucket, LAST)["batch"] == "b"
    assert keys(s3, raw, "_batches/") == []
    uri = f"flights/_quarantine/date={FIRST}/b.json"
    document = json.loads(s3.get_object(Bucket=raw.bucket, Key=uri)["Body"].read())
    [failed] = [f for f in document["failed_expectations"] if f["column"].startswith(column)]
    assert expectation in failed["expectation"]
    assert failed["rows"] == rows or (rows is None and failed["rows"] > 0)
    assert f"{failed['column']}: {failed['expectation']} ({failed['rows']} rows)" in str(failure.value)
    assert uri in str(failure.value)
    [file] = document["files"]
    head = s3.head_object(Bucket=raw.bucket, Key=file["key"])
    assert (head["ETag"].strip('"'), head["ContentLength"]) == (file["etag"], file["size"])


def test_a_partition_committed_before_stays_when_its_successor_is_put_aside(
    spark: Spark, raw: RawData, manifest: Manifest
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST)
    before = manifest(raw.bucket, FIRST)
    flight_twice(raw)
    with pytest.raises(JobFailed, match="DataQualityFailed"):
        spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST)
    assert manifest(raw.bucket, FIRST) == before


def test_an_impossible_wind_is_no_observation(spark: Spark, raw: RawData, manifest: Manifest) -> None:
    for hour in raw.weather[DATE]:
        hour["wind_speed"] = 1048.36
    raw.upload()
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST)
    [file] = manifest(raw.bucket, FIRST)["files"]
    rows: list[Row] = spark.rows(f"s3://{raw.bucket}/{file['key']}")
    assert {(row["wind_speed"], row["wind_from_east"]) for row in rows} == {(None, None)}


def test_a_plane_told_of_twice_fails_the_dates_it_flew_on(spark: Spark, raw: RawData) -> None:
    raw.put("planes/planes.csv.gz", PLANES, raw.planes * 2)
    with pytest.raises(JobFailed, match=r"more than once .*of 29 flights|of 29 flights.*more than once"):
        spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST)
