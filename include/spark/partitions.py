"""Raw and prepared daily partitions in S3: what is there, and committing what was prepared.

A date is committed by a conditional put of its manifest, which lists the files to read; readers read nothing
else. So whoever loses a race changes nothing, and nobody ever sees half a partition.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import logging
import zlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

S3_THREADS = 8
CONFLICT_TRIES = 5

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
PARSERS: dict[str, Any] = {"int": int, "double": float}

log = logging.getLogger(__name__)


class RawDataError(Exception):
    """A raw file is missing, empty or not what its table should be; the message names its S3 path."""


class CommitConflict(Exception):
    """Somebody else committed the same date meanwhile, from other sources or by other code."""


class Source(NamedTuple):
    """One raw file."""

    uri: str
    etag: str
    size: int


class Sources(NamedTuple):
    """Raw files by date, and the planes."""

    flights: dict[datetime.date, Source]
    weather: dict[datetime.date, Source]
    planes: Source


def find_sources(store: Store, raw: str, first: datetime.date, last: datetime.date, history: int) -> Sources:
    """The raw files that the dates from ``first`` to ``last`` are made of.

    Days of the history may be missing, as at the feed's beginning; the dates themselves may not.

    :raises RawDataError: names what is missing or has no content.
    """
    before = first - datetime.timedelta(days=history)
    tables = {}
    for table in ("flights", "weather"):
        there = store.objects(f"{raw}/{table}/date=")
        uris = {date: f"{raw}/{table}/date={date}/{table}.csv.gz" for date in dates_between(before, last)}
        missing = [uris[date] for date in dates_between(first, last) if uris[date] not in there]
        if missing:
            raise RawDataError(f"raw partitions are missing: {', '.join(missing)}")
        tables[table] = {date: there[uri] for date, uri in uris.items() if uri in there}
    planes_uri = f"{raw}/planes/planes.csv.gz"
    planes = store.objects(planes_uri).get(planes_uri)
    if planes is None:
        raise RawDataError(f"the table of planes is missing: {planes_uri}")
    for source in (*tables["flights"].values(), *tables["weather"].values(), planes):
        if source.size == 0:
            raise RawDataError(f"{source.uri} is empty: it has not even a header")
    return Sources(tables["flights"], tables["weather"], planes)


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
            except (OSError, EOFError, ValueError, zlib.error) as error:
                return f"{source.uri} can't be read as a table of {table}: {error}"
    return None


def _check(text: str, schema: str, date: datetime.date | None) -> None:
    columns = dict(column.split() for column in schema.split(", "))
    header, *rows = csv.reader(io.StringIO(text))
    if header != list(columns):
        raise ValueError(f"its columns are {', '.join(header)} instead of {', '.join(columns)}")
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
            raise ValueError(f"line {line} is of another date")


class Store:
    """What the job does to S3 by itself, beside Spark's reading and writing."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def objects(self, uri: str) -> dict[str, Source]:
        """The objects whose URI starts so, by URI; ETags are without their quotes."""
        bucket, prefix = split_uri(uri)
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = (item for page in pages for item in page.get("Contents", []))
        sources = (Source(f"s3://{bucket}/{o['Key']}", o["ETag"].strip('"'), o["Size"]) for o in found)
        return {source.uri: source for source in sources}

    def content(self, uri: str) -> bytes:
        """An object's bytes."""
        bucket, key = split_uri(uri)
        body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def read(self, uri: str) -> tuple[Any, str]:
        """A JSON object and its ETag."""
        bucket, key = split_uri(uri)
        answer = self.client.get_object(Bucket=bucket, Key=key)
        return json.loads(answer["Body"].read()), answer["ETag"].strip('"')

    def put(self, uri: str, content: Any, replacing: str | None) -> bool:
        """Write a JSON object if nothing is there, or if what is there has the ETag ``replacing``.

        :return: whether it was written. S3 answers 412 when it was not, 404 when what should be replaced is
            gone, and 409 when it could not decide between writers at the same time: then it is tried again
            (Amazon S3 user guide, "Add preconditions to S3 operations with conditional requests").
        """
        bucket, key = split_uri(uri)
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}
        body = json.dumps(content, sort_keys=True, indent=1).encode()
        for left in reversed(range(CONFLICT_TRIES)):
            try:
                self.client.put_object(
                    Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition
                )
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status in (404, 412) and error.response["Error"]["Code"] != "NoSuchBucket":
                    return False
                if status != 409 or not left:
                    raise
            else:
                return True
        raise AssertionError("unreachable")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"{uri} is no s3:// URI")
    return parts.netloc, parts.path.lstrip("/")


def is_same(committed: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether two manifests are of equal content: made by the same code from the same sources."""
    return all(committed.get(name) == manifest[name] for name in ("code_hash", "sources"))


def commit(store: Store, uri: str, manifest: dict[str, Any], replacing: str | None) -> dict[str, Any]:
    """Make ``manifest`` the committed one, unless another attempt committed equal content first.

    :param replacing: the ETag of the manifest that was there at the start, if there was one.
    :return: the manifest that is committed now.
    :raises CommitConflict: other content was committed meanwhile, or what was there is gone.
    """
    if store.put(uri, manifest, replacing):
        return manifest
    try:
        committed: dict[str, Any] = store.read(uri)[0]
    except ClientError as error:
        raise CommitConflict(f"{uri} was deleted while it was being replaced; run again") from error
    if not is_same(committed, manifest):
        raise CommitConflict(
            f"{uri} was committed by batch {committed.get('batch')} while {manifest['batch']} prepared it "
            "from other sources or by other code; run again if this batch should win"
        )
    log.info("%s: batch %s committed the same content first", uri, committed["batch"])
    return committed


def declare_complete(store: Store, uri: str, done: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Write a batch's completion manifest, unless another attempt declared the same dates and rows first.

    :param seconds: how long this attempt took; it may differ from the other's.
    :return: the manifest that is there now.
    :raises CommitConflict: the other attempt told of other dates or rows.
    """
    manifest = {**done, "seconds": seconds}
    if store.put(uri, manifest, None):
        return manifest
    declared: dict[str, Any] = store.read(uri)[0]
    if {name: declared.get(name) for name in done} != done:
        raise CommitConflict(f"{uri} was written meanwhile and tells of other dates or rows")
    return declared


def written_files(store: Store, folder: str) -> dict[datetime.date, list[dict[str, Any]]]:
    """The files below ``folder/day=D/``, by date, in the form of a manifest."""
    files: dict[datetime.date, list[dict[str, Any]]] = defaultdict(list)
    for uri, file in sorted(store.objects(f"{folder}/day=").items()):
        date = datetime.date.fromisoformat(uri[len(f"{folder}/day=") :].split("/")[0])
        files[date].append({"key": split_uri(uri)[1], "etag": file.etag, "size": file.size})
    return files


def manifest_uri(folder: str, date: datetime.date) -> str:
    """Where a date is committed."""
    return f"{folder}/date={date}/_manifest.json"


def read_committed(
    store: Store, folder: str, dates: list[datetime.date]
) -> dict[datetime.date, tuple[dict[str, Any], str]]:
    """The manifests, with their ETags, of those dates that are committed."""
    there = store.objects(f"{folder}/date=")
    present = [date for date in dates if manifest_uri(folder, date) in there]
    with ThreadPoolExecutor(S3_THREADS) as threads:
        found = list(threads.map(lambda date: store.read(manifest_uri(folder, date)), present))
    return {date: found[index] for index, date in enumerate(present)}
