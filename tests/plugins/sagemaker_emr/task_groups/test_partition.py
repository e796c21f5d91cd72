"""What a run of one day has to prepare."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.features import Inputs
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.task_groups import partition
from tests.airflow_names import AirflowSkipException

pytestmark = pytest.mark.local_aws

DAY = "2013-02-04"
FEATURES = "s3://artifacts/features"
INPUTS = [Inputs("s3://artifacts/raw/date={date}/raw.csv.gz", days_before=1)]


@pytest.fixture
def put(bucket, local_aws):
    def put(key: str, body: str) -> str:
        answer = local_aws("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
        return str(answer["ETag"]).strip('"')

    return put


@pytest.fixture
def find(put, context, monkeypatch):
    monkeypatch.setattr(partition, "ArtifactsHook", lambda: ArtifactsHook(aws_conn_id=None))
    params = {"date": None, "when_raw_data_is_missing": "skip", "force": False}

    def find(*, clear_number=0, run_id="backfill__1", code_hash="c1", **form):
        day = datetime.fromisoformat(DAY).replace(tzinfo=UTC)
        context.update(
            dag_run=SimpleNamespace(logical_date=day, clear_number=clear_number),
            params={**params, **form},
            run_id=run_id,
        )
        return partition.find_work(context, features_uri=FEATURES, inputs=INPUTS, code_hash=code_hash)

    return find


@pytest.fixture
def raw(put):
    return put(f"raw/date={DAY}/raw.csv.gz", "a flight")


def commit(put, etag, code_hash="c1"):
    sources = [{"uri": f"s3://artifacts/raw/date={DAY}/raw.csv.gz", "etag": etag}]
    put(f"features/date={DAY}/_manifest.json", json.dumps({"sources": sources, "code_hash": code_hash}))


def test_whoever_would_do_the_same_work_has_the_same_key(find, raw, put):
    work = find(run_id="scheduled__1")
    assert work == find(run_id="manual__1", date=DAY) == find(clear_number=3)
    assert work["date"] == DAY
    assert find(code_hash="c2") != work
    put(f"raw/date={DAY}/raw.csv.gz", "another flight")
    assert find() != work


def test_a_day_is_skipped_until_its_raw_files_or_code_change(find, raw, put):
    commit(put, raw)
    with pytest.raises(AirflowSkipException, match="prepared already"):
        find()
    assert find(code_hash="c2")["date"] == DAY
    put("raw/date=2013-02-03/raw.csv.gz", "a day before, delivered late")
    assert find()["date"] == DAY


def test_a_forced_run_has_work_of_its_own_again_each_time_it_is_cleared_but_not_when_retried(find, raw, put):
    commit(put, raw)
    first = find(force=True)
    assert find(force=True) == first
    assert find(force=True, clear_number=1) not in (first, find(force=True, clear_number=2))
    assert find(force=True, run_id="manual__1") != first


@pytest.mark.parametrize("body", [None, ""])
def test_a_day_without_raw_data_is_skipped_or_fails_as_the_form_says(find, put, body):
    if body is not None:
        put(f"raw/date={DAY}/raw.csv.gz", body)
    with pytest.raises(AirflowSkipException, match="has no raw data"):
        find()
    with pytest.raises(InvalidInput, match="does not exist, or is empty"):
        find(when_raw_data_is_missing="fail")


@pytest.mark.parametrize(
    ("form", "logical_date", "day"),
    [
        ({"date": "2013-02-01"}, "2013-02-04T00:00:00+00:00", "2013-02-01"),
        ({}, "2013-02-04T23:30:00-05:00", "2013-02-05"),
        ({}, None, "2013-02-09"),
    ],
)
def test_a_runs_day_is_the_forms_else_the_logical_dates_else_yesterday(form, logical_date, day):
    date = datetime.fromisoformat(logical_date) if logical_date else None
    assert partition.partition_date(form, date, datetime(2013, 2, 10, 8, tzinfo=UTC)) == day


@pytest.mark.parametrize("day", ["2013-02-10", "2013-02-11"])
def test_a_day_that_is_not_over_is_refused(day):
    with pytest.raises(InvalidInput, match=r"that day is not over(.|\n)*up to 2013-02-09"):
        partition.partition_date({"date": day}, None, datetime(2013, 2, 10, 8, tzinfo=UTC))
