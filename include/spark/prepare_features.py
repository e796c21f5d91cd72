"""Prepares the features of a range of dates: flights joined with weather, planes and what past days taught.

Each date's content is a function of its raw files and of this code, so a date already committed from the
same of both is left as it is. The others are written in one pass below ``_data/<batch>/<application>/``,
which no other attempt writes to, checked (quality.py), and then committed one by one (partitions.py) or, if
they are not what is expected, told of in ``_quarantine/date=D/<batch>.json`` and left at that. Last comes
``_batches/<batch>.json`` at the bucket's root: the batch is complete.

Runs on Spark 3.4 or newer and Python 3.9 (Amazon EMR 7) or newer; the modules beside it come as py-files.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
import logging
import re
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from flight_features import ORDER, RECENT_DAYS, features, flown, past_days
from partitions import (
    S3_THREADS,
    DataQualityFailed,
    Source,
    Store,
    commit,
    declare_complete,
    is_same,
    manifest_uri,
    quarantine,
    quarantine_uri,
    read_committed,
    split_uri,
    written_files,
)
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StructType
from raw_tables import (
    NULL,
    SCHEMAS,
    RawDataChanged,
    RawDataError,
    Sources,
    changed,
    dates_between,
    find_bad_file,
    find_sources,
    lacking,
    sources_of,
)

MESSAGE_CHARACTERS = 500
READING_THREADS = 2
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    # The files are named one by one: a Spark job to look for them would take longer than asking for each.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
    # A day is a few hundred kilobytes: planning anew after each stage costs more than it gives.
    "spark.sql.adaptive.enabled": "false",
    # Every column is parsed, so that one that changed is noticed also where nothing is made from it.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

log = logging.getLogger("prepare_features")


def read_table(spark: SparkSession, sources: Iterable[Source], schema: str) -> DataFrame:
    """The rows of raw CSV files: header and types are verified, a bad row fails the job naming its file."""
    paths = [source.uri for source in sources]
    if not paths:
        return spark.createDataFrame([], schema)
    return spark.read.csv(
        paths,
        schema=schema,
        header=True,
        enforceSchema=False,
        mode="FAILFAST",
        nullValue=NULL,
    )


def read_daily(spark: SparkSession, sources: Iterable[Source], schema: str) -> DataFrame:
    """As :func:`read_table`, with the ``date`` of each row, which must be that of the row's partition."""
    date = F.make_date("year", "month", "day")
    path = F.input_file_name()
    message = F.concat(F.lit("a row of "), date.cast("string"), F.lit(" is in "), path)
    checked = F.when(path.contains(F.concat(F.lit("/date="), date.cast("string"), F.lit("/"))), date)
    return read_table(spark, sources, schema).withColumn("date", checked.otherwise(F.raise_error(message)))


class Prepared(NamedTuple):
    """A date's written files: what a manifest tells of them, and the expectations that they don't meet."""

    told: dict[str, Any]
    failed: list[Any]


def write_features(
    spark: SparkSession, sources: Sources, dates: list[datetime.date], history: int, folder: str
) -> tuple[dict[datetime.date, int], StructType]:
    """Prepare the dates in one pass and write each as one ordered file below ``folder/day=D/``.

    :return: the number of flights of each date that arrived, counted before anything was joined to them, and
        the schema.
    """
    first, last = dates[0], dates[-1]
    before, yesterday = first - datetime.timedelta(days=history), first - datetime.timedelta(days=1)
    # A date's own file is read apart from its history's, which it would otherwise be read with once more.
    wanted = flown(read_daily(spark, [sources.flights[date] for date in dates], SCHEMAS["flights"]))
    flown_before = [s for day, s in sources.flights.items() if before <= day < last]
    past = past_days(flown(read_daily(spark, flown_before, SCHEMAS["flights"])), first, last, history)
    weather = read_daily(
        spark, [s for day, s in sources.weather.items() if yesterday <= day <= last], SCHEMAS["weather"]
    )
    planes = read_table(spark, [sources.planes], SCHEMAS["planes"])
    counts = [F.count(F.when(F.col("date") == F.lit(date), 1)).alias(str(date)) for date in dates]
    arrived = Observation("arrived")
    prepared = features(wanted.observe(arrived, *counts), past, weather, planes)
    (
        prepared.withColumn("day", F.col("date"))
        .repartition(len(dates), "day")
        .sortWithinPartitions("day", *ORDER)
        .write.partitionBy("day")
        .parquet(folder)
    )
    past.unpersist()
    return {date: arrived.get[str(date)] for date in dates}, prepared.schema


