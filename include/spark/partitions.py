"""Prepared daily partitions in S3: committing what was prepared, and putting aside what is not fit for it.

A date is committed by a conditional put of its manifest, which lists the files to read; readers read nothing
else. So whoever loses a race changes nothing, and nobody ever sees half a partition.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

S3_THREADS = 8
CONFLICT_TRIES = 5

log = logging.getLogger(__name__)


class CommitConflict(Exception):
    """Somebody else committed the same date meanwhile, from other sources or by other code."""


class DataQualityFailed(Exception):
    """Prepared dates are not what is expected of them; the message tells in what, and where it is told."""


class Source(NamedTuple):
    """One object in S3."""

    uri: str
    etag: str
    size: int


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


def quarantine(store: Store, uri: str, document: dict[str, Any]) -> None:
    """Write down what became of a date that is not committed, over what an earlier attempt wrote there."""
    if not store.put(uri, document, None):
        store.put(uri, document, store.read(uri)[1])


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


def quarantine_uri(folder: str, date: datetime.date, batch: str) -> str:
    """Where it is told why a batch's rows of a date were not committed."""
    return f"{folder}/_quarantine/date={date}/{batch}.json"


def read_committed(
    store: Store, folder: str, dates: list[datetime.date]
) -> dict[datetime.date, tuple[dict[str, Any], str]]:
    """The manifests, with their ETags, of those dates that are committed."""
    there = store.objects(f"{folder}/date=")
    present = [date for date in dates if manifest_uri(folder, date) in there]
    with ThreadPoolExecutor(S3_THREADS) as threads:
        found = list(threads.map(lambda date: store.read(manifest_uri(folder, date)), present))
    return {date: found[index] for index, date in enumerate(present)}
