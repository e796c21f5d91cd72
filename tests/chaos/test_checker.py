"""The checker finds the product broken on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.mutations import MUTATIONS, OTHERS, Mutation

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def found(chaos: Any) -> dict[str, list[str]]:
    violations: dict[str, list[str]] = chaos("mutations")
    return violations


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_product_is_found(mutation: Mutation, found: dict[str, list[str]]) -> None:
    broken = {violation.split(":")[0] for violation in found[mutation.name]}
    assert mutation.invariant in broken, found[mutation.name]


@pytest.mark.parametrize("what", ["product", "cluster", "objects", "endpoint", "configuration", "model"])
def test_whatever_of_others_was_touched_is_found_by_the_call_and_by_what_became_of_it(
    what: str, found: dict[str, list[str]]
) -> None:
    changed = f"{OTHERS}: {what} "
    plays = [one for one in found.values() if any(violation.startswith(changed) for violation in one)]
    assert plays
    for violations in plays:
        assert any(violation.startswith(OTHERS) and " names " in violation for violation in violations)
