"""Schedules of faults: which call of which task meets what, and what happens then. One line each.

    chain run/request_cluster/servicecatalog.ProvisionProduct#1/lost/retried
    backfill 2013-03-07/join_cluster/s3.PutObject#1/before/aws_restarted +4/after/livy_lost

``#1`` is the first such call of the task; ``+4`` the fourth changing call, of whatever task, after the fault
before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What befalls a call."""

    BEFORE = "before"
    """The process is killed before it is sent."""
    LOST = "lost"
    """It is carried out, and its answer is lost: the connection is reset, and the process goes on."""
    AFTER = "after"
    """The process is killed when the answer is there, before its result is stored."""


class Aftermath(StrEnum):
    """What comes then. A task whose worker was killed is retried in any case, and a trigger reloaded."""

    RETRIED = "retried"
    """The task ends its try without storing anything, and is tried again in a new process."""
    RELOADED = "reloaded"
    """The triggers, or else the next one, are taken over by another triggerer."""
    LIVY_LOST = "livy_lost"
    """Livy, or else the next one that has a batch, restarts without it; what it had started goes on."""
    AWS_RESTARTED = "aws_restarted"
    """The embedded AWS is killed and started from its state on disk."""


@dataclass(frozen=True)
class Call:
    """One changing call: the how-manieth of its kind in its task's life."""

    run: str
    task: str
    operation: str
    number: int

    def __str__(self) -> str:
        return f"{self.run}/{self.task}/{self.operation}#{self.number}"


@dataclass(frozen=True)
class Fault:
    """:param at: the call; or how many changing calls after the fault before."""

    at: Call | int
    kind: Kind
    aftermath: Aftermath

    def __str__(self) -> str:
        at = f"+{self.at}" if isinstance(self.at, int) else self.at
        return f"{at}/{self.kind}/{self.aftermath}"

    @classmethod
    def parse(cls, text: str) -> Fault:
        *at, kind, aftermath = text.split("/")
        where: Call | int
        if len(at) == 1:
            where = int(at[0])
        else:
            run, task, call = at
            operation, number = call.rsplit("#", 1)
            where = Call(run, task, operation, int(number))
        return cls(where, Kind(kind), Aftermath(aftermath))


@dataclass(frozen=True)
class Schedule:
    """The faults of one play of a scenario, in their order."""

    scenario: str
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.scenario, *map(str, self.faults)])

    @classmethod
    def parse(cls, text: str) -> Schedule:
        scenario, *faults = text.split()
        return cls(scenario, tuple(map(Fault.parse, faults)))


STORE_RESULT = "airflow.StoreResult"
"""What a task returned, and that it has ended, is told to Airflow."""


@dataclass(frozen=True)
class Recorded:
    """A changing call of an undisturbed play, and what comes at it or after it.

    :param reload: whether a trigger waits after it.
    :param batch: whether a Livy batch runs after it.
    """

    call: Call
    reload: bool
    batch: bool

    def kinds(self) -> list[Kind]:
        """Those that are not the same as another: a stored result was stored, or it was not."""
        return [Kind.BEFORE] if self.call.operation == STORE_RESULT else list(Kind)

    def aftermaths(self) -> list[Aftermath]:
        """Those that can come, and are not those of the call before."""
        if self.call.operation == STORE_RESULT:
            return [Aftermath.RETRIED]
        absent = {Aftermath.RELOADED: not self.reload, Aftermath.LIVY_LOST: not self.batch}
        return [aftermath for aftermath in Aftermath if not absent.get(aftermath)]


def exhaustive(scenario: str, recorded: Sequence[Recorded]) -> list[Schedule]:
    """Every call with everything that can befall it."""
    return [
        Schedule(scenario, (Fault(one.call, kind, aftermath),))
        for one in recorded
        for kind in one.kinds()
        for aftermath in one.aftermaths()
    ]


def two_faults(recorded: dict[str, Sequence[Recorded]], runs: int, seed: int) -> Iterator[Schedule]:
    """Pairs of faults, the same for the same seed; the second befalls a call that comes in any case."""
    chance = Random(seed)
    for _ in range(runs):
        scenario = chance.choice(sorted(recorded))
        calls = recorded[scenario]
        first = chance.randrange(len(calls) - 1)
        distance = chance.randrange(1, len(calls) - first)
        second = calls[first + distance]
        yield Schedule(
            scenario,
            (
                Fault(
                    calls[first].call,
                    chance.choice(calls[first].kinds()),
                    chance.choice(calls[first].aftermaths()),
                ),
                Fault(distance, chance.choice(second.kinds()), chance.choice(second.aftermaths())),
            ),
        )
