from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.features import Inputs
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.windows import Window, missing, newest_complete, outdated, ready_versions, take

FEATURES = "s3://artifacts/flights"
LENGTHS = (4, 2)


@pytest.fixture
def s3(bucket):
    return ArtifactsHook(aws_conn_id=None)


@pytest.fixture
def commit(bucket, local_aws):
    """Commit days, as made by the code ``code`` from the raw files ``sources``: address to ETag."""

    def put(first, last=None, name="_manifest.json", code="c1", sources=None):
        day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        made_from = [{"uri": uri, "etag": etag} for uri, etag in (sources or {}).items()]
        while day <= end:
            manifest = {"date": str(day), "code_hash": code, "sources": made_from}
            local_aws("s3").put_object(
                Bucket=bucket, Key=f"flights/date={day}/{name}", Body=json.dumps(manifest).encode()
            )
            day += timedelta(days=1)

    return put


def newest(s3, since):
    found = newest_complete(s3, FEATURES, since, *LENGTHS)
    return found[0].evaluation_end if found else None


def test_a_window_ends_with_its_evaluation_days():
    window = Window.ending("2013-03-02", 28, 3)
    assert window == Window("2013-01-31", "2013-02-27", "2013-02-28", "2013-03-02")
    assert window == Window.trained_until("2013-02-27", 28, 3)
    assert len(window.days) == 31


@pytest.mark.parametrize("day", ["soon", "", "14.02.2013"])
def test_a_day_that_is_none_is_refused(day):
    for make in (Window.ending, Window.trained_until):
        with pytest.raises(InvalidInput, match="no date"):
            make(day, 28, 3)


def test_a_window_of_no_days_is_refused():
    with pytest.raises(InvalidInput, match="0 evaluation days"):
        Window.ending("2013-03-02", 28, 0)


@pytest.mark.local_aws
def test_the_days_that_no_one_committed_are_missing(s3, commit):
    commit("2013-02-01", "2013-02-04")
    commit("2013-02-05", name="batch-1/part-0.parquet")
    window = Window.ending("2013-02-06", *LENGTHS)
    assert missing(window, ready_versions(s3, FEATURES, window.days)) == ["2013-02-05", "2013-02-06"]


@pytest.mark.local_aws
def test_a_day_is_out_of_date_once_its_raw_files_or_the_code_change(s3, bucket, commit):
    inputs = [Inputs("s3://artifacts/raw/date={date}/raw.csv.gz")]

    def deliver(day, body):
        key = f"raw/date={day}/raw.csv.gz"
        answer = s3.conn.put_object(Bucket=bucket, Key=key, Body=body)
        return {f"s3://{bucket}/{key}": answer["ETag"].strip('"')}

    def found(code="c1"):
        return outdated(s3, FEATURES, ["2013-02-01", "2013-02-02", "2013-02-03"], inputs, code)

    for day in ("2013-02-01", "2013-02-02"):
        commit(day, sources=deliver(day, b"a flight"))
    commit("2013-02-03", sources={"s3://artifacts/raw/date=2013-02-03/raw.csv.gz": "of a file that is gone"})
    assert found() == []
    assert found(code="c2") == ["2013-02-01", "2013-02-02"]
    deliver("2013-02-02", b"another flight")
    assert found() == ["2013-02-02"]

    listed = []
    s3.conn.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: listed.append(1))
    found()
    assert len(listed) == len(inputs), "once for all days"


@pytest.mark.local_aws
def test_the_newest_complete_window_is_found_whichever_of_its_days_came_last(s3, commit):
    commit("2013-02-01", "2013-02-02")
    commit("2013-02-04", "2013-02-08")
    assert newest(s3, "2013-02-08") is None
    commit("2013-02-03")
    assert newest(s3, "2013-02-03") == "2013-02-08"


@pytest.mark.local_aws
def test_a_gap_after_a_complete_window_leaves_it_the_newest(s3, commit):
    commit("2013-02-01", "2013-02-07")
    commit("2013-02-09", "2013-02-10")
    assert newest(s3, "2013-02-01") == "2013-02-07"
    assert newest(s3, "2013-02-08") is None


@pytest.mark.local_aws
def test_only_the_first_run_takes_a_window_until_a_day_changes(s3, bucket, commit):
    commit("2013-02-01", "2013-02-06")
    window, versions = newest_complete(s3, FEATURES, "2013-02-06", *LENGTHS)
    assert take(s3, bucket, window, versions, "run-1") == "run-1"
    assert take(s3, bucket, window, versions, "run-2") == "run-1"
    assert take(s3, bucket, window, versions, "run-1") == "run-1"
    s3.conn.put_object(Bucket=bucket, Key="flights/date=2013-02-03/_manifest.json", Body=b"prepared again")
    window, versions = newest_complete(s3, FEATURES, "2013-02-03", *LENGTHS)
    assert take(s3, bucket, window, versions, "run-2") == "run-2"
