"""What a mutation is, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

Break = Callable[[Any], Iterator[str]]


@dataclass(frozen=True)
class Mutation:
    """Something broken through the API, and mended again.

    :param check: the check that must complain.
    :param fix: words of its fix.
    :param broken: breaks a platform, gives the resource that the report must name, and mends.
    :param on: the variant of the platform that can be broken so.
    :param lasting: mended, a stack's resource has another id than its stack knows: it stays drifted.
    """

    check: str
    fix: str
    broken: Callable[[Any], AbstractContextManager[str]]
    on: str = "nat"
    lasting: bool = False


MUTATIONS: dict[str, Mutation] = {}


def mutation(check: str, fix: str, *, on: str = "nat", lasting: bool = False, name: str = "") -> Any:
    """Register a generator that breaks, yields the resource, and mends."""

    def register(function: Break) -> Break:
        known = name or function.__name__
        assert known not in MUTATIONS, known
        MUTATIONS[known] = Mutation(check, fix, contextmanager(function), on, lasting)
        return function

    return register


def check_mutation(p: Any, mutation: Mutation) -> None:
    """Break, report, mend: the report must name that resource, with its fix, and nothing else."""
    with mutation.broken(p) as resource:
        report = p.report()
    assert {one.check for one in report.to_mend} == {mutation.check}, [str(one) for one in report.to_mend]
    for finding in report.to_mend:
        assert resource in " ".join(finding.resources)
        assert mutation.fix in finding.fix
        assert finding.symptom
        assert finding.read
