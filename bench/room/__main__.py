"""``python -m bench.room``: a stack with many clusters and runs, and its control room in Chromium."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
import requests
from rich.table import Table

from bench import report
from bench.__main__ import fresh_stack
from bench.backfill import Bench, Say
from bench.chromium import CHROMIUM, MISSING, launched
from bench.room import account
from bench.room.views import Looker, View, spread, views
from local_stack import airflow, credentials, postgres, processes, stack
from local_stack.api import AirflowClient
from local_stack.aws import LocalAws
from local_stack.demo import console
from local_stack.settings import LOOPBACK, PROJECT, Settings, StackError

DAGS = tuple(
    f"dags/{name}.py"
    for name in (
        "deploy_platform",
        "check_platform",
        "list_clusters",
        "prepare_features",
        "terminate_cluster",
        "train_and_deploy_model",
    )
)
"""Those whose rights the page asks for. None that would end the clusters."""

EVALUATIONS = 100
START_SECONDS = 300
POLL_SECONDS = 0.25


@click.command()
@click.option("--clusters", default=200, show_default=True)
@click.option("--runs", default=1000, show_default=True)
@click.option("--views", "count", default=10, show_default=True, help="Of each kind.")
def main(clusters: int, runs: int, count: int) -> None:
    """Measure when the control room paints, when it shows everything, and what a view asks for."""
    if CHROMIUM is None:
        raise click.ClickException(MISSING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes.adopt_orphans()
    out, settings = console(), Settings()

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False, soft_wrap=True)

    try:
        with room(settings, clusters, runs, say) as looker:
            found = views(looker, count)
    except StackError as error:
        raise click.ClickException(str(error)) from error
    path = settings.home / "bench" / "room.json"
    path.write_text(
        json.dumps({name: [view.to_json() for view in seen] for name, seen in found.items()}, indent=1)
    )
    out.print(table(found, f"{clusters} clusters, {runs} runs, {count} views of each kind"))
    say(f"report: {path}")


@contextmanager
def room(settings: Settings, clusters: int, runs: int, say: Say) -> Iterator[Looker]:
    """A stack with so many clusters and runs, served by an API server that counts, and a browser before it.

    :raises StackError: it does not start.
    """
    with fresh_stack(replace(settings, home=settings.home / "bench" / "room"), DAGS) as running:
        client = AirflowClient(running, credentials.load(running))
        bench = Bench(running, client, [], say)
        say("the platform, and a year of raw data")
        bench.prepare()
        account.fill(bench, clusters, EVALUATIONS)
        say(f"{runs} runs")
        with server(running, runs) as url, launched() as browser:
            yield Looker(browser, url, client.token(), Calls(LocalAws(running)))


class Calls:
    """The operations that Airflow asked the embedded AWS for since the last time."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws, self._seen = aws, aws.last_request()

    def __call__(self) -> Counter[str]:
        received = self._aws.requests(self._seen)
        self._seen = max([self._seen, *(int(one["seq"]) for one in received)])
        return Counter(str(one["operation"]) for one in received if report.caller(one) == "airflow")


@contextmanager
def server(settings: Settings, runs: int) -> Iterator[str]:
    """The API server of ``bench.room.server`` on the port after the embedded AWS's; its address.

    :raises StackError: it does not start.
    """
    port = settings.local_aws_port + 1
    environment = airflow.environment(settings, credentials.load(settings), postgres.socket_folder(settings))
    environment["PYTHONPATH"] = f"{PROJECT}:{PROJECT / 'plugins'}"
    log = settings.logs / "bench-server.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.room.server", str(port), str(runs)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=environment,
        )
    url, deadline = f"http://{LOOPBACK}:{port}", time.monotonic() + START_SECONDS
    try:
        while not answers(f"{url}/_bench/statements"):
            if child.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the benchmark's API server did not start:\n{stack.tail(log)}")
            time.sleep(POLL_SECONDS)
        yield url
    finally:
        child.terminate()
        child.wait(60)


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    try:
        return requests.get(url, timeout=60).ok
    except requests.ConnectionError:
        return False


def table(found: dict[str, list[View]], title: str) -> Table:
    """Least / median / most of each kind."""
    made = Table(title=f"{title}; ms, least / median / most")
    for name in ("", "first paint", "clusters shown", "all shown", "server CPU", "AWS calls", "SQL", "load"):
        made.add_column(name, justify="right" if name else "left")
    for name, seen in found.items():
        made.add_row(
            name,
            spread([view.painted_ms for view in seen]),
            spread([view.shown_ms["clusters"] for view in seen]),
            spread([max(view.shown_ms.values()) for view in seen]),
            spread([view.server_ms for view in seen]),
            str(max(view.calls.total() for view in seen)),
            str(max(view.statements.total() for view in seen)),
            f"{min(view.load for view in seen):.1f} to {max(view.load for view in seen):.1f}",
        )
    return made


if __name__ == "__main__":
    main()
