"""Whether a daily schedule catches up with the days that it missed, as the environment says.

``SAGEMAKER_EMR_CATCH_UP_FROM`` names the first day (``2026-11-01``) of which each gets a run, however long
Airflow was down or the DAG was paused. Without it the newest day alone is run, and a gap is closed by a
backfill. Read where DAGs are parsed: a value that is no day is an import error of the DAG.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TypedDict

from sagemaker_emr.exceptions import InvalidInput

CATCH_UP_VARIABLE = "SAGEMAKER_EMR_CATCH_UP_FROM"


class CatchUp(TypedDict):
    """Those arguments of ``@dag`` that decide it."""

    catchup: bool
    start_date: datetime | None


def catch_up() -> CatchUp:
    """What the environment says, for ``@dag(..., **catch_up())``.

    Without catching up there is no start date: Airflow gives no task to a run by hand whose logical date lies
    before it, and calls that run a success.

    :raises InvalidInput: the variable names no day.
    """
    text = os.environ.get(CATCH_UP_VARIABLE)
    if not text:
        return {"catchup": False, "start_date": None}
    try:
        first = datetime.strptime(text, "%Y-%m-%d")
    except ValueError as error:
        raise InvalidInput(
            f"The environment variable {CATCH_UP_VARIABLE} can't be used",
            reason=f"{text!r} is no day",
            next_step="Give the first day to catch up with, as 2026-11-01; unset, it is none.",
        ) from error
    return {"catchup": True, "start_date": first}
