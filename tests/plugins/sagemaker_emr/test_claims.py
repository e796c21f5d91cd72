from __future__ import annotations

from dataclasses import replace

import pytest

from sagemaker_emr.claims import Claim, ClaimStore, Generation
from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook

pytestmark = pytest.mark.local_aws

FIRST = Claim("dev", "train", "manual__1")


@pytest.fixture
def store(bucket) -> ClaimStore:
    return ClaimStore(ArtifactsHook(aws_conn_id=None), bucket)


def test_a_claim_is_made_once(store):
    claim = store.ensure(FIRST)
    assert store.ensure(FIRST) == claim == FIRST
    assert claim.etag


def test_a_claim_is_stored_with_its_key_and_name(store):
    store.ensure(FIRST)
    stored, _ = store.hook.get_json(store.uri(FIRST))
    assert store.uri(FIRST).startswith("s3://artifacts/claims/dev/")
    assert stored["key"] == ["dev", "train", "manual__1"]
    assert stored["product_name"] == FIRST.product_name
    assert (stored["generation"], stored["state"]) == (1, "claimed")


@pytest.mark.parametrize(
    "other",
    [
        Claim("prod", "train", "manual__1"),
        Claim("dev", "train", "manual__2"),
        Claim("dev", "t", "m", "notebook"),
    ],
)
def test_other_keys_are_other_claims(store, other):
    assert store.uri(other) != store.uri(FIRST)
    assert other.product_name != FIRST.product_name


def test_the_next_generation_has_a_new_name_and_keeps_the_old_one(store):
    claim = store.update(replace(store.ensure(FIRST), state="requested", record_id="rec-1"))
    following = store.update(claim.next_generation())
    assert store.read(FIRST) == following
    assert following.generation == 2
    assert following.product_name != FIRST.product_name
    assert (following.state, following.record_id, following.cluster_id) == ("claimed", None, None)
    assert following.of(1) == Generation(1, "requested", "rec-1")
    ended = store.update(following.with_ended(1, "j-1", 60.5)).with_ended(2, "j-2", 1.0)
    assert store.read(FIRST).of(1) == Generation(1, "ended", "rec-1", "j-1", 60.5)
    assert store.update(ended) == store.read(FIRST)
    assert store.read(FIRST).of(2) == Generation(2, "ended", None, "j-2", 1.0)


def test_of_two_updates_the_second_is_refused(store):
    first = store.ensure(FIRST)
    store.update(replace(first, state="requested", record_id="rec-1"))
    with pytest.raises(ResourceConflict, match="changed by another task"):
        store.update(replace(first, state="ended"))


def test_an_update_repeated_after_a_lost_answer_is_fine(store):
    first = store.ensure(FIRST)
    update = replace(first, state="requested", record_id="rec-1")
    assert store.update(update) == store.update(update)


def test_what_was_never_read_can_not_be_updated(store):
    with pytest.raises(ValueError, match="only a claim that was read"):
        store.update(FIRST)
