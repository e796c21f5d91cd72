from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.settings import PROJECT, Settings, StackError


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("variable", ["AIRFLOW_PORT", "LOCAL_AWS_PORT"])
def test_a_busy_port_is_named_with_its_variable(
    variable: str, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", str(free_port()))
    monkeypatch.setenv("LOCAL_AWS_PORT", str(free_port()))
    monkeypatch.setenv(variable, str(busy_port))
    with pytest.raises(StackError, match=f"port {busy_port} .*{variable}=") as caught:
        Settings().check_ports()
    assert "make up" in str(caught.value)


def test_free_ports_pass() -> None:
    Settings(airflow_port=free_port(), local_aws_port=free_port()).check_ports()


def test_a_port_whose_last_connection_has_just_ended_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()  # the server closes first, so its port stays in TIME_WAIT
    Settings(airflow_port=port, local_aws_port=free_port()).check_ports()


def test_one_port_for_both_is_refused() -> None:
    port = free_port()
    with pytest.raises(StackError, match="AIRFLOW_PORT and LOCAL_AWS_PORT"):
        Settings(airflow_port=port, local_aws_port=port).check_ports()


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1", "80.5"])
def test_a_variable_that_is_no_port_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", text)
    with pytest.raises(StackError, match="AIRFLOW_PORT"):
        Settings()


def test_home_is_absolute_and_var_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOCAL_STACK_HOME", raising=False)
    assert Settings().home == PROJECT / "var"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_STACK_HOME", "mine")
    assert Settings().home == tmp_path.resolve() / "mine"


def test_what_is_no_region_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AWS_REGION", "china")
    with pytest.raises(StackError, match="LOCAL_AWS_REGION=china is no Region"):
        Settings()
