"""The Spark job through its command line, against S3."""

from __future__ import annotations

import ast
import datetime
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest
from raw_data import DAYS, FLIGHTS, RawData, Row
from spark_job import JobFailed, Spark

from local_aws.settings import PROJECT

pytestmark = pytest.mark.runtime

FIRST, LAST = str(DAYS[5]), str(DAYS[6])
HISTORY_DAYS = 4
LAST_HOUR = 23

Manifest = Callable[[str, str], dict[str, Any]]


def written(spark: Spark, bucket: str, manifest: dict[str, Any]) -> list[Row]:
    return spark.rows(*(f"s3://{bucket}/{file['key']}" for file in manifest["files"]))


def arrived(flights: list[Row]) -> list[Row]:
    return [flight for flight in flights if flight["arr_delay"] != "NA"]


def minutes(clock: int) -> int:
    return clock // 100 * 60 + clock % 100


def test_each_date_is_one_ordered_file_that_its_manifest_tells_of(
    spark: Spark, s3: Any, raw: RawData, manifest: Manifest
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, batch_name="one", code_hash="abc")
    for date in (DAYS[5], DAYS[6]):
        committed = manifest(raw.bucket, str(date))
        assert (committed["batch"], committed["code_hash"]) == ("one", "abc")
        [file] = committed["files"]
        head = s3.head_object(Bucket=raw.bucket, Key=file["key"])
        assert (head["ETag"].strip('"'), head["ContentLength"]) == (file["etag"], file["size"])
        rows = written(spark, raw.bucket, committed)
        assert committed["rows"] == len(rows) == len(arrived(raw.flights[date]))
        assert [(row["sched_dep_time"], row["carrier"], row["flight"]) for row in rows] == sorted(
            (flight["sched_dep_time"], flight["carrier"], flight["flight"])
            for flight in arrived(raw.flights[date])
        )
        assert {row["date"] for row in rows} == {str(date)}
        sources = [source["uri"] for source in committed["sources"]]
        window = [date - datetime.timedelta(days=day) for day in range(HISTORY_DAYS, -1, -1)]
        assert sources == [
            *(f"{raw.uri}/{raw.key('flights', day)}" for day in window),
            *(f"{raw.uri}/{raw.key('weather', day)}" for day in window[-2:]),
            f"{raw.uri}/planes/planes.csv.gz",
        ]
    done = json.loads(s3.get_object(Bucket=raw.bucket, Key="_batches/one.json")["Body"].read())
    assert done.pop("seconds") > 0
    assert done == {"batch": "one", "dates": {day: {"rows": 29} for day in (FIRST, LAST)}}


def landed_day(day: datetime.date, flight: Row) -> datetime.date:
    """The day of landing, allowing two hours for taxiing."""
    total = minutes(flight["sched_dep_time"]) + flight["dep_delay"] + flight["air_time"] + 120
    return day + datetime.timedelta(days=total // 1440)


def plain_mean(raw: RawData, date: datetime.date, days: int, same: Row) -> float | None:
    """The mean delay en route of like flights of the days before that were known, computed row by row."""
    delays = [
        flight["arr_delay"] - flight["dep_delay"]
        for day in DAYS
        if date - datetime.timedelta(days=days) <= day < date
        for flight in arrived(raw.flights[day])
        if same.items() <= flight.items() and landed_day(day, flight) < date
    ]
    return sum(delays) / len(delays) if delays else None


def test_history_is_what_a_plain_computation_gives(spark: Spark, raw: RawData, manifest: Manifest) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    late = 0
    for date in (DAYS[5], DAYS[6]):
        flights = {flight["flight"]: flight for flight in raw.flights[date]}
        for row in written(spark, raw.bucket, manifest(raw.bucket, str(date))):
            flight = flights[row["flight"]]
            for group, keys in {
                "route": ("origin", "dest"),
                "carrier": ("carrier", "dest"),
                "plane": ("tailnum",),
                "hour": ("origin", "hour"),
            }.items():
                for suffix, days in (("", HISTORY_DAYS), ("_recent", 3)):
                    expected = plain_mean(raw, date, days, {key: flight[key] for key in keys})
                    assert row[f"{group}_delay{suffix}"] == pytest.approx(expected), (group, suffix, row)
        late += sum(landed_day(date, flight) > date for flight in arrived(raw.flights[date]))
    assert late, "no flight lands after midnight: the sample does not test what it should"


def test_weather_is_of_the_newest_hour_over_when_the_plane_left(
    spark: Spark, raw: RawData, manifest: Manifest
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST)
    flights = {flight["flight"]: flight for flight in raw.flights[DAYS[5]]}
    for row in written(spark, raw.bucket, manifest(raw.bucket, FIRST)):
        flight = flights[row["flight"]]
        gate = minutes(flight["sched_dep_time"]) + flight["dep_delay"]
        assert row["temp"] == DAYS[5].day + min(gate // 60 - 1, LAST_HOUR) / 100


def test_nothing_that_happens_after_the_gate_changes_a_feature(
    spark: Spark, raw: RawData, manifest: Manifest
) -> None:
    date = DAYS[6]
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    before = written(spark, raw.bucket, manifest(raw.bucket, LAST))
    for flight in arrived(raw.flights[date]):
        flight["arr_delay"] += 77
        flight["air_time"] += 300
        flight["arr_time"] = 1
    for observation in raw.weather[date]:
        if observation["hour"] == LAST_HOUR:
            observation["temp"] = -40
    raw.flights[DAYS[7]], raw.weather[DAYS[7]] = [], []
    raw.upload()
    spark.prepare(raw.uri, f"{raw.uri}/flights", LAST, LAST)
    after = written(spark, raw.bucket, manifest(raw.bucket, LAST))

    gate = {
        flight["flight"]: minutes(flight["sched_dep_time"]) + flight["dep_delay"]
        for flight in arrived(raw.flights[date])
    }
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert new.pop("en_route_delay") == old.pop("en_route_delay") + 77
        if gate[old["flight"]] >= 24 * 60:  # after midnight the last hour of the day is known
            assert new.pop("temp") == -40
            old.pop("temp")
        assert new == old


def test_a_date_is_the_same_whichever_range_it_is_prepared_in(
    spark: Spark, raw: RawData, manifest: Manifest, s3: Any
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST)
    [one] = manifest(raw.bucket, LAST)["files"]
    spark.prepare(raw.uri, f"{raw.uri}/flights", LAST, LAST, code_hash="other")
    [other] = manifest(raw.bucket, LAST)["files"]
    assert one["key"] != other["key"]
    assert one["etag"] == other["etag"]


def test_only_what_changed_is_prepared_again(spark: Spark, raw: RawData, manifest: Manifest) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, batch_name="first")
    raw.flights[DAYS[6]][0]["arr_delay"] += 5
    raw.upload()
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, batch_name="second")
    assert manifest(raw.bucket, FIRST)["batch"] == "first"
    assert manifest(raw.bucket, LAST)["batch"] == "second"


