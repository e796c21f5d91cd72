from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import time
from types import SimpleNamespace

import anyio
import pytest

from local_stack import airflow_pauses


def test_airflow_still_pauses_as_the_workaround_expects() -> None:
    source = inspect.getsource(importlib.import_module("airflow.jobs.triggerer_job_runner"))
    assert set(re.findall(r"\banyio\.(\w+)", source)) == {"Event", "move_on_after"}


def test_a_pause_is_shortened_and_a_stop_still_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = importlib.import_module("airflow.jobs.triggerer_job_runner")
    monkeypatch.setattr(runner, "anyio", anyio)  # puts the module back in its place afterwards
    airflow_pauses.look_often(runner)

    async def pause(stopped: bool) -> float:
        event = runner.anyio.Event()
        if stopped:
            event.set()
        begun = time.monotonic()
        with runner.anyio.move_on_after(1):
            await event.wait()
        return time.monotonic() - begun

    assert airflow_pauses.LOOK_SECONDS <= asyncio.run(pause(stopped=False)) < 0.9
    assert asyncio.run(pause(stopped=True)) < 0.1


class _Process:
    """A task's process: with open sockets or without."""

    def __init__(self, sockets: int) -> None:
        self._open_sockets = dict.fromkeys(range(sockets))
        self.waits: list[float] = []

    def _service_subprocess(self, max_wait_time: float, raise_on_timeout: bool = False) -> None:
        self.waits.append(max_wait_time)


def test_the_end_of_a_process_without_sockets_is_noticed_at_once() -> None:
    watched = type("Watched", (_Process,), {})
    airflow_pauses.notice_exits(SimpleNamespace(WatchedSubprocess=watched))  # type: ignore[arg-type]
    done, busy = watched(0), watched(2)
    done._service_subprocess(5.0)
    busy._service_subprocess(5.0, raise_on_timeout=True)
    assert (done.waits, busy.waits) == ([airflow_pauses.EXIT_LOOK_SECONDS], [5.0])


def test_airflows_supervisor_still_is_as_the_workaround_expects() -> None:
    source = inspect.getsource(importlib.import_module("airflow.sdk.execution_time.supervisor"))
    assert "def _service_subprocess(" in source
    assert "_open_sockets" in source
