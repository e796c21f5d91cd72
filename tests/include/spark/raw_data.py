"""Small raw partitions: eight days from 2013-03-01, a few dozen flights, hourly weather, three planes."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import random
from typing import Any

DAYS = [datetime.date(2013, 3, 1) + datetime.timedelta(days=day) for day in range(8)]
FLIGHTS = [
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
    "arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute",
    "time_hour",
]  # fmt: skip
WEATHER = [
    "origin", "year", "month", "day", "hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust",
    "precip", "pressure", "visib", "time_hour",
]  # fmt: skip
PLANES = ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine"]
UTC_OFFSET_HOURS = 5

Row = dict[str, Any]


class RawData:
    """The tables by date, changed by tests, and uploaded."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.uri = f"s3://{bucket}"
        chance = random.Random(1)
        self.flights = {day: [flight(day, number, chance) for number in range(30)] for day in DAYS}
        self.weather = {
            day: [observation(day, hour, origin) for origin in ("JFK", "EWR") for hour in range(24)]
            for day in DAYS
        }
        self.planes = [plane(number) for number in range(3)]

    def upload(self) -> None:
        for day in DAYS:
            self.put(self.key("flights", day), FLIGHTS, self.flights[day])
            self.put(self.key("weather", day), WEATHER, self.weather[day])
        self.put("planes/planes.csv.gz", PLANES, self.planes)

    def put(self, key: str, columns: list[str], rows: list[Row]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.put_bytes(key, gzip.compress(text.getvalue().encode(), mtime=0))

    def put_bytes(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    @staticmethod
    def key(table: str, day: datetime.date) -> str:
        return f"{table}/date={day}/{table}.csv.gz"


def flight(day: datetime.date, number: int, chance: random.Random) -> Row:
    hour, minute = chance.randrange(6, 24), chance.randrange(60)
    dep_delay = chance.choice([-5, 0, 3, 40, 200])
    arr_delay = dep_delay + chance.randrange(-30, 30)
    cancelled = number == 7
    return {
        "year": day.year,
        "month": day.month,
        "day": day.day,
        "dep_time": "NA" if cancelled else clock(hour * 60 + minute + dep_delay),
        "sched_dep_time": hour * 100 + minute,
        "dep_delay": "NA" if cancelled else dep_delay,
        "arr_time": "NA" if cancelled else clock(hour * 60 + minute + 150 + arr_delay),
        "sched_arr_time": clock(hour * 60 + minute + 150),
        "arr_delay": "NA" if cancelled else arr_delay,
        "carrier": chance.choice(["AA", "B6"]),
        "flight": number,
        "tailnum": f"N{chance.randrange(4)}",
        "origin": chance.choice(["JFK", "EWR"]),
        "dest": chance.choice(["LAX", "BOS"]),
        "air_time": "NA" if cancelled else 100,
        "distance": 1000,
        "hour": hour,
        "minute": minute,
        "time_hour": utc(day, hour),
    }


def plane(number: int) -> Row:
    values = (f"N{number}", 2000 + number, "Fixed wing", "BOEING", "737", 2, 150, "NA", "Turbo-fan")
    return dict(zip(PLANES, values, strict=True))


def observation(day: datetime.date, hour: int, origin: str) -> Row:
    """Weather whose temperature tells its hour: the day of the month, and hundredths for the hour."""
    numbers = (day.day + hour / 100, 20.5, 60.1, 90, 10.5, "NA", 0.01, 1012.3, 10, utc(day, hour))
    return dict(zip(WEATHER, (origin, day.year, day.month, day.day, hour, *numbers), strict=True))


def clock(minutes: int) -> int:
    """Minutes since midnight as a clock reads them: 1435."""
    return minutes % 1440 // 60 * 100 + minutes % 60


def utc(day: datetime.date, hour: int) -> str:
    time = datetime.datetime.combine(day, datetime.time(hour)) + datetime.timedelta(hours=UTC_OFFSET_HOURS)
    return time.strftime("%Y-%m-%dT%H:00:00Z")