def prepare(
    spark: SparkSession, store: Store, arguments: argparse.Namespace, started: float
) -> dict[str, Any]:
    """Prepare and commit what is not there yet, then declare the batch complete.

    :param started: when the job began, by ``time.monotonic()``.
    :return: the batch's completion manifest, with the job's ``seconds`` up to it.
    :raises RawDataError: raw data is missing, unreadable or changed while it was read.
    :raises DataQualityFailed: dates are not what is expected of them; the others are committed.
    :raises CommitConflict: another batch committed other content meanwhile.
    """
    done_uri = f"s3://{split_uri(arguments.features)[0]}/_batches/{arguments.batch_name}.json"
    if done_uri in store.objects(done_uri):
        log.info("batch %s is complete already", arguments.batch_name)
        return dict(store.read(done_uri)[0])

    history = arguments.history_days
    dates = dates_between(arguments.first, arguments.last)
    sources = find_sources(store, arguments.raw, arguments.first, arguments.last, history)
    skipped = lacking(sources, arguments.raw, dates)
    _refuse(arguments, skipped)
    committed = read_committed(store, arguments.features, dates)
    intended = {
        date: {
            "date": str(date),
            "batch": arguments.batch_name,
            "code_hash": arguments.code_hash,
            "sources": sources_of(sources, date, history),
        }
        for date in dates
        if date not in skipped
    }
    done = {d for d in intended if d in committed and is_same(committed[d][0], intended[d])}
    stale = [date for date in intended if arguments.force or date not in done]
    log.info("%d of %d dates are to be prepared", len(stale), len(dates))
    manifests = {date: manifest for date, (manifest, _) in committed.items()}
    if stale:
        folder = f"{arguments.features}/_data/{arguments.batch_name}/{spark.sparkContext.applicationId}"
        written = write_checked(spark, store, arguments, sources, stale, folder)

        def settle(date: datetime.date) -> dict[str, Any] | None:
            told, failed = written[date]
            manifest = {**intended[date], **told}
            if failed:
                told_failed = [expectation._asdict() for expectation in failed]
                uri = quarantine_uri(arguments.features, date, arguments.batch_name)
                quarantine(store, uri, {**manifest, "failed_expectations": told_failed})
                return None
            if date in done and manifests[date].get("content_hash") != told["content_hash"]:
                log.warning("%s: other content than before, from equal sources and code", date)
            replacing = committed[date][1] if date in committed else None
            return commit(store, manifest_uri(arguments.features, date), manifest, replacing)

        with ThreadPoolExecutor(S3_THREADS) as threads:
            settled = dict(zip(written, threads.map(settle, written)))  # noqa: B905 (Python 3.9)
        manifests.update({date: manifest for date, manifest in settled.items() if manifest})
        _refuse_unfit(arguments, {date: written[date].failed for date in settled if not settled[date]})
        empty = {
            d: f"no flight that arrived is in {sources.flights[d].uri}" for d in stale if d not in written
        }
        _refuse(arguments, empty)
        skipped.update(empty)

    told = {
        str(d): {"skipped": skipped[d]} if d in skipped else {"rows": manifests[d]["rows"]} for d in dates
    }
    complete = {"batch": arguments.batch_name, "dates": told}
    return declare_complete(store, done_uri, complete, round(time.monotonic() - started, 1))


def _refuse(arguments: argparse.Namespace, without: dict[datetime.date, str]) -> None:
    """Fail because of dates without raw data, or tell that they are skipped."""
    for date, reason in without.items():
        log.warning("%s: %s", date, reason)
    if without and arguments.when_raw_is_missing == "fail":
        raise RawDataError("; ".join(f"{date}: {reason}" for date, reason in without.items()))


def _refuse_unfit(arguments: argparse.Namespace, unfit: dict[datetime.date, list[Any]]) -> None:
    for date, failed in unfit.items():
        for expectation in failed:
            log.error("%s: %s", date, expectation)
    if unfit:
        details = [
            f"{date}: {', '.join(map(str, failed))}; "
            f"see {quarantine_uri(arguments.features, date, arguments.batch_name)}"
            for date, failed in unfit.items()
        ]
        raise DataQualityFailed(f"not as expected, so not committed: {'. '.join(details)}")


