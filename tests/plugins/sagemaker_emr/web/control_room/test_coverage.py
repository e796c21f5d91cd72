"""The calendar of prepared days, over buckets of the embedded AWS."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from sagemaker_emr.web.control_room import charts, coverage
from sagemaker_emr.web.control_room.models import Coverage, Day, DayState
from tests.plugins.sagemaker_emr.web.control_room.conftest import HERE, data, part


@pytest.fixture
def buckets(account):
    s3 = account.client("s3")

    class Buckets:
        def deliver(self, day):
            s3.put_object(
                Bucket=account.outputs["RawBucket"], Key=f"flights/date={day}/flights.csv.gz", Body=b"x"
            )

        def prepare(self, day, committed=True):
            folder = f"flights/date={day}"
            s3.put_object(
                Bucket=account.outputs["FeaturesBucket"], Key=f"{folder}/a/part-0.parquet", Body=b"x"
            )
            if committed:
                s3.put_object(
                    Bucket=account.outputs["FeaturesBucket"], Key=f"{folder}/_manifest.json", Body=b"{}"
                )

        def quarantine(self, day):
            s3.put_object(
                Bucket=account.outputs["FeaturesBucket"],
                Key=f"flights/_quarantine/date={day}/batch.json",
                Body=b"{}",
            )

    return Buckets()


@pytest.mark.local_aws
def test_each_day_is_what_its_objects_say(buckets, browse, calls):
    for day in ("2012-02-27", "2012-02-28", "2012-02-29", "2012-03-01", "2012-03-02", "2012-03-03"):
        buckets.deliver(day)
    buckets.prepare("2012-02-27")
    buckets.prepare("2012-02-28", committed=False)
    buckets.quarantine("2012-02-29")
    buckets.prepare("2012-03-02")
    buckets.quarantine("2012-03-02")  # an earlier batch of a day that is prepared now
    buckets.prepare("2012-03-05")  # its raw data is gone
    buckets.deliver("2010-07-01")
    calls()
    found = data(browse, "coverage", year=2012)["data"]
    assert Counter(calls())["ListObjectsV2"] == 5
    states = {day["date"]: day["state"] for day in found["days"]}
    assert len(states) == 366
    assert {day: state for day, state in states.items() if state != "no raw data"} == {
        "2012-02-27": "prepared",
        "2012-02-28": "missing",
        "2012-02-29": "quarantined",
        "2012-03-01": "missing",
        "2012-03-02": "prepared",
        "2012-03-03": "missing",
        "2012-03-05": "prepared",
    }
    assert found["years"] == [2010, 2012]
    assert found["missing"] == [
        {"first": "2012-02-28", "last": "2012-02-28", "days": 1},
        {"first": "2012-03-01", "last": "2012-03-01", "days": 1},
        {"first": "2012-03-03", "last": "2012-03-03", "days": 1},
    ]
    assert data(browse, "coverage")["data"]["year"] == 2012, "the newest year is shown first"
    shown = part(browse, "coverage", year=2012)
    assert "3 missing: raw data is there" in shown.text
    assert len(shown.all("g")) == 366
    assert [button["aria-pressed"] for button in shown.all("button", data_year="")] == ["false", "true"]
    calls()
    part(browse, "coverage", year=2012)
    assert calls() == []


@pytest.mark.local_aws
def test_before_any_data_the_year_is_this_one_up_to_yesterday(account, browse):
    found = data(browse, "coverage")["data"]
    today = datetime.now(UTC).date()
    assert found["year"] == today.year
    assert len(found["days"]) == (today - date(today.year, 1, 1)).days
    part(browse, "coverage")


@pytest.mark.parametrize("year", ["0", "99999", "<b>"])
def test_what_is_no_year_is_refused(year, browse, aws):
    assert browse.get(f"{HERE}/parts/dev/coverage", params={"year": year}).status_code == 422


def days(*states, first=date(2013, 2, 26)):
    return [Day(date=first + timedelta(days=number), state=state) for number, state in enumerate(states)]


def test_consecutive_days_of_one_state_are_one_stretch():
    missing, prepared = DayState.MISSING, DayState.PREPARED
    found = coverage.stretches(days(missing, missing, prepared, missing, missing, missing), missing)
    assert [(str(one.first), str(one.last), one.days) for one in found] == [
        ("2013-02-26", "2013-02-27", 2),
        ("2013-03-01", "2013-03-03", 3),
    ]
    assert coverage.stretches(days(prepared), missing) == []


@pytest.mark.parametrize("year", [2012, 2013, 2018, 2023, 2024])
def test_the_calendar_has_a_place_for_each_day_monday_above(year):
    first = date(year, 1, 1)
    count = (date(year + 1, 1, 1) - first).days
    made = charts.year_calendar(
        Coverage(
            environment="dev",
            year=year,
            years=[year],
            days=days(*[DayState.MISSING] * count, first=first),
            counts={},
            missing=[],
            quarantined=[],
        )
    )
    places = {(cell.x, cell.y) for cell in made.cells}
    assert len(places) == count
    for cell in made.cells:
        assert cell.y == charts.TOP + cell.day.date.weekday() * (charts.CELL + charts.GAP)
        assert cell.x + charts.CELL <= made.width
        assert cell.y + charts.CELL <= made.height
    by_week = {}
    for cell in made.cells:
        by_week.setdefault(cell.x, []).append(cell.day.date.isocalendar()[:2])
    assert all(len(set(weeks)) == 1 for weeks in by_week.values()), "a column is one week"
