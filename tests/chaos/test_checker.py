"""The checker finds the product broken on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.mutations import MUTATIONS, Mutation

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def found(chaos: Any) -> dict[str, list[str]]:
    violations: dict[str, list[str]] = chaos("mutations")
    return violations


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_product_is_found(mutation: Mutation, found: dict[str, list[str]]) -> None:
    broken = {violation.split(":")[0] for violation in found[mutation.name]}
    assert mutation.invariant in broken, found[mutation.name]
