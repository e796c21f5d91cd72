"""The features of a date computed plainly with pandas, to compare committed partitions with.

Written from the description of the features, not from the Spark job, and shares no code with it. Runs in an
environment with pandas, pyarrow and boto3 (``.venv-sagemaker``)::

    python tests/plain_features.py --raw s3://raw --features s3://features/flights \
        --from 2013-01-01 --to 2013-01-31 --history-days 28

prints one line of JSON: the rows of each date that were compared, and the differences found. Where S3 is, is
boto3's business.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import sys
from typing import Any

import boto3
import numpy as np
import pandas as pd

MINUTES = 24 * 60
IDENTITY = ["carrier", "flight", "tailnum", "origin", "dest", "sched_dep_time"]
GROUPS = {
    "route": ["origin", "dest"],
    "carrier": ["carrier", "dest"],
    "plane": ["tailnum"],
    "hour": ["origin", "hour"],
}
TOLERANCE = 1e-9


class Bucket:
    """What is read from S3."""

    def __init__(self, uri: str) -> None:
        self.client = boto3.client("s3")
        self.name, _, folder = uri.removeprefix("s3://").partition("/")
        self.folder = f"{folder}/" if folder else ""

    def read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def table(self, key: str) -> pd.DataFrame | None:
        """A raw table, or None where there is none."""
        try:
            body = self.read(self.folder + key)
        except self.client.exceptions.NoSuchKey:
            return None
        return pd.read_csv(io.BytesIO(body), compression="gzip", na_values=["NA"], keep_default_na=False)


def clock(reading: pd.Series) -> pd.Series:
    return reading // 100 * 60 + reading % 100


def arrived(raw: Bucket, day: datetime.date) -> pd.DataFrame | None:
    """The flights of a day that arrived, with what is derived from one flight alone."""
    flights = raw.table(f"flights/date={day}/flights.csv.gz")
    if flights is None:
        return None
    flights = flights.dropna(subset=["arr_delay", "dep_delay", "air_time"]).reset_index(drop=True)
    flights["sched_dep_minute"] = clock(flights["sched_dep_time"])
    flights["sched_minutes"] = (clock(flights["sched_arr_time"]) - flights["sched_dep_minute"]) % MINUTES
    flights["en_route_delay"] = flights["arr_delay"] - flights["dep_delay"]
    flights["minutes"] = flights["sched_minutes"] + flights["en_route_delay"]
    landed = flights["sched_dep_minute"] + flights["dep_delay"] + flights["air_time"] + 120
    flights["known_from"] = [day + datetime.timedelta(days=int(minute // MINUTES) + 1) for minute in landed]
    flights["late"] = landed // MINUTES
    flights["flown"] = day
    return flights


def weather_of(raw: Bucket, day: datetime.date) -> pd.DataFrame:
    days = [raw.table(f"weather/date={d}/weather.csv.gz") for d in (day - datetime.timedelta(days=1), day)]
    weather = pd.concat([table for table in days if table is not None and len(table)] or [days[1]])
    weather["hour_start"] = pd.to_datetime(weather["time_hour"], utc=True)
    speed = weather["wind_speed"].where(weather["wind_speed"] <= 253).astype(float)
    angle = np.radians(weather["wind_dir"].astype(float))
    columns = ["origin", "hour_start", "temp", "dewp", "humid", "wind_gust", "precip", "pressure", "visib"]
    return weather[columns].assign(
        wind_speed=speed, wind_from_east=speed * np.sin(angle), wind_from_north=speed * np.cos(angle)
    )


def features(raw: Bucket, day: datetime.date, history_days: int) -> pd.DataFrame:
    """One row for each flight of the day that arrived: what identifies it, and all its features."""
    table = arrived(raw, day)
    planes = raw.table("planes/planes.csv.gz")
    if table is None or planes is None:
        raise LookupError(f"there is no raw data of {day}")
    before = [arrived(raw, day - datetime.timedelta(days=days)) for days in range(1, history_days + 1)]
    known = [flights for flights in before if flights is not None and len(flights)]
    for group, keys in GROUPS.items():
        for suffix, days in (("", history_days), ("_recent", 3)):
            names = {"delay": f"{group}_delay{suffix}", "minutes": f"{group}_minutes{suffix}"}
            if not known:
                table[list(names.values())] = np.nan
                continue
            past = pd.concat(known)
            age = past["flown"].map(lambda flown: (day - flown).days)
            past = past[(past["known_from"] <= day) & (past["late"] <= 1) & (age <= days)]
            past = past.rename(columns={"en_route_delay": "delay"})
            means = past.groupby(keys)[["delay", "minutes"]].mean().rename(columns=names)
            table = table.merge(means, how="left", left_on=keys, right_index=True)

    for group in ("route", "carrier"):
        for suffix in ("", "_recent"):
            expected = table[f"{group}_minutes{suffix}"] - table["sched_minutes"]
            table[f"{group}_expected{suffix}"] = expected
    gate_hour = (table["sched_dep_minute"] + table["dep_delay"]) // 60
    hours = np.minimum(gate_hour - 1, 23) - table["hour"]
    table["hour_start"] = pd.to_datetime(table["time_hour"], utc=True) + pd.to_timedelta(hours, unit="h")
    table = table.merge(weather_of(raw, day), how="left", on=["origin", "hour_start"])
    planes = planes[["tailnum", "year", "seats", "engines"]].rename(columns={"year": "plane_year"})
    table = table.merge(planes, how="left", on="tailnum")
    table["plane_age"] = day.year - table["plane_year"]
    for name, part in (("time_of_day", table["sched_dep_minute"] / MINUTES), ("weekday", day.weekday() / 7)):
        table[f"{name}_sin"] = np.sin(2 * np.pi * part)
        table[f"{name}_cos"] = np.cos(2 * np.pi * part)
    table["from_jfk"], table["from_lga"] = table["origin"] == "JFK", table["origin"] == "LGA"
    return table


def committed(features_bucket: Bucket, day: datetime.date) -> pd.DataFrame:
    """The rows of the files that the day's manifest lists."""
    manifest = json.loads(features_bucket.read(f"{features_bucket.folder}date={day}/_manifest.json"))
    files = [pd.read_parquet(io.BytesIO(features_bucket.read(f["key"]))) for f in manifest["files"]]
    rows = pd.concat(files, ignore_index=True)
    if len(rows) != manifest["rows"]:
        raise ValueError(f"{day}: the files hold {len(rows)} rows, the manifest tells of {manifest['rows']}")
    return rows


