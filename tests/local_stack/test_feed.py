"""The sample's feed: its partitions, and delivering them into S3."""

from __future__ import annotations

import datetime
import gzip
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_stack import feed, flights

JANUARY_1, JANUARY_3 = datetime.date(2013, 1, 1), datetime.date(2013, 1, 3)
YEAR_OBJECTS = 2 * 365 + 1
FLIGHTS_OF_2013 = 336_776
TEMPLATE = """
Resources:
  Raw:
    Type: AWS::S3::Bucket
    Properties: {BucketName: %s}
Outputs:
  RawBucket: {Value: !Ref Raw}
"""

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def client() -> Iterator[Make]:
    from local_aws.server import create_server

    server = create_server("127.0.0.1", 0)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()

    def make(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{server.bind_addr[1]}",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(user_agent_extra=feed.USER_AGENT),
        )

    yield make
    server.stop()
    thread.join(10)


@pytest.fixture
def bucket(client: Make) -> str:
    name = f"raw-{uuid.uuid4().hex}"
    client("s3").create_bucket(Bucket=name)
    return name


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_partitions_hold_every_flight_once(cache: Path) -> None:
    folder = flights.partitions(cache)
    assert sum(path.is_file() for path in folder.rglob("*")) == YEAR_OBJECTS
    count = 0
    for path in folder.glob("flights/date=*/flights.csv.gz"):
        header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
        assert header.startswith("year,month,day,dep_time,")
        day = datetime.date.fromisoformat(path.parent.name.removeprefix("date="))
        assert {tuple(map(int, row.split(",")[:3])) for row in rows} == {(day.year, day.month, day.day)}
        count += len(rows)
    assert count == FLIGHTS_OF_2013


def test_partitions_made_again_are_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    one, other = flights.partitions(cache), flights.partitions(tmp_path)
    for key in (flights.PLANES_KEY, flights.partition_key("weather", JANUARY_1)):
        assert (one / key).read_bytes() == (other / key).read_bytes()


def test_a_day_without_weather_is_a_file_with_a_header_alone(cache: Path) -> None:
    path = flights.partitions(cache) / flights.partition_key("weather", flights.LAST_DATE)
    assert gzip.decompress(path.read_bytes()).decode().splitlines()[1:] == []


def test_partitions_are_complete_or_absent(cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(flights, "_write", full_disk)
    with pytest.raises(OSError, match="No space"):
        flights.partitions(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unexpected_columns_are_refused() -> None:
    with pytest.raises(flights.FlightsUnavailable, match="unexpected columns"):
        flights.split_by_date(b"day,month,year\n1,1,2013\n", 0)


def test_deliver_uploads_a_range_and_then_only_what_is_missing(
    client: Make, bucket: str, cache: Path
) -> None:
    s3 = client("s3")
    assert feed.deliver(s3, bucket, JANUARY_1, JANUARY_3, cache=cache) == 7
    days = ["2013-01-01", "2013-01-02", "2013-01-03"]
    assert keys(s3, bucket) == {
        "planes/planes.csv.gz",
        *(f"{table}/date={day}/{table}.csv.gz" for table in ("flights", "weather") for day in days),
    }
    s3.delete_object(Bucket=bucket, Key="flights/date=2013-01-02/flights.csv.gz")
    assert feed.deliver(s3, bucket, JANUARY_1, JANUARY_3, cache=cache) == 1
    assert feed.deliver(s3, bucket, JANUARY_1, JANUARY_3, cache=cache) == 0


def test_days_outside_the_year_do_not_exist(client: Make, bucket: str, cache: Path) -> None:
    before = datetime.date(2012, 12, 30)
    assert feed.deliver(client("s3"), bucket, before, JANUARY_1, cache=cache) == 3


def test_the_feed_delivers_into_each_new_bucket_once(client: Make, cache: Path) -> None:
    s3, stacks, environment = client("s3"), client("cloudformation"), f"e{uuid.uuid4().hex[:8]}"
    name, bucket = f"sagemaker-emr-{environment}-storage", f"raw-{uuid.uuid4().hex}"
    delivered: list[str] = []

    def deliver(found: str) -> int:
        delivered.append(found)
        return feed.deliver(s3, found, JANUARY_1, JANUARY_1, cache=cache)

    watch = feed.Feed(environment, stacks, deliver)
    watch.look_once()
    assert delivered == []

    for _ in range(2):
        stacks.create_stack(StackName=name, TemplateBody=TEMPLATE % bucket)
        stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        watch.look_once()
        watch.look_once()
        assert len(keys(s3, bucket)) == 3
        for key in keys(s3, bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        stacks.delete_stack(StackName=name)
        stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert delivered == [bucket, bucket]


def test_a_failed_delivery_is_told_once_and_tried_again(
    client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stacks, environment = client("cloudformation"), f"e{uuid.uuid4().hex[:8]}"
    name = f"sagemaker-emr-{environment}-storage"
    stacks.create_stack(StackName=name, TemplateBody=TEMPLATE % f"raw-{uuid.uuid4().hex}")
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    tries: list[str] = []

    def deliver(_: str) -> int:
        tries.append("try")
        if len(tries) < 3:
            client("s3").put_object(Bucket="no-such-bucket-here", Key="x", Body=b"")
        return 0

    watch = feed.Feed(environment, stacks, deliver)
    for _ in range(4):
        watch.look_once()
    assert len(tries) == 3
    warned = [r for r in caplog.records if r.name == feed.__name__ and r.levelname == "WARNING"]
    assert len(warned) == 1


def test_the_year_is_split_in_a_few_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    flights.partitions(tmp_path)
    shutil.rmtree(tmp_path)
    assert time.process_time() - started < 6
