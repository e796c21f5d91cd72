"""A bucket's objects by key."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from local_aws.persistence.objects import Keys


@pytest.mark.parametrize("how", ["items", "values", "lists"])
def test_an_object_that_is_deleted_during_a_listing_is_no_error(how: str) -> None:
    keys = Keys("aws/123456789012/a-bucket")
    for key in ("kept", "deleted"):
        keys[key] = SimpleNamespace(dispose=lambda: None)
    listing = iter(getattr(keys, how)())
    first = next(listing)
    keys.pop("deleted")
    assert len([first, *listing]) == 2
    assert len(list(getattr(keys, how)())) == 1
