"""The configuration files of a node: Livy's and Spark's, with the request's classifications applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local_aws.emr import jvm
from local_aws.emr.addresses import LIVY_PORT
from local_aws.settings import settings

CORES = 2
DRIVER_MEMORY = "1g"
CREDENTIALS = "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"

LOG_PATTERN = "%d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n"
LIVY_LOG = f"""\
log4j.rootCategory=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern={LOG_PATTERN}
"""
# Livy keeps the last 200 lines of a batch: at INFO, Spark would push a job's own lines out of its log.
SPARK_LOG = f"""\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = {LOG_PATTERN}%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = error
"""

# Livy recovers sessions from YARN only and refuses to start with recovery on a local master.
NOT_APPLIED = "livy.server.recovery."


def properties(configurations: Iterable[Mapping[str, Any]], classification: str) -> dict[str, str]:
    """The properties that a request's Configurations give to one classification."""
    merged: dict[str, str] = {}
    for configuration in configurations:
        if configuration["Classification"] == classification:
            merged |= configuration.get("Properties", {})
    return merged


def not_applied(configurations: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of the request has no effect on a local master."""
    return [key for key in properties(configurations, "livy-conf") if key.startswith(NOT_APPLIED)]


def write(directory: Path, address: str, configurations: list[dict[str, Any]]) -> None:
    """Write livy.conf, spark-defaults.conf and both log configurations.

    The request's properties override EMR's defaults; the node's identity (address, master, the way to S3)
    overrides the request's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    livy = {
        key: value
        for key, value in properties(configurations, "livy-conf").items()
        if not key.startswith(NOT_APPLIED)
    } | _livy_identity(address)
    spark = (
        {"spark.driver.memory": DRIVER_MEMORY, "spark.sql.shuffle.partitions": str(2 * CORES)}
        | properties(configurations, "spark-defaults")
        | _spark_identity(address, directory.parent)
    )
    (directory / "livy.conf").write_text("".join(f"{key} = {value}\n" for key, value in livy.items()))
    (directory / "spark-defaults.conf").write_text(
        "".join(f"{key} {value}\n" for key, value in spark.items())
    )
    (directory / "log4j.properties").write_text(LIVY_LOG)
    (directory / "log4j2.properties").write_text(SPARK_LOG)


def _livy_identity(address: str) -> dict[str, str]:
    # Sessions and their server call each other; by default on an address that leads out of the node.
    sessions = ("livy.rsc.rpc.server.address", "livy.rsc.launcher.address")
    return {
        **dict.fromkeys(sessions if settings.livy_home else (), address),
        "livy.server.host": address,
        "livy.server.port": str(LIVY_PORT),
        "livy.spark.master": f"local[{CORES}]",
        "livy.spark.deploy-mode": "client",
    }


def _spark_identity(address: str, node: Path) -> dict[str, str]:
    return {
        "spark.master": f"local[{CORES}]",
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(node / "warehouse"),
        "spark.driver.extraClassPath": jvm.spark_class_path(),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": settings.endpoint_url,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.aws.credentials.provider": CREDENTIALS,
        "spark.hadoop.fs.s3a.buffer.dir": str(node / "tmp" / "s3a"),
        # One copy for each file instead of two. A task that fails while committing could leave files, but
        # each attempt of ours writes a directory of its own, and readers go by a manifest.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    }
