"""The figures of many plays: how many schedules, what befell them, what was violated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.checker import INVARIANTS
from tests.chaos.play import Result
from tests.chaos.schedules import Aftermath, Kind

MISSED_SHARE = 0.1
"""Of the schedules; of two days' backfill one call in twenty is a renewal that may not be due."""


@dataclass
class Tally:
    """Of the plays of one scenario.

    :ivar violated: schedules with a violation, by the invariant.
    :ivar violated_by_kind: the same, by the operation, the kind of its first fault, and the invariant.
    :ivar failures: each violated schedule with its violations.
    :ivar missed: schedules whose first call never came; how often a lease is renewed is up to the pace.
    """

    schedules: int = 0
    hits: int = 0
    hit_triggerers: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    aftermaths: Counter[str] = field(default_factory=Counter)
    violated: Counter[str] = field(default_factory=Counter)
    violated_by_kind: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def add(self, result: Result) -> None:
        self.schedules += 1
        self.hits += result.hits
        self.hit_triggerers += result.hit_triggerers
        self.cpu_seconds += result.cpu_seconds
        self.kinds.update(str(fault.kind) for fault in result.schedule.faults[: result.hits])
        self.aftermaths.update(map(str, result.aftermaths))
        if result.is_missed:
            self.missed.append(str(result.schedule))
        if not result.violations or result.is_missed:
            return
        self.failures[str(result.schedule)] = result.violations
        broken = {violation.split(":")[0] for violation in result.violations}
        self.violated.update(broken)
        if result.schedule.faults:
            fault, call = result.schedule.faults[0], (result.hit_calls or ["none"])[0]
            operation = call.rsplit("/", 1)[-1].split("#")[0]
            self.violated_by_kind.update((operation, str(fault.kind), name) for name in broken)

    def to_json(self) -> dict[str, Any]:
        return {
            "schedules": self.schedules,
            "faults_hit": self.hits,
            "faults_hit_in_triggerers": self.hit_triggerers,
            "kinds": {kind: self.kinds[kind] for kind in map(str, Kind)},
            "aftermaths": {aftermath: self.aftermaths[aftermath] for aftermath in map(str, Aftermath)},
            "missed": self.missed,
            "violated_schedules": len(self.failures),
            "violated": dict(self.violated),
            "violated_by_kind": {
                "/".join(key): count for key, count in sorted(self.violated_by_kind.items())
            },
            "failures": self.failures,
            "cpu_seconds_per_schedule": round(self.cpu_seconds / max(1, self.schedules), 2),
        }


def holds(tally: Tally) -> bool:
    """Whether nothing was violated, and no more calls were missed than pace explains."""
    return not tally.failures and len(tally.missed) <= MISSED_SHARE * tally.schedules


def tally(results: Iterable[Result]) -> dict[str, Tally]:
    """By scenario."""
    tallies: dict[str, Tally] = {}
    for result in results:
        tallies.setdefault(result.schedule.scenario, Tally()).add(result)
    return tallies


def write(path: Path, tallies: dict[str, Tally], seconds: float) -> None:
    """As JSON."""
    told = {name: one.to_json() for name, one in tallies.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seconds": round(seconds, 1), "scenarios": told}, indent=1) + "\n")


def show(tallies: dict[str, Tally], seconds: float) -> None:
    """As a table."""
    table = Table(title=f"{seconds:.0f} s")
    table.add_column("")
    for name in tallies:
        table.add_column(name, justify="right")
    rows: dict[str, list[int]] = {
        "schedules": [one.schedules for one in tallies.values()],
        "faults that befell a call": [one.hits for one in tallies.values()],
        "  in a triggerer": [one.hit_triggerers for one in tallies.values()],
        **{f"  {kind}": [one.kinds[kind] for one in tallies.values()] for kind in map(str, Kind)},
        **{
            f"  then {name}": [one.aftermaths[name] for one in tallies.values()]
            for name in map(str, Aftermath)
        },
        "schedules whose call never came": [len(one.missed) for one in tallies.values()],
        "violated schedules": [len(one.failures) for one in tallies.values()],
        **{f"  {name}": [one.violated[name] for one in tallies.values()] for name in INVARIANTS},
    }
    for name, values in rows.items():
        if any(values) or not name.startswith("  "):
            table.add_row(name, *map(str, values))
    Console().print(table)
