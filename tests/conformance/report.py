"""What a run showed, operation by operation."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from moto.core.responses import BaseResponse

import local_aws
from tests.conformance import prices

BOTO3_NAMES = {"sagemakerruntime": "sagemaker-runtime", "servicequotas": "service-quotas"}
"""Services whose package is not called as boto3 calls them."""


VERDICTS = ("differs", "conforms", "not run")


@dataclass
class Results:
    """What the plugin noted."""

    collected: list[str] = field(default_factory=list)
    estimated_usd: float = 0.0
    tests: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what there is; a run that was killed noted less."""
        results = cls()
        for line in path.read_text().splitlines() if path.exists() else []:
            noted = json.loads(line)
            if "collected" in noted:
                results.collected, results.estimated_usd = noted["collected"], noted["estimated_usd"]
            else:
                results.tests.append(noted)
        return results

    @property
    def usd(self) -> float:
        """What the tests' calls cost at most, without the sweeps."""
        return sum({test["test"]: float(test["usd"]) for test in self.tests}.values())

    @property
    def unreached(self) -> list[str]:
        """Tests that were chosen and did not come to their end."""
        seen = {test["test"] for test in self.tests}
        return [test for test in self.collected if test not in seen]


@dataclass(frozen=True)
class Row:
    """An operation's verdict: ``conforms``, ``differs`` (how) or ``not run`` (why)."""

    service: str
    operation: str
    verdict: str
    detail: str = ""


def played_operations() -> set[tuple[str, str]]:
    """The operations that the embedded AWS answers itself; the others are moto's."""
    found = set()
    session = botocore.session.get_session()
    for package in pkgutil.iter_modules(local_aws.__path__):
        if not package.ispkg or not importlib.util.find_spec(f"local_aws.{package.name}.responses"):
            continue
        service = BOTO3_NAMES.get(package.name, package.name)
        names = {xform_name(name): name for name in session.get_service_model(service).operation_names}
        module = importlib.import_module(f"local_aws.{package.name}.responses")
        for response in vars(module).values():
            if isinstance(response, type) and issubclass(response, BaseResponse):
                found |= {(service, names[method]) for method in _own_methods(response) if method in names}
    return found


def _own_methods(response: type) -> set[str]:
    return {
        name for base in response.__mro__ if base.__module__.startswith("local_aws.") for name in vars(base)
    }


def rows(results: Results, played: Iterable[tuple[str, str]]) -> list[Row]:
    """One row for each operation that was called, refused, or is played by the embedded AWS.

    A failed test is counted against the last operation it called: what came before it got past its own
    assertions. What the run itself refused to send says nothing about AWS. Failures of cleaning up are told
    beside the table, not here.
    """
    called: set[tuple[str, str]] = set()
    refused: dict[tuple[str, str], str] = {}
    differs: dict[tuple[str, str], str] = {}
    for test in results.tests:
        called |= {(service, operation) for service, operation in test["calls"]}
        if test["outcome"] != "failed" or test["when"] == "teardown":
            continue
        kept = refused if test["refused"] else differs
        for service, operation in (test["refused"] or test["calls"])[-1:]:
            kept.setdefault((service, operation), f"{test['test'].rpartition('::')[2]}: {test['how']}")
    table = []
    for service, operation in sorted(called | set(refused) | set(played)):
        if (service, operation) in differs:
            table.append(Row(service, operation, "differs", differs[service, operation]))
        elif (service, operation) in called:
            table.append(Row(service, operation, "conforms"))
        else:
            why = refused.get((service, operation)) or _why_not(service, operation, results)
            table.append(Row(service, operation, "not run", why))
    return table


def _why_not(service: str, operation: str, results: Results) -> str:
    if operation not in prices.WRITES.get(service, {}) and not prices.READS.fullmatch(operation):
        return "has no price in tests/conformance/prices.py"
    if results.unreached:
        return f"no test called it; {len(results.unreached)} tests were not reached"
    return "no test marked conformance calls it"


def table(lines: list[Row]) -> str:
    """The rows as a table of fixed width, differences first."""
    lines = sorted(lines, key=lambda row: (VERDICTS.index(row.verdict), row.service, row.operation))
    return "\n".join(
        f"{row.service:16} {row.operation:44} {row.verdict:9} {' '.join(row.detail.split())[:200]}".rstrip()
        for row in lines
    )
