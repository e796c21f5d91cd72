"""The raw files of a date: what the job writes into its manifest, and what Airflow expects there."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from partitions import Store
from raw_data import DAYS, RawData
from raw_tables import find_sources, lacking, sources_of

from sagemaker_emr.features import Inputs, expected_sources
from sagemaker_emr.hooks.s3 import ArtifactsHook

HISTORY_DAYS = 4


@pytest.fixture
def hook(s3: Any, monkeypatch: pytest.MonkeyPatch) -> ArtifactsHook:
    monkeypatch.setattr(ArtifactsHook, "conn", s3)
    return ArtifactsHook(aws_conn_id=None)


def inputs(raw: RawData) -> list[Inputs]:
    return [
        Inputs(f"{raw.uri}/flights/date={{date}}/flights.csv.gz", days_before=HISTORY_DAYS),
        Inputs(f"{raw.uri}/weather/date={{date}}/weather.csv.gz", days_before=1),
        Inputs(f"{raw.uri}/planes/planes.csv.gz"),
    ]


def job_sources(s3: Any, raw: RawData, date: datetime.date) -> dict[str, str]:
    sources = find_sources(Store(s3), raw.uri, date, date, HISTORY_DAYS)
    return {source["uri"]: source["etag"] for source in sources_of(sources, date, HISTORY_DAYS)}


@pytest.mark.parametrize("number", [0, 1, 5, 7])
def test_airflow_expects_the_sources_that_the_job_writes_down(
    s3: Any, raw: RawData, hook: ArtifactsHook, number: int
) -> None:
    raw.put_bytes(f"flights/date={DAYS[5]}/another.csv.gz", b"not of the table")
    raw.put_bytes(raw.key("flights", DAYS[3]), b"")
    s3.delete_object(Bucket=raw.bucket, Key=raw.key("flights", DAYS[4]))
    expected = expected_sources(hook, inputs(raw), str(DAYS[number]))
    assert expected == job_sources(s3, raw, DAYS[number])
    assert len(expected) == {0: 3, 1: 5, 5: 6, 7: 6}[number]


def test_the_sources_of_a_range_are_those_of_its_dates_alone(
    s3: Any, raw: RawData, hook: ArtifactsHook
) -> None:
    sources = find_sources(Store(s3), raw.uri, DAYS[2], DAYS[6], HISTORY_DAYS)
    for date in DAYS[2:7]:
        written = {source["uri"]: source["etag"] for source in sources_of(sources, date, HISTORY_DAYS)}
        assert expected_sources(hook, inputs(raw), str(date)) == written


def test_what_a_date_lacks_is_named(s3: Any, raw: RawData) -> None:
    raw.put_bytes(raw.key("weather", DAYS[1]), b"")
    s3.delete_object(Bucket=raw.bucket, Key=raw.key("flights", DAYS[1]))
    sources = find_sources(Store(s3), raw.uri, DAYS[0], DAYS[2], HISTORY_DAYS)
    found = lacking(sources, raw.uri, DAYS[:3])
    assert list(found) == [DAYS[1]]
    assert raw.key("flights", DAYS[1]) in found[DAYS[1]]
    assert raw.key("weather", DAYS[1]) in found[DAYS[1]]
