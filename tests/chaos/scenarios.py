"""What is disturbed: one run of the chain, and a backfill of a few days on a shared cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.chaos import recorded, runtimes
from tests.chaos.control import CONTROL, stage_for_control
from tests.chaos.effects import EFFECTS, Effect
from tests.chaos.ground import ENVIRONMENT, Ground
from tests.dags.runs import Airflow, Run

CHAIN, BACKFILL = "chain", "backfill"
CLUSTER = ["ProvisionProduct", "TerminateProvisionedProduct"]
MODEL = ["CreateTrainingJob", "CreateModel", "CreateEndpoint"]
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
    :param needs: operations that it can't do without.
    :param effects: what its tasks must have done when they succeed.
    """

    name: str
    start: Callable[[Airflow, Ground, str], None]
    label: Callable[[str], str]
    days: list[str]
    needs: list[str]
    effects: Mapping[str, Effect] = field(default_factory=lambda: EFFECTS)


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


def _start_control(airflow: Airflow, ground: Ground, prefix: str) -> None:
    stage_for_control(ground.outputs["ArtifactsBucket"])
    form = {
        **ground.outputs,
        "first_day": runtimes.TRAINED_ON[0],
        "training_end_date": runtimes.TRAINED_ON[-1],
        "last_day": runtimes.EVALUATED_ON[-1],
    }
    airflow.start(Run(ground.dags["stock_chain"], form, f"{prefix}__run"))


def _label(run_id: str) -> str:
    """A shared cluster's run by its generation: the lease's name and time are made up anew each time."""
    kind, *rest = run_id.split("__")
    return f"shared-{rest[-1]}" if kind == "shared" else rest[-1]


ALL_DAYS = [*runtimes.TRAINED_ON, *runtimes.EVALUATED_ON]
SCENARIOS = {
    CHAIN: Scenario(
        CHAIN, _start_chain, _label, ALL_DAYS, [*CLUSTER, *MODEL, "CreateModelPackage", "InvokeEndpoint"]
    ),
    BACKFILL: Scenario(BACKFILL, _start_backfill, _label, DAYS, CLUSTER),
}
WITH_CONTROL = {
    **SCENARIOS,
    CONTROL: Scenario(
        CONTROL, _start_control, _label, ALL_DAYS, ["RunJobFlow", "TerminateJobFlows", *MODEL], {}
    ),
}
