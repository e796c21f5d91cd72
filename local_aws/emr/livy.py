"""A cluster's Livy: the real Apache Livy, on port 8998 of the cluster's own address."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import psutil

from local_aws.emr import jvm
from local_aws.emr.addresses import LIVY_PORT
from local_aws.processes import ChildProcess
from local_aws.settings import settings

START_SECONDS = 60.0
POLL_SECONDS = 0.05
MAX_HEAP = "-Xmx256m"
MAX_LAUNCHER_HEAP = "-Xmx128m"
CONFIGURATION = "conf"


class LivyFailed(RuntimeError):
    """Livy did not start."""


class Livy:
    """A Livy server and all that it starts, in one session of processes.

    :param node: the node's directory; ``conf/`` in it holds the configuration, its log is written to
        ``livy.log``.
    :param java_options: more options for the server's JVM.
    :param spark_options: more options for the JVMs of the Spark drivers that it starts.
    """

    def __init__(
        self,
        node: Path,
        address: str,
        region: str,
        *,
        java_options: list[str] | None = None,
        spark_options: list[str] | None = None,
    ) -> None:
        self.address = address
        self.log = node / "livy.log"
        self._region = region
        self._node = node
        self._java_options = java_options or jvm.options(jvm.base_archive(), jvm.livy_archive())
        self._spark_options = spark_options
        self._process: ChildProcess | None = None

    def start(self) -> None:
        """Start the server; does not wait for it to answer."""
        for directory in ("work", "tmp", "logs"):
            (self._node / directory).mkdir(parents=True, exist_ok=True)
        configuration = self._node / CONFIGURATION
        self._process = ChildProcess(
            [
                jvm.java_home() / "bin" / "java",
                MAX_HEAP,
                *self._java_options,
                "-Djava.net.preferIPv4Stack=true",
                f"-Dlog4j.configuration=file:{configuration / 'log4j.properties'}",
                f"-Djava.io.tmpdir={self._node / 'tmp'}",
                "-cp",
                jvm.livy_class_path(),
                "org.apache.livy.server.LivyServer",
            ],
            log=self.log,
            env=self._environment(configuration),
            cwd=self._node / "work",
        )

    def wait_until_answering(self, stop: Event) -> bool:
        """Wait until Livy listens, False if ``stop`` was set before.

        :raises LivyFailed: it ended, or took longer than 60 seconds.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if not self.is_running or time.monotonic() > deadline:
                raise LivyFailed(f"Livy did not start; the end of its log: {self._last_lines()}")
            if stop.wait(POLL_SECONDS):
                return False
        return True

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def is_active(self) -> bool:
        """Whether a batch or session runs: each has a process of its own under the server's."""
        if self._process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self._process.pid).children())
        return False

    def stop(self, grace_seconds: float = 1.0) -> None:
        """End the server and every driver and Python worker. Returns once all are gone."""
        if self._process is not None:
            self._process.stop(grace_seconds)

    def _listens(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(1)
            return connection.connect_ex((self.address, LIVY_PORT)) == 0

    def _last_lines(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])

    def _environment(self, configuration: Path) -> Mapping[str, str]:
        return {
            **spark_environment(self._node, self.address, self._region, self._spark_options),
            "LIVY_CONF_DIR": str(configuration),
            "LIVY_HOME": str(settings.livy_home or self._node),
            "LIVY_LOG_DIR": str(self._node / "logs"),
        }


def spark_environment(
    node: Path, address: str, region: str, spark_options: list[str] | None = None
) -> dict[str, str]:
    """What spark-submit finds on a node, whoever calls it.

    :param spark_options: options for the driver's JVM, instead of those for a quick start.
    """
    options = spark_options or jvm.options(jvm.base_archive(), jvm.spark_archive())
    return {
        **node_environment(region),
        "HOME": str(node / "work"),
        "JAVA_HOME": str(jvm.java_home()),
        "PYSPARK_DRIVER_PYTHON": str(settings.emr_python),
        "PYSPARK_PYTHON": str(settings.emr_python),
        "SPARK_CONF_DIR": str(node / CONFIGURATION),
        "SPARK_HOME": str(jvm.spark_home()),
        "SPARK_LAUNCHER_OPTS": " ".join([MAX_LAUNCHER_HEAP, *jvm.options(jvm.base_archive())]),
        "SPARK_LOCAL_DIRS": str(node / "tmp"),
        "SPARK_LOCAL_HOSTNAME": address,
        "SPARK_LOCAL_IP": address,
        "SPARK_SUBMIT_OPTS": " ".join([*options, f"-Djava.io.tmpdir={node / 'tmp'}"]),
        "TMPDIR": str(node / "tmp"),
    }


def node_environment(region: str) -> dict[str, str]:
    """What every program on a node finds: a path, and the way to this AWS with the instance's role."""
    return {
        "AWS_ACCESS_KEY_ID": "ASIAEMRINSTANCEROLE0",
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_SECRET_ACCESS_KEY": "of-the-instance-role",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
