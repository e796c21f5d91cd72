"""``make bench``: a month's backfill on one shared cluster, beside one cluster a run."""

from __future__ import annotations

import datetime
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from bench import report, stock
from bench.backfill import Bench
from bench.report import Measured
from local_aws.settings import settings as aws_settings
from local_stack import credentials, processes, stack
from local_stack.api import AirflowClient
from local_stack.demo import console
from local_stack.settings import PROJECT, Settings, StackError

FIRST_DAY = datetime.date(2013, 1, 1)
SHARED_PLACES = 8
"""As many runs as prepare_features has at once by itself."""
TASK_SLOTS = 32
"""Airflow's default ([core] parallelism): the control's sensors hold one each."""
DAGS = (
    "dags/deploy_platform.py",
    "dags/prepare_features.py",
    "dags/provide_shared_cluster.py",
    "bench/dags/prepare_features_stock.py",
)
"""No other: train_and_deploy_model would start to train on what is prepared."""


@click.command()
@click.option("--days", default=31, envvar="BENCH_DAYS", show_default=True, type=click.IntRange(1, 31))
@click.option(
    "--at-once",
    default="1,4,16",
    envvar="BENCH_AT_ONCE",
    show_default=True,
    help="How many runs the control has at once, one backfill each.",
)
def main(days: int, at_once: str) -> None:
    """Backfill 2013-01-01 and the days after it in each of the ways, and compare them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings()
    home = settings.home / "bench"
    places = [int(each) for each in at_once.split(",") if each]
    dates = [FIRST_DAY + datetime.timedelta(days=day) for day in range(days)]
    path = home / f"backfill-{days}-days.json"
    out = console()

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False, soft_wrap=True)

    processes.adopt_orphans()
    try:
        with fresh_stack(replace(settings, home=home / "stack", task_slots=TASK_SLOTS)) as running:
            bench = Bench(running, AirflowClient(running, credentials.load(running)), dates, say)
            sides: list[Measured] = []
            for side in measure(bench, places, running.region):
                sides.append(side)
                result = report.compute(sides, aws_settings.time_scale)
                report.write(path, result)  # of what is there so far: the rest may take an hour
    except StackError as error:
        raise click.ClickException(str(error)) from error
    report.show(out, result)
    say(f"report: {path}")
    sys.exit(0 if report.is_good(result) else 1)


def measure(bench: Bench, places: list[int], region: str) -> Iterator[Measured]:
    """Measure every way, one after the other."""
    bench.prepare()
    shared = bench.measure(
        "one shared cluster",
        "prepare_features",
        SHARED_PLACES,
        "flights",
        provider="provide_shared_cluster",
    )
    yield shared
    first = bench.manifest("flights", bench.days[0])
    if first is None or not shared.clusters:
        raise StackError(
            f"{bench.days[0]} was not prepared on a shared cluster, so there is nothing to compare with: "
            f"{shared.states}; the tasks' logs: {bench.task_logs}"
        )
    asked = stock.configuration(bench, shared.clusters[0].cluster_id, first["code_hash"], region)
    bucket = bench.outputs("storage")["FeaturesBucket"]
    for each in places:
        conf, folder = stock.of(asked, bucket, each)
        yield bench.measure("a cluster a run, stock", "prepare_features_stock", each, folder, conf=conf)
        bench.forget_runs("prepare_features_stock")


@contextmanager
def fresh_stack(settings: Settings, files: Sequence[str] = DAGS) -> Iterator[Settings]:
    """A stack that has nothing of an earlier one; nothing of it is left running.

    :param files: its DAG files.
    :raises StackError: it does not start.
    """
    stack.down(settings, lambda _: None)
    shutil.rmtree(settings.home, ignore_errors=True)
    dags = settings.home / "dags"
    dags.mkdir(parents=True)
    for name in files:
        shutil.copy(PROJECT / name, dags / Path(name).name)
    settings = replace(settings, dags=dags)
    try:
        stack.up(settings, lambda _: None)
        yield settings
    finally:
        stack.down(settings, lambda _: None)


if __name__ == "__main__":
    main()
