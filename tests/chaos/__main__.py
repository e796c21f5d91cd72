"""``make chaos``: every call of the chain and of a backfill broken in every way, and what is left judged.

By itself it plays the exhaustive matrix, and the control's beside it. ``CHAOS_RUNS`` plays as many schedules
of two faults instead, the same for the same ``CHAOS_SEED``. ``CHAOS_SCHEDULE`` plays given ones (separated by
``;``) and tells of each. ``python -m tests.chaos record`` makes the recorded results anew, and ``mutations``
breaks the product on purpose, to see whether the checker finds it.
The figures are in ``var/chaos/report.json``. Exit status: 0 where nothing was violated but what the control's
table expects, and no more than a tenth of the schedules broke a call that did not come this time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "plugins"))  # as Airflow has it

from tests.chaos import recorded, report  # noqa: E402
from tests.chaos.control import CONTROL, unexpected  # noqa: E402
from tests.chaos.mutations import MUTATIONS  # noqa: E402
from tests.chaos.nursery import Nursery  # noqa: E402
from tests.chaos.play import Result  # noqa: E402
from tests.chaos.scenarios import BACKFILL, CHAIN  # noqa: E402
from tests.chaos.schedules import Fault, Schedule, exhaustive, two_faults  # noqa: E402

REPORT = PROJECT / "var" / "chaos" / "report.json"
OURS = (CHAIN, BACKFILL)


class Matrix:
    """Plays schedules, and tells at once of one that violates something, with its shortest reproduction.

    :param at_once: how many plays run at once; they mostly wait.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.nursery = Nursery()
        self.undisturbed: dict[str, Result] = {}
        self.began = time.monotonic()

    def begin(self, scenarios: Iterable[str]) -> list[Result]:
        """Play without faults, in both orders: what there is to break, and what must come of it.

        How often a lease is renewed depends on the machine's pace: the calls of both plays are broken.
        """
        results = list(self.nursery.play([Schedule(name) for name in scenarios for _ in range(2)]))
        for result in results:
            before = self.undisturbed.setdefault(result.schedule.scenario, result)
            there = {one.call for one in result.calls}
            always = [one for one in before.calls if one.call in there]
            self.undisturbed[result.schedule.scenario] = replace(before, calls=always)
        return results

    def play(self, schedules: Iterable[Schedule]) -> Iterator[Result]:
        outputs = {name: result.outputs for name, result in self.undisturbed.items()}
        for result in self.nursery.play(schedules, outputs, self.at_once):
            if result.violations and result.schedule.scenario != CONTROL:
                self._tell(result)
            yield result

    def _tell(self, result: Result) -> None:
        shortest = self._shorter(result) if len(result.schedule.faults) > 1 else result
        word = "MISSED" if shortest.is_missed else "VIOLATED"
        click.echo(f"\n{word}  CHAOS_SCHEDULE='{shortest.schedule}' make chaos")
        for violation in shortest.violations:
            click.echo(f"    {violation}")

    def _shorter(self, result: Result) -> Result:
        """The first of its faults that suffices alone; else the pair."""
        outputs = {name: one.outputs for name, one in self.undisturbed.items()}
        for fault, call in zip(result.schedule.faults, result.hit_calls, strict=False):
            alone = Fault.parse(f"{call}/{fault.kind}/{fault.aftermath}")
            [one] = self.nursery.play([Schedule(result.schedule.scenario, (alone,))], outputs)
            if one.violations and one.hits:
                return one
        return result

    def exhaustive(self, scenarios: Iterable[str]) -> list[Schedule]:
        return [one for name in scenarios for one in exhaustive(name, self.undisturbed[name].calls)]


@click.command()
@click.argument("what", type=click.Choice(["play", "mutations", "record"]), default="play")
@click.option("--runs", envvar="CHAOS_RUNS", type=int, default=0, help="Schedules of two faults.")
@click.option("--seed", envvar="CHAOS_SEED", type=int, default=1)
@click.option("--schedule", "given", envvar="CHAOS_SCHEDULE", default="", help="Schedules to replay.")
@click.option("--scenario", "scenarios", multiple=True, type=click.Choice([*OURS, CONTROL]))
@click.option("--at-once", type=int, default=2 * (os.cpu_count() or 1), help="Plays at once.")
@click.option("--report", "path", type=click.Path(path_type=Path), default=REPORT)
def main(
    what: str, runs: int, seed: int, given: str, scenarios: tuple[str, ...], at_once: int, path: Path
) -> None:
    """Play schedules of faults, and judge what is left."""
    if what == "record":
        sys.exit(_record())
    if what == "mutations":
        sys.exit(_mutate(path))
    chosen = scenarios or (OURS if runs else (*OURS, CONTROL))
    replayed = [Schedule.parse(line) for line in given.split(";") if line.strip()]
    matrix = Matrix(at_once)
    try:
        results = matrix.begin({one.scenario for one in replayed} or chosen)
        calls = {name: one.calls for name, one in matrix.undisturbed.items()}
        schedules = replayed or (list(two_faults(calls, runs, seed)) if runs else matrix.exhaustive(chosen))
        if runs and not replayed:
            click.echo(f"CHAOS_RUNS={runs} CHAOS_SEED={seed}")
        click.echo(f"{len(schedules)} schedules")
        results += _played(matrix, schedules)
    finally:
        matrix.nursery.close()
    tallies, seconds = report.tally(results), time.monotonic() - matrix.began
    report.write(path, tallies, seconds)
    report.show(tallies, seconds)
    sys.exit(_verdict(tallies, is_whole=not (replayed or runs)))


def _played(matrix: Matrix, schedules: list[Schedule]) -> list[Result]:
    results: list[Result] = []
    for result in matrix.play(schedules):
        results.append(result)
        if len(results) % 50 == 0:
            passed = time.monotonic() - matrix.began
            click.echo(f"{len(results)} of {len(schedules)} after {passed:.0f} s", err=True)
    return results


def _verdict(tallies: dict[str, report.Tally], is_whole: bool) -> int:
    failed = [name for name in OURS if name in tallies and not report.holds(tallies[name])]
    told = unexpected(tallies[CONTROL].violated_by_kind) if CONTROL in tallies and is_whole else []
    for line in told:
        click.echo(f"the control: {line}")
    return 1 if failed or told else 0


def _mutate(path: Path) -> int:
    """Play the product broken on purpose; what was found of each mutation, as JSON."""
    matrix, found = Matrix(at_once=1), {}
    try:
        matrix.begin(OURS)
        outputs = {name: result.outputs for name, result in matrix.undisturbed.items()}
        for mutation in MUTATIONS:
            schedule = Schedule.parse(mutation.schedule)
            [result] = matrix.nursery.play([schedule], outputs, prepare=mutation.breaks)
            found[mutation.name] = result.violations
            click.echo(
                f"{mutation.name}: {', '.join(sorted({one.split(':')[0] for one in result.violations}))}"
            )
    finally:
        matrix.nursery.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    blind = [one.name for one in MUTATIONS if not any(v.startswith(one.invariant) for v in found[one.name])]
    return 1 if blind else 0


def _record() -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/chaos/test_recording.py",
    ]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, recorded.RECORD: "1"}).returncode


if __name__ == "__main__":
    main(prog_name="python -m tests.chaos")
