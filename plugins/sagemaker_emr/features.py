"""Feature partitions as training reads them: what was committed, and nothing else.

``<features>/date=D/_manifest.json`` names the files of the partition that counts. It is replaced by a
conditional put, so its ETag is the version of the day's features.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.staging import content_hash

MANIFEST = "_manifest.json"
MAX_WINDOW_DAYS = 400


@dataclass(frozen=True)
class CommittedPartition:
    """One day's committed features.

    :param etag: of the manifest: the partition's version.
    :param files: ``key``, ``etag`` and ``size`` (bytes) of each Parquet file; the whole key.
    """

    date: str
    etag: str
    files: tuple[Mapping[str, Any], ...]
    rows: int
    schema_hash: str


@dataclass(frozen=True)
class Inputs:
    """Raw files that a date's features are made of, as its Spark job reads them.

    :param uri: ``s3://`` address with ``{date}`` in it, or without, of one file that every date needs.
    :param days_before: how many days before the date are read beside it, as far as they are there.
    """

    uri: str
    days_before: int = 0


def expected_sources(s3: ArtifactsHook, inputs: Iterable[Inputs], date_: str) -> dict[str, str]:
    """The raw files that a date would be made of now; see :func:`expected_sources_by_date`."""
    return expected_sources_by_date(s3, inputs, [date_])[date_]


def expected_sources_by_date(
    s3: ArtifactsHook, inputs: Iterable[Inputs], dates: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The raw files that each date would be made of now: address to ETag.

    However many dates, each input is listed once (ListObjectsV2). Objects without content are left out, as
    the job leaves them out.

    :param dates: ISO dates.
    :raises InvalidInput: an input is no S3 address, or a date is none.
    """
    found: dict[str, dict[str, str]] = {date_: {} for date_ in dates}
    for each in inputs if dates else ():
        wanted: dict[str, list[str]] = {}
        for date_ in dates:
            last = date.fromisoformat(window_dates(date_, date_)[0])
            days = [last - timedelta(days=days) for days in range(each.days_before, -1, -1)]
            for uri in dict.fromkeys(each.uri.replace("{date}", day.isoformat()) for day in days):
                wanted.setdefault(uri, []).append(date_)
        bucket, prefix = split_uri(each.uri.split("{date}")[0])
        keys = sorted(split_uri(uri)[1] for uri in wanted)
        # Lists from just before the first to the last: ISO dates are in the order of their keys.
        for entry in s3.objects(bucket, prefix, start_after=keys[0][:-1]):
            if entry["Key"] > keys[-1]:
                break
            uri = f"s3://{bucket}/{entry['Key']}"
            for date_ in wanted.get(uri, ()) if entry["Size"] else ():
                found[date_][uri] = entry["ETag"].strip('"')
    return found


def is_current(
    s3: ArtifactsHook, features_uri: str, date_: str, sources: Mapping[str, str], code_hash: str
) -> bool:
    """Whether a date is committed, made from exactly these sources by exactly this code.

    :param sources: address to ETag, as :func:`expected_sources` gives them.
    :raises InvalidInput: what lies there is no manifest.
    """
    uri = f"{features_uri.rstrip('/')}/date={date_}/{MANIFEST}"
    document = s3.get_json(uri)
    if document is None:
        return False
    try:
        made_from = {source["uri"]: source["etag"] for source in document[0]["sources"]}
        made_by = document[0]["code_hash"]
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{uri} is no manifest of a feature partition", reason=repr(error)) from error
    return bool(made_by == code_hash and made_from == sources)


def window_dates(first: str, last: str) -> list[str]:
    """The days from ``first`` to ``last``, both included, as ISO dates.

    :raises InvalidInput: no dates, in the wrong order, or more than 400 days.
    """
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"({first!r}, {last!r}) is no window of dates", reason=str(error)) from error
    days = (end - start).days + 1
    if not 1 <= days <= MAX_WINDOW_DAYS:
        raise InvalidInput(
            f"The window from {first} to {last} can't be used", reason=f"1 to {MAX_WINDOW_DAYS} days are"
        )
    return [(start + timedelta(days=day)).isoformat() for day in range(days)]