def write_checked(
    spark: SparkSession,
    store: Store,
    arguments: argparse.Namespace,
    sources: Sources,
    dates: list[datetime.date],
    folder: str,
) -> dict[datetime.date, Prepared]:
    """Write the dates, make sure that what was read is what ``sources`` tells of, and check what was written.

    :return: the dates of which a flight arrived.
    :raises RawDataError: a raw file is unreadable.
    :raises RawDataChanged: one was replaced meanwhile.
    """
    with ThreadPoolExecutor(1) as thread:
        # Takes about as long to load as a date takes to check, and Spark is waited for anyway.
        loading = thread.submit(importlib.import_module, "quality")
        try:
            arrived, schema = write_features(spark, sources, dates, arguments.history_days, folder)
        except Exception as error:
            # Spark doesn't name the file of a damaged archive or a bad row.
            if problem := find_bad_file(store, sources):
                log.error("%s", str(error)[:MESSAGE_CHARACTERS])
                raise RawDataError(problem) from None
            raise
    now = find_sources(store, arguments.raw, arguments.first, arguments.last, arguments.history_days)
    if replaced := changed(sources, now):
        raise RawDataChanged(f"replaced while they were read, so run again: {', '.join(replaced)}")
    quality, files = loading.result(), written_files(store, folder)
    schema_hash = hashlib.sha256(schema.json().encode()).hexdigest()

    def check(date: datetime.date) -> Prepared:
        uris = [f"s3://{split_uri(folder)[0]}/{file['key']}" for file in files[date]]
        rows = [row.asDict() for row in spark.read.schema(schema).parquet(*uris).collect()]
        failed = quality.failed_expectations(rows, date, arrived[date])
        told = {"files": files[date], "rows": len(rows), "schema_hash": schema_hash}
        return Prepared({**told, "content_hash": quality.content_hash(rows)}, failed)

    with ThreadPoolExecutor(READING_THREADS) as threads:
        there = [date for date in dates if arrived[date]]
        return dict(zip(there, threads.map(check, there)))  # noqa: B905 (Python 3.9)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prepare_features", description=__doc__)
    parser.add_argument("--raw", type=_folder, required=True, help="s3://bucket of the raw partitions")
    parser.add_argument("--features", type=_folder, required=True, help="s3://bucket/folder of the features")
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--history-days", type=int, required=True, help="days read before each date")
    parser.add_argument("--batch-name", type=_name, required=True)
    parser.add_argument("--code-hash", required=True, help="identifies this code in the manifests")
    parser.add_argument(
        "--when-raw-is-missing",
        choices=("skip", "fail"),
        default="fail",
        help="what becomes of a date without raw data, or of which no flight arrived",
    )
    parser.add_argument(
        "--force",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="prepare also what is committed already",
    )
    parser.add_argument("--region", help="Region of the buckets, where the machine does not tell")
    arguments = parser.parse_args(argv)
    if arguments.last < arguments.first:
        parser.error(f"--to {arguments.last} is before --from {arguments.first}")
    if arguments.history_days < RECENT_DAYS:
        parser.error(f"--history-days must be at least {RECENT_DAYS}")
    return arguments


def _folder(uri: str) -> str:
    split_uri(uri)
    return uri.rstrip("/")


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(name)
    return name


def main(argv: list[str]) -> None:
    """Run the job; its last line tells what was prepared, or the exception that ended it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("botocore", "py4j"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    arguments = parse(argv)
    started = time.monotonic()
    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=S3_THREADS)
    store = Store(boto3.client("s3", region_name=arguments.region, config=config))
    spark = SparkSession.builder.appName(arguments.batch_name).config(map=SESSION).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    done = prepare(spark, store, arguments, started)
    rows = [date["rows"] for date in done["dates"].values() if "rows" in date]
    skipped = len(done["dates"]) - len(rows)
    log.info(
        "prepared %d rows of %d dates in %.1f s%s",
        sum(rows),
        len(rows),
        time.monotonic() - started,
        f"; {skipped} skipped" if skipped else "",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
