"""Which Airflow runs, and what that means here; no other module looks at its version.

Below 3.3, 3.2 and 3.1 something is missing, which a flag says; below 3.2 some names are elsewhere, and come
from here. What is done without is in docs/adr/0025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow import __version__

VERSION = tuple(int(part) for part in __version__.split(".")[:2])

TRIGGERS_ARE_KILLED = VERSION >= (3, 3)
"""Whether killing a deferred task calls its trigger's ``on_kill``."""
PAUSED_DAGS_ARE_TOLD = VERSION >= (3, 3)
"""Whether a task that starts a run of another DAG can fail where that one is paused."""
ASSETS_HAVE_PARTITIONS = VERSION >= (3, 2)
"""Whether an asset's event can announce a partition, whose key the run that it starts then has."""
PAGES_KNOW_THEIR_READER = VERSION >= (3, 2)
"""Whether the API server knows who opens a plugin's page: by a cookie, not by a header alone."""
TASKS_CAN_ASK = VERSION >= (3, 1)
"""Whether a task can wait for somebody's answer ("human in the loop")."""

DOUBLING: float = 2.0 if VERSION >= (3, 2) else True
"""For ``retry_exponential_backoff``, which was no factor but on or off."""

if TYPE_CHECKING or VERSION >= (3, 2):
    from airflow.sdk import CronDataIntervalTimetable
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
else:
    from airflow.configuration import conf
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.timetables.interval import CronDataIntervalTimetable

__all__ = [
    "ASSETS_HAVE_PARTITIONS",
    "DOUBLING",
    "PAGES_KNOW_THEIR_READER",
    "PAUSED_DAGS_ARE_TOLD",
    "TASKS_CAN_ASK",
    "TRIGGERS_ARE_KILLED",
    "VERSION",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "CronDataIntervalTimetable",
    "conf",
]