def committed_files(s3: ArtifactsHook, features_uri: str, dates: Iterable[str]) -> list[CommittedPartition]:
    """The committed partition of each date, in the order given.

    :raises InvalidInput: dates without a committed partition, an unreadable manifest, or partitions of
        different schemas.
    """
    root = features_uri.rstrip("/")
    uris = {day: f"{root}/date={day}/{MANIFEST}" for day in dates}
    found = {day: s3.get_json(uri) for day, uri in uris.items()}
    missing = [day for day, document in found.items() if document is None]
    if missing:
        raise InvalidInput(
            f"No features are committed for {', '.join(missing)}",
            reason=f"{uris[missing[0]]} does not exist",
            next_step="Prepare these dates first (prepare_features).",
        )
    partitions = [_partition(day, uris[day], document) for day, document in found.items() if document]
    schemas = {partition.schema_hash: partition.date for partition in partitions}
    if len(schemas) > 1:
        raise InvalidInput(
            f"The partitions of {', '.join(sorted(schemas.values()))} have different schemas",
            reason=f"below {root}",
            next_step="Prepare the older dates again with today's code.",
        )
    return partitions


def _partition(day: str, uri: str, document: tuple[Any, str]) -> CommittedPartition:
    manifest, etag = document
    try:
        return CommittedPartition(
            date=day,
            etag=etag.strip('"'),
            files=tuple({name: file[name] for name in ("key", "etag", "size")} for file in manifest["files"]),
            rows=int(manifest["rows"]),
            schema_hash=manifest["schema_hash"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{uri} is no manifest of a feature partition", reason=repr(error)) from error


def partition_etags(partitions: Sequence[CommittedPartition]) -> dict[str, str]:
    """The version of each date: what a model was trained on."""
    return {partition.date: partition.etag for partition in partitions}


def write_training_input(
    s3: ArtifactsHook, bucket: str, features_uri: str, partitions: Sequence[CommittedPartition]
) -> str:
    """Write the files of these partitions as a SageMaker ManifestFile; its ``s3://`` address.

    The key is made from the files and versions, so the same data has the same address. Beside it lies
    ``<hash>.lineage.json``, which :func:`read_lineage` reads back.

    :raises InvalidInput: the partitions hold no files.
    """
    features_bucket, _ = split_uri(features_uri)
    keys = [file["key"] for partition in partitions for file in partition.files]
    if not keys:
        raise InvalidInput(f"The features of {[partition.date for partition in partitions]} hold no files")
    lineage = {
        "features": features_uri,
        "partitions": partition_etags(partitions),
        "files": [dict(file) for partition in partitions for file in partition.files],
        "rows": sum(partition.rows for partition in partitions),
    }
    uri = f"s3://{bucket}/training-inputs/{content_hash(json.dumps(lineage, sort_keys=True).encode())}.json"
    s3.put_json_if_absent(lineage_uri(uri), lineage)
    s3.put_json_if_absent(uri, [{"prefix": f"s3://{features_bucket}/"}, *keys])
    return uri


TRAIN_ANEW = (
    "Start a new run: it prepares the days that are missing, and trains anew. Clearing this task would find "
    "the same job again."
)


def lineage_uri(training_input_uri: str) -> str:
    """Where the versions of a training input are written down."""
    return training_input_uri.removesuffix(".json") + ".lineage.json"


def read_lineage(s3: ArtifactsHook, training_input_uri: str) -> dict[str, str]:
    """The version (manifest ETag) of each date of a training input.

    :raises InvalidInput: it is gone.
    """
    found = s3.get_json(lineage_uri(training_input_uri))
    if found is None:
        raise InvalidInput(
            f"{lineage_uri(training_input_uri)} does not exist",
            reason="it was deleted while the job ran, and nothing else tells what the model was trained on",
            next_step=TRAIN_ANEW,
        )
    etags: dict[str, str] = found[0]["partitions"]
    return etags
