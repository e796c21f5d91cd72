"""``python -m tests.chaos.throttled FOLDER``: the chain and a backfill while AWS throttles and dawdles.

Three calls of ten are throttled; one of a hundred takes 20 s of the product's time or more. FOLDER/told.json
tells of each scenario the checker's violations, the rules with their counts, the longest delay, how many
tries of tasks there were, and the retry settings of the clients; under ``calm``, the same without faults.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from local_aws.faults import rules
from tests.chaos import clock, ground
from tests.chaos.play import play
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.schedules import Schedule

PLAN = {
    "seed": 3,
    "rules": [
        {"kind": "throttling", "probability": 0.3},
        {"kind": "latency", "median": 0.2 / clock.SCALE, "p99": 20 / clock.SCALE},
    ],
}


def main(home: str) -> None:
    """Make the ground, then play each scenario on copies of it, without faults and with them."""
    fronts: list[Any] = []
    make_front = ground._embedded_aws

    def kept() -> Any:
        fronts.append(make_front())
        return fronts[0]

    ground._embedded_aws = kept
    made = ground.make(home)
    told = {}
    for name in SCENARIOS:
        calm = forked(lambda name=name: _played(made, fronts[0], name, None, None))
        told[name] = forked(
            lambda name=name, calm=calm: _played(made, fronts[0], name, PLAN, calm["outputs"])
        )
        told[name]["calm"] = calm
    (Path(home) / "told.json").write_text(json.dumps(told))


def _played(
    made: ground.Ground,
    front: Any,
    name: str,
    plan: dict[str, Any] | None,
    undisturbed: dict[str, Any] | None,
) -> dict[str, Any]:
    configurations = set()
    call = BaseClient._make_api_call

    def noted(client: Any, *arguments: Any) -> Any:
        if client.meta.endpoint_url == ground.ENDPOINT_URL:
            config = client.meta.config
            configurations.add((*sorted(config.retries.items()), config.connect_timeout, config.read_timeout))
        return call(client, *arguments)

    BaseClient._make_api_call = noted
    if plan:
        front.faults.replace(rules.parse(json.dumps(plan).encode()))
    since = max((entry["seq"] for entry in made.log.since(0)), default=0)
    result = play(made, Schedule(name), undisturbed)
    faults = [fault for entry in made.log.since(since) for fault in entry["faults"]]
    return {
        "violations": result.violations,
        "outputs": result.outputs,
        "tries": result.tries,
        "rules": front.faults.shown()["rules"],
        "longest_seconds": max((fault.get("seconds", 0) * clock.SCALE for fault in faults), default=0),
        "configurations": sorted(configurations),
    }


def forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a copy of this process makes of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told: dict[str, Any] = pickle.load(pipe)  # noqa: S301
    os.waitpid(child, 0)
    return told


if __name__ == "__main__":
    main(sys.argv[1])
