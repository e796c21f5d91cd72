"""Prepares the features of a range of dates: flights joined with weather, planes and what past days taught.

Each date's content is a function of its raw files and of this code, so a date already committed from the
same of both is left as it is. The others are written in one pass below ``_data/<batch>/<application>/``,
which no other attempt writes to, and then committed one by one (partitions.py). Last comes
``_batches/<batch>.json`` at the bucket's root: the batch is complete.

Runs on Spark 3.4 or newer and Python 3.9 (Amazon EMR 7) or newer; the modules beside it come as py-files.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import logging
import re
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from flight_features import ORDER, RECENT_DAYS, features, flown, past_days
from partitions import (
    NULL,
    S3_THREADS,
    SCHEMAS,
    RawDataError,
    Source,
    Sources,
    Store,
    changed,
    commit,
    dates_between,
    declare_complete,
    find_bad_file,
    find_sources,
    is_same,
    manifest_uri,
    read_committed,
    sources_of,
    split_uri,
    written_files,
)
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812

MESSAGE_CHARACTERS = 500
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    # The files are named one by one: a Spark job to look for them would take longer than asking for each.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
    # A day is a few hundred kilobytes: planning anew after each stage costs more than it gives.
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

log = logging.getLogger("prepare_features")


def read_table(spark: SparkSession, sources: Iterable[Source], schema: str) -> DataFrame:
    """The rows of raw CSV files: header and types are verified, a bad row fails the job naming its file."""
    return spark.read.csv(
        [source.uri for source in sources],
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


def write_features(
    spark: SparkSession, sources: Sources, dates: list[datetime.date], history: int, folder: str
) -> tuple[dict[datetime.date, int], str]:
    """Prepare the dates in one pass and write each as one ordered file below ``folder/day=D/``.

    :return: the number of rows of each date, and a hash of the schema.
    :raises RawDataError: a date has no flight that arrived, or a plane or hour of weather is told of twice.
    """
    first, last = dates[0], dates[-1]
    before, yesterday = first - datetime.timedelta(days=history), first - datetime.timedelta(days=1)
    flights = read_daily(
        spark, [s for day, s in sources.flights.items() if before <= day <= last], SCHEMAS["flights"]
    )
    weather = read_daily(
        spark, [s for day, s in sources.weather.items() if yesterday <= day <= last], SCHEMAS["weather"]
    )
    planes = read_table(spark, [sources.planes], SCHEMAS["planes"])
    counts = [F.count(F.when(F.col("date") == F.lit(date), 1)).alias(str(date)) for date in dates]
    before_joins, after_joins = Observation("before joins"), Observation("after joins")

    arrived = flown(flights)
    past = past_days(arrived, first, history)
    wanted = arrived.where(F.col("date").isin(dates)).observe(before_joins, *counts)
    prepared = features(wanted, past, weather, planes)
    (
        prepared.observe(after_joins, *counts)
        .withColumn("day", F.col("date"))
        .repartition("day")
        .sortWithinPartitions("day", *ORDER)
        .write.partitionBy("day")
        .parquet(folder)
    )
    rows = {date: after_joins.get[str(date)] for date in dates}
    for date, count in rows.items():
        if count == 0:
            raise RawDataError(f"no flight that arrived is in {sources.flights[date].uri}")
        if count != before_joins.get[str(date)]:
            raise RawDataError(
                f"an hour of weather or a plane is told of twice, among {sources.planes.uri} and "
                f"{sources.weather[date].uri}"
            )
    return rows, hashlib.sha256(prepared.schema.json().encode()).hexdigest()


def prepare(
    spark: SparkSession, store: Store, arguments: argparse.Namespace, started: float
) -> dict[str, Any]:
    """Prepare and commit what is not there yet, then declare the batch complete.

    :param started: when the job began, by ``time.monotonic()``.
    :return: the batch's completion manifest, with the job's ``seconds`` up to it.
    :raises RawDataError: raw data is missing, unreadable or changed while it was read.
    :raises CommitConflict: another batch committed other content meanwhile.
    """
    done_uri = f"s3://{split_uri(arguments.features)[0]}/_batches/{arguments.batch_name}.json"
    if done_uri in store.objects(done_uri):
        log.info("batch %s is complete already", arguments.batch_name)
        return dict(store.read(done_uri)[0])

    history = arguments.history_days
    dates = dates_between(arguments.first, arguments.last)
    sources = find_sources(store, arguments.raw, arguments.first, arguments.last, history)
    committed = read_committed(store, arguments.features, dates)
    intended = {
        date: {
            "date": str(date),
            "batch": arguments.batch_name,
            "code_hash": arguments.code_hash,
            "sources": sources_of(sources, date, history),
        }
        for date in dates
    }
    stale = [d for d in dates if d not in committed or not is_same(committed[d][0], intended[d])]
    log.info("%d of %d dates are to be prepared", len(stale), len(dates))
    manifests = {date: manifest for date, (manifest, _) in committed.items()}
    if stale:
        folder = f"{arguments.features}/_data/{arguments.batch_name}/{spark.sparkContext.applicationId}"
        written = write_checked(spark, store, arguments, sources, stale, folder)

        def commit_date(date: datetime.date) -> dict[str, Any]:
            replacing = committed[date][1] if date in committed else None
            manifest = {**intended[date], **written[date]}
            return commit(store, manifest_uri(arguments.features, date), manifest, replacing)

        with ThreadPoolExecutor(S3_THREADS) as threads:
            for manifest in threads.map(commit_date, stale):
                manifests[datetime.date.fromisoformat(manifest["date"])] = manifest

    rows = {str(date): {"rows": manifests[date]["rows"]} for date in dates}
    done = {"batch": arguments.batch_name, "dates": rows}
    return declare_complete(store, done_uri, done, round(time.monotonic() - started, 1))


def write_checked(
    spark: SparkSession,
    store: Store,
    arguments: argparse.Namespace,
    sources: Sources,
    dates: list[datetime.date],
    folder: str,
) -> dict[datetime.date, dict[str, Any]]:
    """Write the dates, and make sure that what was read is what ``sources`` tells of.

    :return: what a manifest tells of each date's files.
    :raises RawDataError: a raw file is unreadable or was replaced meanwhile.
    """
    try:
        rows, schema_hash = write_features(spark, sources, dates, arguments.history_days, folder)
    except Exception as error:
        # Spark doesn't name the file of a damaged archive or a bad row.
        if problem := find_bad_file(store, sources):
            log.error("%s", str(error)[:MESSAGE_CHARACTERS])
            raise RawDataError(problem) from None
        raise
    now = find_sources(store, arguments.raw, arguments.first, arguments.last, arguments.history_days)
    if replaced := changed(sources, now):
        raise RawDataError(f"replaced while they were read, so run again: {', '.join(replaced)}")
    files = written_files(store, folder)
    return {date: {"files": files[date], "rows": rows[date], "schema_hash": schema_hash} for date in dates}


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prepare_features", description=__doc__)
    parser.add_argument("--raw", type=_folder, required=True, help="s3://bucket of the raw partitions")
    parser.add_argument("--features", type=_folder, required=True, help="s3://bucket/folder of the features")
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--history-days", type=int, required=True, help="days read before each date")
    parser.add_argument("--batch-name", type=_name, required=True)
    parser.add_argument("--code-hash", required=True, help="identifies this code in the manifests")
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
    rows = sum(date["rows"] for date in done["dates"].values())
    log.info("prepared %d rows of %d dates in %.1f s", rows, len(done["dates"]), time.monotonic() - started)


if __name__ == "__main__":
    main(sys.argv[1:])
