"""Schedules as lines, and what is planned."""

from __future__ import annotations

import pytest

from tests.chaos.schedules import (
    STORE_RESULT,
    Aftermath,
    Call,
    Fault,
    Kind,
    Recorded,
    Schedule,
    exhaustive,
    two_faults,
)

CALLS = [
    Recorded(Call("run", "claim_cluster", "s3.PutObject", 1), reload=True, batch=True),
    Recorded(Call("run", "platform.stage", "livy.POST-batches", 2), reload=True, batch=False),
    Recorded(Call("run", "terminate_cluster", STORE_RESULT, 1), reload=True, batch=True),
    Recorded(Call("run", "terminate_cluster", "s3.PutObject", 1), reload=False, batch=False),
]


@pytest.mark.parametrize(
    "line",
    [
        "chain",
        "chain run/claim_cluster/s3.PutObject#1/lost/retried",
        "backfill 2013-03-06/leave_cluster/s3.PutObject#2/before/livy_lost +4/after/aws_restarted",
    ],
)
def test_a_schedule_is_what_its_line_says(line):
    assert str(Schedule.parse(line)) == line


def test_every_call_meets_everything_that_can_befall_it():
    planned = exhaustive("chain", CALLS)
    assert len(planned) == len(set(planned)) == 3 * (4 + 3 + 2) + 1
    assert {fault.kind for one in planned for fault in one.faults} == set(Kind)
    last = [one.faults[0].aftermath for one in planned if one.faults[0].at == CALLS[-1].call]
    assert set(last) == {Aftermath.RETRIED, Aftermath.AWS_RESTARTED}


def test_pairs_are_the_same_for_the_same_seed_and_name_calls_that_come():
    recorded = {"chain": CALLS}
    first, again = (list(map(str, two_faults(recorded, 50, seed=7))) for _ in range(2))
    assert first == again
    assert first != list(map(str, two_faults(recorded, 50, seed=8)))
    for one in two_faults(recorded, 50, seed=7):
        at, distance = one.faults[0].at, one.faults[1].at
        index = [each.call for each in CALLS].index(at)
        assert index + distance < len(CALLS)


def test_a_fault_after_another_is_told_from_one_at_a_call():
    assert Fault.parse("+3/lost/retried").at == 3
    assert Fault.parse("run/platform.stage/livy.POST-batches#2/lost/retried").at == CALLS[1].call
