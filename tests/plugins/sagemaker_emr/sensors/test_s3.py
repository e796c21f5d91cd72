from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import DeadlineExceeded, InvalidInput
from sagemaker_emr.sensors.s3 import S3PartitionCompleteSensor, expand_dates
from sagemaker_emr.triggers.s3 import S3ObjectsExistTrigger
from tests.plugins.sagemaker_emr.conftest import fire

pytestmark = pytest.mark.local_aws

URIS = ["s3://artifacts/flights/date={date}/flights.csv.gz", "s3://artifacts/planes/planes.csv.gz"]


@pytest.fixture
def put(bucket, local_aws):
    def put(*keys):
        for key in keys:
            local_aws("s3").put_object(Bucket=bucket, Key=key, Body=b"")

    return put


def sensor(deferrable, timeout=10.0, uris=URIS, last_date="2013-02-20", **kwargs):
    return S3PartitionCompleteSensor(
        task_id="wait",
        uris=uris,
        first_date="2013-01-28",
        last_date=last_date,
        deferrable=deferrable,
        timeout=timeout,
        aws_conn_id=None,
        **kwargs,
    )


def keys(last_date="2013-02-20"):
    return [uri.removeprefix("s3://artifacts/") for uri in expand_dates(URIS, "2013-01-28", last_date)]


both = pytest.mark.parametrize("deferrable", [True, False])


@both
def test_a_complete_partition_passes(deferrable, put, run_task):
    put(*keys())
    assert run_task(lambda: sensor(deferrable)) == {"count": 25}


@both
def test_the_deadline_names_what_is_missing(deferrable, put, run_task):
    put(*keys()[1:], "flights/date=2013-01-27/flights.csv.gz", "flights/date=2013-12-01/flights.csv.gz")
    with pytest.raises(DeadlineExceeded) as raised:
        run_task(lambda: sensor(deferrable, timeout=0.0))
    assert "1 of 25 objects" in raised.value.what
    assert "s3://artifacts/flights/date=2013-01-28/flights.csv.gz" in raised.value.what
    assert "2013-01-29" not in raised.value.what


def test_many_missing_objects_are_counted_and_ten_are_named(bucket, run_task):
    with pytest.raises(DeadlineExceeded) as raised:
        run_task(lambda: sensor(False, timeout=0.0))
    assert raised.value.what.count("s3://") == 10
    assert "and 15 more" in raised.value.what


@both
def test_a_few_objects_are_asked_for_one_by_one(deferrable, put, run_task):
    put(*keys("2013-01-29"))
    assert run_task(lambda: sensor(deferrable, last_date="2013-01-29")) == {"count": 3}


def test_a_window_of_days_costs_few_requests(put, local_aws, monkeypatch):
    put(*keys())
    trigger = S3ObjectsExistTrigger(
        uris=expand_dates(URIS, "2013-01-28", "2013-02-20"), deadline_at=0.0, aws_conn_id=None
    )
    requests = []
    trigger.hook.conn.meta.events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    assert trigger.look() == {"count": 25}
    assert sorted(requests) == ["HeadObject", "ListObjectsV2"]


def test_what_arrives_meanwhile_is_seen(put):
    wanted = keys()
    put(*wanted[:5])
    trigger = S3ObjectsExistTrigger(
        uris=[f"s3://artifacts/{key}" for key in wanted], deadline_at=1e12, aws_conn_id=None
    )
    assert trigger.look() is None
    put(*wanted[5:])
    assert fire(trigger)["result"] == {"count": 25}


@pytest.mark.parametrize(
    ("first", "last"), [(None, "2013-01-01"), ("2013-02-01", "2013-01-01"), ("1.2.2013", "2013-01-01")]
)
def test_a_bad_range_of_dates_is_refused(first, last):
    with pytest.raises(InvalidInput, match="No range of dates"):
        expand_dates(URIS, first, last)


def test_addresses_without_dates_need_no_range():
    assert expand_dates(URIS[1:], None, None) == URIS[1:]
