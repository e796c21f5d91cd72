"""Which days are prepared, as their manifests in S3 tell: a calendar."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from sagemaker_emr.features import MANIFEST
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.web.control_room.models import Coverage, Day, DayState, Stretch
from sagemaker_emr.web.control_room.sources import Sources

FEATURES, RAW, QUARANTINE = "flights/date=", "flights/date=", "flights/_quarantine/date="
"""Where ``prepare_features`` keeps a day's features, finds its raw flights, and tells why one is not fit."""

_DATE = re.compile(r"date=(\d{4}-\d{2}-\d{2})/")


def read_years(aws: Sources, features_bucket: str, raw_bucket: str) -> list[int]:
    """The years in which there is anything: a call for each thousand days, in either bucket."""
    days = {*_folders(aws.s3, features_bucket, FEATURES), *_folders(aws.s3, raw_bucket, RAW)}
    return sorted({day.year for day in days})


def read_coverage(
    aws: Sources, environment: str, features_bucket: str, raw_bucket: str, years: list[int], year: int
) -> Coverage:
    """One year: a call for each thousand objects below its days, of which a committed day has a few."""
    prepared = set(_days(aws.s3, features_bucket, FEATURES, year, ending=MANIFEST))
    quarantined = set(_days(aws.s3, features_bucket, QUARANTINE, year)) - prepared
    delivered = set(_days(aws.s3, raw_bucket, RAW, year, ending="flights.csv.gz"))
    today = datetime.now(UTC).date()
    days = [
        Day(date=day, state=_state(day, prepared, quarantined, delivered))
        for day in _calendar(year)
        if day < today
    ]
    return Coverage(
        environment=environment,
        year=year,
        years=sorted({*years, year}),
        days=days,
        counts=dict(Counter(day.state for day in days)),
        missing=stretches(days, DayState.MISSING),
        quarantined=stretches(days, DayState.QUARANTINED),
    )


def stretches(days: Iterable[Day], state: DayState) -> list[Stretch]:
    """The days of one state, consecutive ones together."""
    wanted = [day.date for day in days if day.state is state]
    found = []
    for _, group in groupby(enumerate(wanted), lambda item: item[1].toordinal() - item[0]):
        run = [day for _, day in group]
        found.append(Stretch(first=run[0], last=run[-1], days=len(run)))
    return found


def _state(day: date, prepared: set[date], quarantined: set[date], delivered: set[date]) -> DayState:
    if day in prepared:
        return DayState.PREPARED
    if day in quarantined:
        return DayState.QUARANTINED
    return DayState.MISSING if day in delivered else DayState.NO_RAW_DATA


def _calendar(year: int) -> list[date]:
    first, last = date(year, 1, 1), date(year, 12, 31)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _days(s3: ArtifactsHook, bucket: str, prefix: str, year: int, ending: str = "") -> Iterable[date]:
    """The days of a year that have an object with such an ending."""
    last = f"{prefix}{year}-12-31/\uffff"
    for key in s3.keys(bucket, prefix, start_after=f"{prefix}{year}-"):
        if key > last:
            return
        day = _date_in(key)
        if day and key.endswith(ending):
            yield day


def _folders(s3: ArtifactsHook, bucket: str, prefix: str) -> Iterable[date]:
    pages = s3.conn.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    for page in pages:
        for folder in page.get("CommonPrefixes", []):
            day = _date_in(folder["Prefix"])
            if day:
                yield day


def _date_in(key: str) -> date | None:
    found = _DATE.search(key)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
