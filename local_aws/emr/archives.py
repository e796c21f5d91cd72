"""Class data archives for Livy's and Spark's JVMs: made once, they halve each start.

``python -m local_aws.emr.archives`` starts a node as a cluster would, runs a PySpark job on it that reads and
writes S3, and has both JVMs write down the classes they loaded (JEP 350). The set-up runs it; that the job
succeeded shows at the same time that the node's parts fit together. Without the archives all works, slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import requests

from local_aws.emr import configuration, jvm
from local_aws.emr.addresses import LIVY_PORT, Address
from local_aws.emr.livy import CONFIGURATION, Livy

REGION = "us-east-1"
BUCKET = "warm-up"
JOB_SECONDS = 300
DUMP_SECONDS = 60.0

JOB = f"""
from pyspark.sql import SparkSession, Window, functions as f
spark = SparkSession.builder.getOrCreate()
rows = spark.read.option("header", True).csv("s3://{BUCKET}/in/")
rows = rows.join(rows.groupBy("key").agg(f.avg("value").alias("mean")), "key", "left")
rows = rows.withColumn("before", f.lag("value").over(Window.partitionBy("key").orderBy("value")))
rows.write.partitionBy("key").parquet("s3://{BUCKET}/out/")
assert spark.read.parquet("s3://{BUCKET}/out/").count() == 100
spark.stop()
"""


def build() -> bool:
    """Make the archives that are missing; False if there was nothing to do.

    :raises RuntimeError: the job on the node failed.
    """
    if jvm.livy_archive().is_file() and jvm.spark_archive().is_file():
        return False
    base = jvm.base_archive()
    base.parent.mkdir(parents=True, exist_ok=True)
    for stale in base.parent.iterdir():
        stale.unlink()
    subprocess.run(
        [
            jvm.java_home() / "bin" / "java",
            "-Xshare:dump",
            "-XX:+UseSerialGC",
            f"-XX:SharedArchiveFile={base}",
        ],
        check=True,
        capture_output=True,
    )
    with _s3():
        _run_job()
    return True


def _run_job() -> None:
    def dump_to(archive: Path) -> list[str]:
        return [*jvm.options(jvm.base_archive()), f"-XX:ArchiveClassesAtExit={_unfinished(archive)}"]

    with tempfile.TemporaryDirectory() as scratch:
        node = Path(scratch)
        address = Address()
        configuration.write(node / CONFIGURATION, str(address), [])
        livy = Livy(
            node,
            str(address),
            REGION,
            java_options=dump_to(jvm.livy_archive()),
            spark_options=dump_to(jvm.spark_archive()),
        )
        livy.start()
        try:
            livy.wait_until_answering(Event())
            _run_batch(f"http://{address}:{LIVY_PORT}")
        finally:
            livy.stop(DUMP_SECONDS)
            address.release()
    for archive in (jvm.livy_archive(), jvm.spark_archive()):
        _unfinished(archive).replace(archive)


def _unfinished(archive: Path) -> Path:
    return archive.with_suffix(".unfinished")


def _run_batch(livy: str) -> None:
    batch = requests.post(f"{livy}/batches", json={"file": f"s3://{BUCKET}/job.py"}, timeout=10).json()
    deadline = time.monotonic() + JOB_SECONDS
    while (batch := _look(livy, batch["id"]))["state"] in ("starting", "running"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The warm-up job took longer than {JOB_SECONDS} s: {batch}")
        time.sleep(0.2)
    if batch["state"] != "success":
        raise RuntimeError("The warm-up job failed:\n" + "\n".join(batch["log"]))


def _look(livy: str, batch_id: int) -> dict[str, Any]:
    answer = requests.get(f"{livy}/batches/{batch_id}", timeout=10)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def _s3() -> Iterator[None]:
    """An S3 of our own that holds the job and its input."""
    from local_aws import internal
    from local_aws.server import create_server

    server = create_server("127.0.0.1", 0)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    os.environ["LOCAL_AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.bind_addr[1]}"
    s3 = internal.client("s3", REGION)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="job.py", Body=JOB)
    rows = "".join(f"{number % 5},{number}\n" for number in range(100))
    s3.put_object(Bucket=BUCKET, Key="in/rows.csv", Body="key,value\n" + rows)
    try:
        yield
    finally:
        server.stop()


def main() -> int:
    """Make the archives, telling how long it took."""
    started = time.monotonic()
    print("emr: class data archives of Livy and Spark", flush=True)
    made = build()
    print(f"emr: {f'made in {time.monotonic() - started:.0f} s' if made else 'up to date'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
