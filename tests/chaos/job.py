"""The Spark job without Spark: its own code reads, commits and declares; the rows come from the recording."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from local_aws import internal
from local_aws.settings import PROJECT
from tests.chaos import recorded

REGION = "us-east-1"


class Killed(Exception):
    """Livy killed the batch: its driver does nothing any more."""


@cache
def _job() -> Any:
    """The job's module; of pyspark it needs the names alone."""
    for name in ("pyspark", "pyspark.sql", "pyspark.sql.functions", "pyspark.sql.types"):
        sys.modules.setdefault(name, MagicMock())
    sys.path.insert(0, str(PROJECT / "include" / "spark"))
    import prepare_features

    prepare_features.write_checked = _write_recorded
    return prepare_features


def load() -> None:
    """Import the job now, so that no batch is kept waiting for it."""
    _job()


def _write_recorded(
    spark: Any, store: Any, arguments: Any, sources: Any, dates: list[Any], folder: str
) -> dict[Any, Any]:
    """In the place of Spark: the recorded file of each date."""
    job = _job()
    bucket, prefix = job.split_uri(folder)
    store.worked_on(map(str, dates))
    for date in dates:
        store.check()
        store.client.put_object(
            Bucket=bucket, Key=f"{prefix}/day={date}/part-0.parquet", Body=recorded.partition(str(date))
        )
    files = job.written_files(store, folder)
    told = recorded.partitions()
    return {date: job.Prepared({"files": files[date], **told[str(date)]}, []) for date in dates}


def run(argv: list[str], application_id: str, log: Any, killed: threading.Event) -> None:
    """Run the job as its command line says.

    :param log: has ``works`` and ``commits``, lists of dates.
    :raises Killed: it was killed on the way.
    """
    job = _job()

    class Store(job.Store):  # type: ignore[misc,name-defined]
        """The job's way to S3, which tells what it commits, and ends with its driver."""

        def check(self) -> None:
            if killed.is_set():
                raise Killed

        def worked_on(self, dates: Any) -> None:
            log.works += dates

        def put(self, uri: str, content: Any, replacing: str | None) -> bool:
            self.check()
            written: bool = super().put(uri, content, replacing)
            if written and uri.endswith("/_manifest.json"):
                log.commits.append(content["date"])
            return written

    spark = SimpleNamespace(sparkContext=SimpleNamespace(applicationId=application_id))
    job.prepare(spark, Store(internal.client("s3", REGION)), job.parse(argv), time.monotonic())


Runner = Callable[[list[str], str, Any, threading.Event], None]
