"""Where the embedded AWS finds its runtimes and keeps its files; every value has an environment variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

PORT_VARIABLE = "LOCAL_AWS_PORT"
STATE_VARIABLE = "LOCAL_AWS_STATE"
ENDPOINT_VARIABLE = "LOCAL_AWS_ENDPOINT_URL"

SOURCES = "127.0.0.1=AirflowSecurityGroup,127.0.0.2=StudioSecurityGroup"
CLUSTER_ADDRESSES = "127.64.0.0/10"

PROJECT = Path(__file__).resolve().parent.parent


def _path(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable, PROJECT / default))


def _pairs(variable: str, default: str) -> dict[str, str]:
    """``key=value,key=value``."""
    return dict(pair.split("=", 1) for pair in os.environ.get(variable, default).split(",") if pair)


@dataclass(frozen=True)
class Settings:
    """Settings of one server process.

    :param home: logs and scratch files of clusters, training jobs and endpoints.
    :param emr_python: the interpreter of an emulated EMR node: PySpark, Java, the bootstrap's libraries.
    :param sagemaker_python: the interpreter of the emulated XGBoost image.
    :param jars: Livy's and S3A's jar files.
    :param livy_home: a Livy distribution for clusters to run instead of those archives. It has interactive
        sessions; what Maven Central has of Livy has not.
    :param sources: source addresses or networks, and the security group of the machines each stands for: its
        logical id in a template, its name or its id. The server listens where these may reach it, and
        nowhere else.
    :param cluster_addresses: where clusters get their addresses from. Those of a network that is not
        loopback lead here only after ``local_aws.routing``.
    :param time_scale: how many seconds of AWS pass in one second here. Only waiting is scaled, not work.
    :param least_idle_seconds: how long a cluster may be idle by the real clock, whatever its auto-termination
        policy says. Airflow misses a killed worker after a real minute, which may be an idle hour of AWS's.
    """

    home: Path = field(default_factory=lambda: _path("LOCAL_AWS_HOME", "var/local_aws"))
    emr_python: Path = field(default_factory=lambda: _path("LOCAL_AWS_EMR_PYTHON", ".venv-emr/bin/python"))
    sagemaker_python: Path = field(
        default_factory=lambda: _path("LOCAL_AWS_SAGEMAKER_PYTHON", ".venv-sagemaker/bin/python")
    )
    jars: Path = field(default_factory=lambda: _path("LOCAL_AWS_JARS", "var/jars"))
    livy_home: Path | None = field(
        default_factory=lambda: Path(os.environ["LIVY_HOME"]) if os.environ.get("LIVY_HOME") else None
    )
    sources: Mapping[str, str] = field(default_factory=lambda: _pairs("LOCAL_AWS_SOURCES", SOURCES))
    cluster_addresses: IPv4Network = field(
        default_factory=lambda: IPv4Network(os.environ.get("LOCAL_AWS_CLUSTER_ADDRESSES", CLUSTER_ADDRESSES))
    )
    time_scale: float = field(default_factory=lambda: float(os.environ.get("LOCAL_AWS_TIME_SCALE", "60")))
    least_idle_seconds: float = field(
        default_factory=lambda: float(os.environ.get("LOCAL_AWS_LEAST_IDLE_SECONDS", "0"))
    )

    @property
    def endpoint_url(self) -> str:
        """This server as its clusters and containers reach it; it sets the variable when it starts."""
        return os.environ[ENDPOINT_VARIABLE]


settings = Settings()
