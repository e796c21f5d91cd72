"""Makes Airflow's triggerer look for new and finished triggers more often than once a second.

A deferral passes through that loop twice, so it costs two seconds beyond what is waited for; no setting of
Airflow 3.3 changes it. A run of the chain defers some ten times. To be removed when there is a setting.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio

LOOK_SECONDS = 0.2


def look_often(runner: ModuleType) -> None:
    """Shorten the pauses of ``airflow.jobs.triggerer_job_runner``, here and in what is forked from here."""

    def move_on_after(delay: float) -> AbstractContextManager[Any]:
        return anyio.move_on_after(min(delay, LOOK_SECONDS))

    # The module uses nothing else of anyio; if a later Airflow does, the triggerer's start says so.
    runner.anyio = SimpleNamespace(Event=anyio.Event, move_on_after=move_on_after)  # type: ignore[attr-defined]
