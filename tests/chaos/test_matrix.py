"""Whatever befalls a changing call of the chain or a backfill, and what comes then: nothing is violated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.report import MISSED_SHARE
from tests.chaos.scenarios import BACKFILL, CHAIN
from tests.chaos.schedules import Aftermath, Kind

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module", params=[CHAIN, BACKFILL])
def tally(request: pytest.FixtureRequest, chaos: Any) -> dict[str, Any]:
    told: dict[str, Any] = chaos("play", "--scenario", request.param)["scenarios"][request.param]
    return told


def test_nothing_is_violated_whatever_befalls_a_call(tally: dict[str, Any]) -> None:
    assert tally["failures"] == {}


def test_every_planned_fault_befell_its_call_but_renewals_of_a_lease_that_were_not_due(
    tally: dict[str, Any],
) -> None:
    """Two plays are without any."""
    assert tally["faults_hit"] + len(tally["missed"]) == tally["schedules"] - 2
    assert [one for one in tally["missed"] if "/s3.PutObject#" not in one] == []
    assert len(tally["missed"]) <= MISSED_SHARE * tally["schedules"]
    assert tally["faults_hit"] > 200


def test_every_kind_and_every_aftermath_came(tally: dict[str, Any]) -> None:
    assert all(tally["kinds"][kind] for kind in map(str, Kind))
    assert all(tally["aftermaths"][aftermath] for aftermath in map(str, Aftermath))
