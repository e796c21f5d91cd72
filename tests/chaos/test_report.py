"""What the figures of many plays say."""

from __future__ import annotations

from tests.chaos.play import Result
from tests.chaos.report import holds, tally
from tests.chaos.schedules import Schedule

LINE = "backfill 2013-03-06/prepare_features/s3.PutObject#5/lost/retried"


def played(hits: int, *violations: str) -> Result:
    return Result(Schedule.parse(LINE), list(violations), hits, [], {})


def test_a_schedule_whose_call_never_came_is_missed_and_not_violated() -> None:
    found = tally([played(0, f"not hit: {LINE}"), *[played(1)] * 9])["backfill"]
    assert (found.missed, found.failures, holds(found)) == ([LINE], {}, True)


def test_too_many_that_are_missed_show_nothing() -> None:
    found = tally([*[played(0, f"not hit: {LINE}")] * 2, *[played(1)] * 9])["backfill"]
    assert not holds(found)


def test_a_schedule_in_which_anything_else_is_wrong_is_violated() -> None:
    found = tally([played(0, f"not hit: {LINE}", "cluster left: j-1"), *[played(1)] * 19])["backfill"]
    assert (found.missed, {*found.failures}, holds(found)) == ([], {LINE}, False)
