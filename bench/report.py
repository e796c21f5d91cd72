"""The benchmark's result: a JSON file for programs, a table for people."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.accounting import ClusterLife, Span, aws_wall_seconds
from local_aws.emr import releases
from local_stack.api import Json
from local_stack.report import FROM_AIRFLOW

PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "boto3", "moto")


@dataclass(frozen=True)
class Measured:
    """One backfill, as it was measured.

    :param name: which way.
    :param places: how many runs at once.
    :param runs: each run, by its date.
    :param states: each run's state, by its date.
    :param wall_seconds: from the request of the backfill to the end of its last run.
    :param calls: how many calls each operation got, by who made them: Airflow or the clusters.
    :param partitions: what each date's manifest tells of its content.
    :param load: the machine's load averages before and after.
    """

    name: str
    places: int
    runs: dict[str, Span]
    states: dict[str, str]
    clusters: Sequence[ClusterLife]
    wall_seconds: float
    calls: Mapping[str, Counter[str]]
    partitions: Mapping[str, Any]
    load: Sequence[tuple[float, float, float]]


def caller(request: Json) -> str:
    """Who made a request: Airflow, by its provider's mark, or else a cluster."""
    return "airflow" if FROM_AIRFLOW in str(request["user_agent"]) else "clusters"


def count(requests: Iterable[Json], into: Mapping[str, Counter[str]]) -> None:
    """Add requests to the counts by caller."""
    for request in requests:
        into[caller(request)][f"{request['service']}:{request['operation']}"] += 1


def compute(sides: Sequence[Measured], factor: float) -> Json:
    """The report; the first side is the one the others are compared with."""
    results = [_side(side, factor) for side in sides]
    for result, side in zip(results, sides, strict=True):
        for name in ("cluster_seconds", "aws_wall_seconds", "wall_seconds"):
            result[f"times_{name}"] = round(result[name] / results[0][name], 2)
        result["other_days"] = [
            day for day, content in sides[0].partitions.items() if side.partitions[day] != content
        ]
    return {
        "days": len(sides[0].runs),
        "time_scale": factor,
        "machine": _machine(),
        "sides": results,
        "same_content": not any(result["other_days"] for result in results),
    }


def is_good(report: Json) -> bool:
    """Whether every run of every side succeeded, with the same content."""
    succeeded = all(set(side["states"].values()) == {"success"} for side in report["sides"])
    return bool(succeeded and report["same_content"])


def _side(side: Measured, factor: float) -> Json:
    paid = [life.paid_seconds(factor) for life in side.clusters]
    by_airflow, by_clusters = (side.calls[name] for name in ("airflow", "clusters"))
    return {
        "name": side.name,
        "runs_at_once": side.places,
        "wall_seconds": round(side.wall_seconds, 1),
        "aws_wall_seconds": round(
            aws_wall_seconds(side.runs, side.clusters, side.places, side.wall_seconds, factor), 1
        ),
        "clusters": len(side.clusters),
        "cluster_seconds": round(sum(paid), 1),
        "cluster_seconds_measured": round(sum(life.measured_seconds() for life in side.clusters), 1),
        "cluster_lives": [
            {
                "cluster_id": life.cluster_id,
                "run": life.run,
                "start_seconds_measured": round(life.start.seconds, 1),
                "seconds_measured": round(life.measured_seconds(), 1),
                "scaled_wait_seconds": life.wait_seconds,
                "paid_seconds": round(seconds, 1),
            }
            for life, seconds in zip(side.clusters, paid, strict=True)
        ],
        "api_calls": by_airflow.total(),
        "api_calls_by_operation": dict(by_airflow.most_common()),
        "api_calls_of_clusters": by_clusters.total(),
        "run_seconds": {day: round(span.seconds, 1) for day, span in side.runs.items()},
        "states": side.states,
        "unprepared_days": [day for day, content in side.partitions.items() if content is None],
        "load_before": side.load[0],
        "load_after": side.load[-1],
    }


def _machine() -> Json:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "spark": releases.APPLICATIONS["Spark"],
        "livy": releases.APPLICATIONS["Livy"],
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def write(path: Path, report: Json) -> None:
    """Write the report; who reads meanwhile sees the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(report, indent=1) + "\n")
    unfinished.replace(path)


def show(console: Console, report: Json) -> None:
    """The table, and what must be known to read it."""
    machine = report["machine"]
    table = Table(title=f"Backfill of {report['days']} days; AWS's waits x {report['time_scale']:g}")
    for name in (
        "",
        "runs at once",
        "clusters",
        "cluster s paid",
        "wall s on AWS",
        "wall s here",
        "API calls",
    ):
        table.add_column(name, justify="right" if name else "left")
    for side in report["sides"]:
        table.add_row(
            side["name"],
            str(side["runs_at_once"]),
            str(side["clusters"]),
            f"{side['cluster_seconds']:.0f} ({side['times_cluster_seconds']:.1f}x)",
            f"{side['aws_wall_seconds']:.0f} ({side['times_aws_wall_seconds']:.1f}x)",
            f"{side['wall_seconds']:.0f} ({side['times_wall_seconds']:.1f}x)",
            str(side["api_calls"]),
        )
    console.print(table)
    versions = ", ".join(f"{name} {machine[name]}" for name in (*PACKAGES, "spark", "livy"))
    loads = ", ".join(
        f"{side['load_before'][0]:.1f} to {side['load_after'][0]:.1f}" for side in report["sides"]
    )
    for line in (
        f"{machine['cores']} cores, {machine['memory_gib']} GiB; load, side by side: {loads}; {versions}",
        f"the partitions of all sides are {'the same' if report['same_content'] else 'NOT THE SAME'}",
        "how the seconds are computed: bench/accounting.py",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for side in report["sides"]:
        failed = [day for day, state in side["states"].items() if state != "success"]
        unprepared = side["unprepared_days"]
        for what, days in (
            ("FAILED", failed),
            ("NOT PREPARED, though the run succeeded", [day for day in unprepared if day not in failed]),
            ("OTHER CONTENT", [day for day in side["other_days"] if day not in unprepared]),
        ):
            if days:
                text = f"{what}: {side['name']}, {side['runs_at_once']} at once: {', '.join(days)}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)
