"""One S3 and one Spark session for all tests of the Spark job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws import jars
from local_aws.emr import jvm
from local_aws.settings import PROJECT, settings

HERE = Path(__file__).parent
SPARK = PROJECT / "include" / "spark"
sys.path[:0] = [str(HERE), str(SPARK)]

from raw_data import RawData  # noqa: E402
from spark_job import Spark  # noqa: E402

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
REGION = "us-east-1"


@pytest.fixture(scope="session")
def endpoint_url() -> Iterator[str]:
    from local_aws.server import create_server

    server = create_server("127.0.0.1", 0)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.bind_addr[1]}"
    server.stop()
    thread.join(10)


@pytest.fixture(scope="session")
def s3(endpoint_url: str) -> Any:
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def bucket(s3: Any) -> str:
    """A bucket of the test's own."""
    name = f"test-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def raw(s3: Any, bucket: str) -> RawData:
    """Eight days of raw data, uploaded."""
    data = RawData(s3, bucket)
    data.upload()
    return data


@pytest.fixture(scope="session")
def spark(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    home = tmp_path_factory.mktemp("spark")
    configuration = {
        "spark.master": "local[2]",
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.local.dir": str(home / "local"),
        "spark.driver.extraClassPath": ":".join(map(str, jars.class_path("spark"))),
        "spark.driver.extraJavaOptions": " ".join(jvm.SHORT_LIVED),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint_url,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"
        ),
        "spark.hadoop.fs.s3a.buffer.dir": str(home / "s3a"),
    }
    (home / "spark-defaults.conf").write_text("".join(f"{k} {v}\n" for k, v in configuration.items()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(SPARK),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "JAVA_HOME": str(jvm.java_home()),
        "SPARK_HOME": str(jvm.spark_home()),
        "SPARK_CONF_DIR": str(home),
        "PYSPARK_PYTHON": str(settings.emr_python),
        **CREDENTIALS,
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [settings.emr_python, HERE / "worker.py"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    yield Spark(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


@pytest.fixture(scope="session")
def manifest(s3: Any) -> Callable[[str, str], dict[str, Any]]:
    """``manifest(bucket, date)``: the committed manifest of one date."""

    def read(bucket: str, date: str) -> dict[str, Any]:
        answer = s3.get_object(Bucket=bucket, Key=f"flights/date={date}/_manifest.json")
        content: dict[str, Any] = json.loads(answer["Body"].read())
        return content

    return read