def differences(written: pd.DataFrame, plain: pd.DataFrame) -> list[str]:
    """What differs, column by column; nothing if the two are the same flights with the same values."""
    if len(written) != len(plain):
        return [f"{len(written)} rows instead of {len(plain)}"]
    written, plain = (t.sort_values(IDENTITY).reset_index(drop=True) for t in (written, plain))
    found = [f"{name}: other flights" for name in IDENTITY if not (written[name] == plain[name]).all()]
    for name in written.columns.drop(["date", *IDENTITY]):
        ours, theirs = written[name].astype(float), plain[name].astype(float)
        unlike = ~np.isclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        if unlike.any():
            row = int(np.flatnonzero(unlike)[0])
            found.append(f"{name}: {unlike.sum()} rows, first {ours[row]} instead of {theirs[row]}")
    return found


def main(argv: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--history-days", type=int, required=True)
    arguments = parser.parse_args(argv)
    raw, prepared = Bucket(arguments.raw), Bucket(arguments.features)
    rows, found = {}, {}
    for number in range((arguments.last - arguments.first).days + 1):
        day = arguments.first + datetime.timedelta(days=number)
        written = committed(prepared, day)
        rows[str(day)] = len(written)
        if unlike := differences(written, features(raw, day, arguments.history_days)):
            found[str(day)] = unlike
    return {"rows": rows, "differences": found}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
