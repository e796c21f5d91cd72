"""The same faults over the provider's stock operators must show where we say; else the checker is blind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.control import EXPECTED

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def tally(chaos: Any) -> dict[str, Any]:
    told: dict[str, Any] = chaos("play", "--scenario", "control")["scenarios"]["control"]
    return told


@pytest.mark.parametrize(("call", "expected"), EXPECTED.items(), ids=["-".join(key) for key in EXPECTED])
def test_the_control_is_violated_where_we_say(
    call: tuple[str, str], expected: set[str], tally: dict[str, Any]
) -> None:
    operation, kind = call
    assert [f"{operation}/{kind}/{name}" for name in sorted(expected)] == [
        key for name in sorted(expected) if (key := f"{operation}/{kind}/{name}") in tally["violated_by_kind"]
    ]


def test_the_control_passes_where_nothing_befalls_it(tally: dict[str, Any]) -> None:
    assert "control" not in tally["failures"]
