from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import time

import anyio
import pytest

from local_stack import triggerer


def test_airflow_still_pauses_as_the_workaround_expects() -> None:
    source = inspect.getsource(importlib.import_module("airflow.jobs.triggerer_job_runner"))
    assert set(re.findall(r"\banyio\.(\w+)", source)) == {"Event", "move_on_after"}


def test_a_pause_is_shortened_and_a_stop_still_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = importlib.import_module("airflow.jobs.triggerer_job_runner")
    monkeypatch.setattr(runner, "anyio", anyio)  # puts the module back in its place afterwards
    triggerer.look_often(runner)

    async def pause(stopped: bool) -> float:
        event = runner.anyio.Event()
        if stopped:
            event.set()
        begun = time.monotonic()
        with runner.anyio.move_on_after(1):
            await event.wait()
        return time.monotonic() - begun

    assert triggerer.LOOK_SECONDS <= asyncio.run(pause(stopped=False)) < 0.9
    assert asyncio.run(pause(stopped=True)) < 0.1