def test_a_complete_batch_is_not_prepared_again(
    spark: Spark, s3: Any, raw: RawData, manifest: Manifest
) -> None:
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST, batch_name="same")
    raw.flights[DAYS[5]][0]["arr_delay"] += 5
    raw.upload()
    before = manifest(raw.bucket, FIRST)
    spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, FIRST, batch_name="same")
    assert manifest(raw.bucket, FIRST) == before


def test_the_first_day_has_no_history(spark: Spark, raw: RawData, manifest: Manifest) -> None:
    day = str(DAYS[0])
    spark.prepare(raw.uri, f"{raw.uri}/flights", day, day)
    rows = written(spark, raw.bucket, manifest(raw.bucket, day))
    assert len(rows) == 29
    assert {row["route_delay"] for row in rows} == {None}


def corrupt(raw: RawData, key: str) -> None:
    content = raw.s3.get_object(Bucket=raw.bucket, Key=key)["Body"].read()
    raw.put_bytes(key, content[: len(content) // 2])


def wrong_columns(raw: RawData, key: str) -> None:
    """A column that no feature is made from."""
    columns = [*FLIGHTS[:-2], "second", FLIGHTS[-1]]
    raw.put(key, columns, [{**dict.fromkeys(columns, 1), **row, "second": 0} for row in clean(raw, columns)])


def clean(raw: RawData, columns: list[str]) -> list[Row]:
    return [{name: row[name] for name in columns if name in row} for row in raw.flights[DAYS[5]]]


def wrong_type(raw: RawData, key: str) -> None:
    raw.flights[DAYS[5]][3]["distance"] = "far"
    raw.put(key, FLIGHTS, raw.flights[DAYS[5]])


def wrong_day(raw: RawData, key: str) -> None:
    raw.put(key, FLIGHTS, raw.flights[DAYS[4]])


WHERE = {
    corrupt: "damaged after [0-9]+ lines",
    wrong_columns: "line 1, column second",
    wrong_type: "line 5, column distance",
    wrong_day: "line 2, columns year, month and day",
}


@pytest.mark.parametrize(
    "damage",
    [corrupt, wrong_columns, wrong_type, wrong_day],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("policy", ["skip", "fail"])
def test_a_bad_raw_file_is_named_and_nothing_is_committed(
    spark: Spark, s3: Any, raw: RawData, damage: Callable[[RawData, str], None], policy: str
) -> None:
    key = raw.key("flights", DAYS[5])
    damage(raw, key)
    with pytest.raises(JobFailed, match=f"RawDataError: .*{key}.*{WHERE[damage]}"):
        spark.prepare(raw.uri, f"{raw.uri}/flights", FIRST, LAST, when_raw_is_missing=policy)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=raw.bucket)["Contents"]]
    assert not [key for key in keys if key.endswith(".json")]


@pytest.mark.parametrize(
    "change",
    [{"history_days": 1}, {"batch_name": "a/b"}, {"first": "2013-03-09"}, {"raw": "/tmp"}],
    ids=["short history", "name with a slash", "first after last", "no bucket"],
)
def test_bad_arguments_are_refused(spark: Spark, change: dict[str, Any]) -> None:
    arguments = {"raw": "s3://none", "features": "s3://none/flights", "first": FIRST, "last": FIRST}
    with pytest.raises(JobFailed, match="SystemExit: 2"):
        spark.prepare(**{**arguments, **change})


def test_training_and_spark_agree_on_the_features() -> None:
    path = PROJECT / "include" / "training" / "features.py"
    spec = importlib.util.spec_from_file_location("training_features", path)
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(training)
    tree = ast.parse((PROJECT / "include" / "spark" / "flight_features.py").read_text())
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if node.targets[0].id in ("FEATURES", "TARGET")
    }
    assert values == {"FEATURES": training.FEATURES, "TARGET": training.TARGET}
