"""Raw daily tables in S3: which files a date is made of, which it lacks, and what is wrong with them.

An object without content is as good as none: it has not even a header.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import gzip
import io
import zlib
from typing import Any, NamedTuple

from partitions import Source, Store

SCHEMAS = {
    "flights": (
        "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, "
        "sched_arr_time int, arr_delay int, carrier string, flight int, tailnum string, origin string, "
        "dest string, air_time int, distance int, hour int, minute int, time_hour timestamp"
    ),
    "weather": (
        "origin string, year int, month int, day int, hour int, temp double, dewp double, humid double, "
        "wind_dir double, wind_speed double, wind_gust double, precip double, pressure double, visib double, "
        "time_hour timestamp"
    ),
    "planes": (
        "tailnum string, year int, type string, manufacturer string, model string, engines int, seats int, "
        "speed int, engine string"
    ),
}
"""Columns of the raw tables, in order, with Spark's types."""
NULL = "NA"
BLOCK_BYTES = 4096
PARSERS: dict[str, Any] = {"int": int, "double": float}


class RawDataError(Exception):
    """A raw file is missing, empty or not what its table should be; the message names its S3 path."""


class RawDataChanged(Exception):
    """Raw files were replaced while they were read: the same again may do."""


class Sources(NamedTuple):
    """Raw files by date, as far as they are there, and the planes."""

    flights: dict[datetime.date, Source]
    weather: dict[datetime.date, Source]
    planes: Source


def find_sources(store: Store, raw: str, first: datetime.date, last: datetime.date, history: int) -> Sources:
    """The raw files that the dates from ``first`` to ``last`` are made of, as far as they are there.

    :raises RawDataError: the table of planes is missing or empty; every date needs it.
    """
    before = first - datetime.timedelta(days=history)
    tables = []
    for table in ("flights", "weather"):
        there = store.objects(f"{raw}/{table}/date=")
        uris = {date: raw_uri(raw, table, date) for date in dates_between(before, last)}
        tables.append({date: there[uri] for date, uri in uris.items() if uri in there and there[uri].size})
    planes_uri = f"{raw}/planes/planes.csv.gz"
    planes = store.objects(planes_uri).get(planes_uri)
    if planes is None or not planes.size:
        raise RawDataError(f"the table of planes is missing or empty: {planes_uri}")
    return Sources(*tables, planes)


def raw_uri(raw: str, table: str, date: datetime.date) -> str:
    """Where the rows of one date are expected."""
    return f"{raw}/{table}/date={date}/{table}.csv.gz"


def lacking(sources: Sources, raw: str, dates: list[datetime.date]) -> dict[datetime.date, str]:
    """The dates that can't be prepared, and why. Days of the history may be missing, these may not."""
    found = {}
    for date in dates:
        uris = [
            raw_uri(raw, table, date)
            for table, there in (("flights", sources.flights), ("weather", sources.weather))
            if date not in there
        ]
        if uris:
            found[date] = f"raw data is missing or has no content: {', '.join(uris)}"
    return found


def changed(before: Sources, now: Sources) -> list[str]:
    """The raw files that are not any more what they were; files that arrived meanwhile were not read."""
    pairs: list[tuple[Source, Source | None]] = [(before.planes, now.planes)]
    for was, there in ((before.flights, now.flights), (before.weather, now.weather)):
        pairs += [(source, there.get(date)) for date, source in was.items()]
    return [was.uri for was, there in pairs if was != there]


def sources_of(sources: Sources, date: datetime.date, history: int) -> list[dict[str, str]]:
    """The raw files that one date's content depends on, in the form of its manifest."""
    flights = dates_between(date - datetime.timedelta(days=history), date)
    weather = dates_between(date - datetime.timedelta(days=1), date)
    used = [sources.flights[day] for day in flights if day in sources.flights]
    used += [sources.weather[day] for day in weather if day in sources.weather]
    return [{"uri": source.uri, "etag": source.etag} for source in [*used, sources.planes]]


def dates_between(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    """Every date from ``first`` to ``last``, both included."""
    return [first + datetime.timedelta(days=days) for days in range((last - first).days + 1)]


def find_bad_file(store: Store, sources: Sources) -> str | None:
    """What is wrong with the first raw file that can't be read, if there is one; it reads them all."""
    for table, schema in SCHEMAS.items():
        files = {None: sources.planes} if table == "planes" else getattr(sources, table)
        for date, source in files.items():
            try:
                _check(gzip.decompress(store.content(source.uri)).decode(), schema, date)
            except ValueError as error:
                return f"{source.uri} can't be read as a table of {table}: {error}"
            except (OSError, EOFError, zlib.error) as error:
                return f"{source.uri} is damaged after {_readable_lines(store, source)} lines: {error}"
    return None


def _readable_lines(store: Store, source: Source) -> int:
    """How many lines of a damaged archive are whole."""
    archive = zlib.decompressobj(zlib.MAX_WBITS | 16)
    content, lines = store.content(source.uri), 0
    with contextlib.suppress(zlib.error):
        for start in range(0, len(content), BLOCK_BYTES):
            lines += archive.decompress(content[start : start + BLOCK_BYTES]).count(b"\n")
    return lines


def _check(text: str, schema: str, date: datetime.date | None) -> None:
    columns = dict(column.split() for column in schema.split(", "))
    header, *rows = [*csv.reader(io.StringIO(text))] or [[""]]
    if header != list(columns):
        number = next((n for n, pair in enumerate(zip(header, columns)) if pair[0] != pair[1]), -1)  # noqa: B905
        raise ValueError(
            f"line 1, column {header[number]}: the columns are {', '.join(header)} "
            f"instead of {', '.join(columns)}"
        )
    for line, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise ValueError(f"line {line} has {len(row)} values instead of {len(columns)}")
        for (column, kind), value in zip(columns.items(), row):  # noqa: B905 (Python 3.9)
            if value != NULL and kind in PARSERS:
                try:
                    PARSERS[kind](value)
                except ValueError as error:
                    raise ValueError(f"line {line}, column {column}: {error}") from error
        values = dict(zip(columns, row))  # noqa: B905
        if date and datetime.date(*(int(values[part]) for part in ("year", "month", "day"))) != date:
            raise ValueError(f"line {line}, columns year, month and day: a row of another date")
