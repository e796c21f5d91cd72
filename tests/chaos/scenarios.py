"""What is disturbed: one run of the chain, and a backfill of a few days on a shared cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.chaos import recorded, runtimes
from tests.chaos.ground import ENVIRONMENT, Ground
from tests.dags.runs import Airflow, Run

CHAIN, BACKFILL = "chain", "backfill"
DAYS = ["2013-03-06", "2013-03-07"]
"""Of the backfill."""

FORM = {
    "environment": ENVIRONMENT,
    "platform": "verify",
    "training_end_date": runtimes.TRAINED_ON[-1],
    "training_window_days": len(runtimes.TRAINED_ON),
    "evaluation_days": len(runtimes.EVALUATED_ON),
    **recorded.HYPERPARAMETERS,
}


@dataclass(frozen=True)
class Scenario:
    """:param start: queues its runs; their ids begin with what is given.
    :param label: what a run is called in a schedule.
    :param days: the partitions that it commits.
    :param trains: whether it makes and serves a model.
    """

    name: str
    start: Callable[[Airflow, Ground, str], None]
    label: Callable[[str], str]
    days: list[str]
    trains: bool


def _start_chain(airflow: Airflow, ground: Ground, prefix: str) -> None:
    airflow.start(Run(ground.dags["train_and_deploy_model"], FORM, f"{prefix}__run"))


def _start_backfill(airflow: Airflow, ground: Ground, prefix: str) -> None:
    for day in DAYS:
        date = datetime.fromisoformat(day).replace(tzinfo=UTC)
        run = Run(
            ground.dags["prepare_features"],
            {"environment": ENVIRONMENT},
            f"{prefix}__{day}",
            run_type="backfill",
            logical_date=date,
        )
        airflow.start(run)


def _label(run_id: str) -> str:
    """A shared cluster's run by its generation: the lease's name and time are made up anew each time."""
    kind, *rest = run_id.split("__")
    return f"shared-{rest[-1]}" if kind == "shared" else rest[-1]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(CHAIN, _start_chain, _label, [*runtimes.TRAINED_ON, *runtimes.EVALUATED_ON], trains=True),
        Scenario(BACKFILL, _start_backfill, _label, DAYS, trains=False),
    )
}
