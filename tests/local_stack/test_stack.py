from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from local_stack import components, postgres, stack, state
from local_stack.settings import Settings, StackError
from local_stack.state import ComponentState, State


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, airflow_port=18080, local_aws_port=14566)


@pytest.fixture
def running(settings: Settings) -> State:
    """A state whose supervisor is this very process."""
    return State(
        pid=os.getpid(),
        create_time=psutil.Process().create_time(),
        airflow_port=settings.airflow_port,
        local_aws_port=settings.local_aws_port,
        started=0.0,
        components={"scheduler": ComponentState(pid=1, started=0.0)},
    )


def test_the_state_survives_its_file(settings: Settings, running: State) -> None:
    assert state.read(settings) is None
    state.write(settings, running)
    assert state.read(settings) == running
    assert state.path(settings).stat().st_mode & 0o077 == 0


def test_another_process_with_the_supervisors_id_is_not_the_supervisor(running: State) -> None:
    assert running.supervisor_runs
    running.create_time -= 100
    assert not running.supervisor_runs


def test_a_running_stack_on_other_ports_is_refused_naming_them(settings: Settings, running: State) -> None:
    running.airflow_port = 8081
    with pytest.raises(StackError, match=r"AIRFLOW_PORT=8081 LOCAL_AWS_PORT=14566"):
        stack.check(settings, running)


def test_a_running_stack_in_another_region_is_refused_naming_it(settings: Settings, running: State) -> None:
    running.region = "cn-north-1"
    with pytest.raises(StackError, match="LOCAL_AWS_REGION=cn-north-1"):
        stack.check(settings, running)


@pytest.mark.parametrize(("status", "told"), [(3, "exit status 3"), (-9, "killed by signal 9")])
def test_a_dead_part_is_named_with_its_last_log_lines(
    settings: Settings, running: State, status: int, told: str
) -> None:
    running.components["scheduler"].exit_code = status
    log = components.log_of(settings, "scheduler")
    log.parent.mkdir()
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    with pytest.raises(StackError, match=f"scheduler ended, {told}") as caught:
        stack.check_alive(settings, running)
    assert "line 99" in str(caught.value)
    assert "line 84" not in str(caught.value)


def test_a_supervisor_that_failed_says_why(settings: Settings, running: State) -> None:
    running.pid, running.failure = 0, "RuntimeError: airflow db migrate failed"
    with pytest.raises(StackError, match="airflow db migrate failed"):
        stack.check_alive(settings, running)


def test_down_does_nothing_when_nothing_runs(settings: Settings) -> None:
    said: list[str] = []
    assert stack.down(settings, said.append) == 0
    assert said == []


def test_down_forgets_what_the_local_aws_held_and_keeps_the_rest(settings: Settings) -> None:
    settings.aws_state.mkdir(parents=True)
    (settings.home / "postgres").mkdir()
    stack.down(settings, lambda _: None)
    assert not settings.aws_state.exists()
    assert (settings.home / "postgres").exists()


def test_after_a_crash_the_dead_parts_are_named_and_what_the_local_aws_held_stays(
    settings: Settings, running: State
) -> None:
    running.pid, running.components["scheduler"].pid = 0, 2**22 + 1
    state.write(settings, running)
    settings.aws_state.mkdir(parents=True)
    said: list[str] = []
    stack.clean_up(settings, said.append)
    assert "dead: supervisor, scheduler" in said[0]
    assert state.read(settings) is None
    assert settings.aws_state.exists()


def test_the_lock_of_a_killed_database_goes_even_if_another_program_has_its_process_id(
    settings: Settings,
) -> None:
    lock = settings.home / "postgres" / "postmaster.pid"
    lock.parent.mkdir()
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n")
    assert not postgres.is_running(settings)
    postgres.forget_dead(settings)
    assert not lock.exists()


def test_nothing_is_repaired_in_a_stack_whose_parts_all_run(
    settings: Settings, running: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("the supervisor was disturbed"))
    said: list[str] = []
    stack._repair(settings, running, said.append)
    assert said == []


def test_files_that_hold_no_dag_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "chain.py").write_text("from airflow.sdk import dag")
    (tmp_path / "helper.py").write_text("X = 1")
    (tmp_path / "notes.txt").write_text("airflow dag")
    assert stack.dag_files(tmp_path) == {tmp_path.resolve() / "chain.py"}


def test_a_log_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert "none.log" in stack.tail(tmp_path / "none.log")
