"""The parts of a node that need no cluster: its address, configuration and commands."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_aws.emr import configuration, jvm, releases
from local_aws.emr.addresses import LIVY_PORT, Address
from local_aws.emr.bootstrap import COMMANDS
from local_aws.settings import ENDPOINT_VARIABLE, settings


def test_an_address_is_held_against_other_servers_and_its_port_left_free() -> None:
    address = Address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind((address.ip, LIVY_PORT))
    with socket.socket() as livy:
        livy.bind((address.ip, LIVY_PORT))
    address.release()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((address.ip, LIVY_PORT))


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *configurations: Any) -> dict[str, str]:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:4566")
    configuration.write(tmp_path / "conf", "127.64.0.1", list(configurations))
    livy = (line.split(" = ", 1) for line in (tmp_path / "conf" / "livy.conf").read_text().splitlines())
    spark = (
        line.split(" ", 1) for line in (tmp_path / "conf" / "spark-defaults.conf").read_text().splitlines()
    )
    return dict([*livy, *spark])


def test_a_livy_distribution_is_run_where_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "apache-livy"
    (home / "jars").mkdir(parents=True)
    server = home / "jars" / "livy-server-0.9.0-incubating.jar"
    server.touch()
    monkeypatch.setattr(jvm, "settings", replace(settings, livy_home=home))
    monkeypatch.setattr(releases, "settings", jvm.settings)
    monkeypatch.setattr(configuration, "settings", jvm.settings)
    jvm.livy_class_path.cache_clear()
    try:
        assert jvm.livy_class_path() == str(server)
        assert releases.versions()["Livy"] == "0.9.0"
        assert "--add-opens=java.base/java.nio=ALL-UNNAMED" in jvm.options()
        found = configured(tmp_path, monkeypatch)
        assert found["livy.rsc.rpc.server.address"] == found["livy.rsc.launcher.address"] == "127.64.0.1"
        server.unlink()
        jvm.livy_class_path.cache_clear()
        with pytest.raises(jvm.NodeIncomplete, match="is no Livy"):
            jvm.livy_class_path()
    finally:
        jvm.livy_class_path.cache_clear()


def test_classifications_are_applied_but_not_to_the_nodes_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = configured(
        tmp_path,
        monkeypatch,
        {
            "Classification": "livy-conf",
            "Properties": {"livy.server.session.timeout": "2h", "livy.server.host": "0.0.0.0"},  # noqa: S104
        },
        {
            "Classification": "spark-defaults",
            "Properties": {"spark.driver.memory": "512m", "spark.master": "yarn"},
        },
    )
    assert found["livy.server.session.timeout"] == "2h"
    assert found["livy.server.host"] == "127.64.0.1"
    assert found["spark.driver.memory"] == "512m"
    assert found["spark.master"] == "local[2]"
    assert found["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:4566"


def test_session_recovery_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"Classification": "livy-conf", "Properties": {"livy.server.recovery.mode": "recovery"}}
    assert "livy.server.recovery.mode" not in configured(tmp_path, monkeypatch, asked)
    assert configuration.not_applied([asked]) == ["livy.server.recovery.mode"]


def test_class_data_archives_are_used_only_where_they_exist(tmp_path: Path) -> None:
    archive = tmp_path / "spark.jsa"
    assert not any("SharedArchiveFile" in option for option in jvm.options(archive))
    archive.touch()
    assert f"-XX:SharedArchiveFile={archive}" in jvm.options(archive)


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        (["sudo", "-u", "hadoop", "NAME=value", "printenv", "NAME"], 0, "value"),
        (["sudo", "--", "dnf", "-y", "install", "tk-devel"], 0, "tk-devel: not needed"),
        (["python3", "-m", "pip", "list"], 0, "pyspark=="),
        (["pip3", "install", "--quiet", "numpy>=1"], 1, "names and name==version only"),
        (["pip3", "uninstall", "numpy"], 1, "pip uninstall is not played"),
    ],
    ids=["sudo", "dnf", "pip list", "pip specifier", "pip uninstall"],
)
def test_a_nodes_commands(command: list[str], status: int, output: str) -> None:
    ended = subprocess.run(
        command,
        env={"PATH": f"{COMMANDS}:{os.environ['PATH']}", "NODE_PYTHON": str(settings.emr_python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (ended.returncode, output in ended.stdout) == (status, True), ended.stdout
