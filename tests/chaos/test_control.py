"""The same faults over the provider's stock operators must show where we say; else the checker is blind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.control import EXPECTED, unexpected

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def tally(chaos: Any) -> dict[str, Any]:
    told: dict[str, Any] = chaos("play", "--scenario", "control")["scenarios"]["control"]
    return told


def test_the_control_is_violated_where_we_say_and_nowhere_else(tally: dict[str, Any]) -> None:
    assert unexpected(tuple(key.split("/")) for key in tally["violated_by_kind"]) == []


def test_a_control_that_is_violated_nowhere_would_be_told_of() -> None:
    assert len(unexpected([])) == len(EXPECTED)


def test_the_control_passes_where_nothing_befalls_it(tally: dict[str, Any]) -> None:
    assert "control" not in tally["failures"]
