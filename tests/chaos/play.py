"""One schedule, played on a copy of the ground and judged."""

from __future__ import annotations

import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import checker
from tests.chaos.ground import Ground, use_home
from tests.chaos.livy import Livy
from tests.chaos.restart import restart
from tests.chaos.scenarios import WITH_CONTROL
from tests.chaos.schedules import Aftermath, Recorded, Schedule
from tests.dags.runs import Airflow

PREFIX = "chaos"


@dataclass(frozen=True)
class Result:
    """What came of a schedule.

    :ivar violations: each a sentence; none is as it should be.
    :ivar hits: how many of its faults befell a call.
    :ivar aftermaths: which of their aftermaths came.
    :ivar outputs: what the runs left for others to use.
    :ivar calls: the changing calls, in their order.
    :ivar hit_calls: which of them its faults befell; ``hit_triggerers`` of these were a triggerer's.
    """

    schedule: Schedule
    violations: list[str]
    hits: int
    aftermaths: list[Aftermath]
    outputs: dict[str, Any]
    calls: list[Recorded] = field(default_factory=list)
    hit_calls: list[str] = field(default_factory=list)
    hit_triggerers: int = 0
    tries: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def is_missed(self) -> bool:
        """Whether all that is wrong is that its call never came: as an undisturbed play, it shows nothing."""
        return [violation.split(":")[0] for violation in self.violations] == [checker.NOT_HIT]


def play(of: Ground, schedule: Schedule, undisturbed: dict[str, Any] | None, reverse: bool = False) -> Result:
    """Play a schedule in this process, which is good for nothing else afterwards.

    :param undisturbed: the outputs of a play without faults.
    :param reverse: of tasks that could run, begin with the last.
    """
    began, cpu = time.monotonic(), time.process_time()
    home = Path(tempfile.mkdtemp(dir=of.home))  # process ids come again
    use_home(str(home))
    scenario, boundary = WITH_CONTROL[schedule.scenario], of.boundary
    airflow = Airflow(of.dags, boundary, reverse=reverse)
    watch = checker.Watch(of, scenario, airflow)
    aftermaths: list[Aftermath] = []
    broken: list[str] = []

    def follow(aftermath: Aftermath) -> None:
        aftermaths.append(aftermath)
        try:
            carry_out(aftermath)
        except Exception as error:  # which the product may take for one of the call
            broken.append(f"the play broke: {error!r}\n{traceback.format_exc()}")
            raise

    def carry_out(aftermath: Aftermath) -> None:
        if aftermath is Aftermath.RELOADED:
            airflow.move_triggers()
        elif aftermath is Aftermath.LIVY_LOST:
            Livy.lose_batches()
        elif aftermath is Aftermath.AWS_RESTARTED:
            restart(home / "state")

    boundary.begin(list(schedule.faults), follow, scenario.label, watch.ended)
    scenario.start(airflow, of, PREFIX)
    try:
        airflow.play()
        violations = watch.violations(boundary, undisturbed)
    except Exception as error:
        violations = [f"the play broke: {error!r}\n{traceback.format_exc()}"]
    came = [one for one in aftermaths if not (one is Aftermath.RELOADED and not airflow.moved_triggers)]
    came = [one for one in came if not (one is Aftermath.LIVY_LOST and not Livy.lost)]
    return Result(
        schedule,
        broken + violations,
        len(boundary.hits),
        came,
        watch.outputs(),
        _recorded(boundary),
        [str(call) for call in boundary.hit_calls],
        boundary.hit_triggerers,
        sum(run.tries.total() for run in airflow.runs.values()),
        time.monotonic() - began,
        time.process_time() - cpu,
    )


def _recorded(boundary: Any) -> list[Recorded]:
    """Each changing call, and what can come after it."""
    seen = boundary.seen
    posts = [index for index, one in enumerate(seen) if one.call.operation == "livy.POST-batches"]
    last_post = max(posts, default=-1)
    return [
        Recorded(one.call, reload=index < boundary.last_look, batch=index <= last_post)
        for index, one in enumerate(seen)
        if one.changes
    ]
