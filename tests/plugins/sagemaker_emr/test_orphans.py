"""What is decided on each thing, and why: a row of a table each, and all that can be read together."""

from __future__ import annotations

import itertools

import pytest

from sagemaker_emr.orphans import (
    GRACE_HOURS,
    Decision,
    Launched,
    Limits,
    RunState,
    Served,
    SharedLease,
    decide_launched,
    decide_lease,
    decide_served,
    decide_upload,
)
from tests.plugins.sagemaker_emr import aws_enums

LIMITS = Limits(max_age_hours=96)
ONLY = Limits(max_age_hours=96, only_deployment=True)
OURS = {
    "name": "cluster-0123456789ab-1",
    "owner": "Airflow train r1",
    "age_hours": 3.0,
    "product_status": "AVAILABLE",
    "cluster_id": "j-1",
    "cluster_state": "WAITING",
    "run": RunState.ENDED,
}
PERSONS = {**OURS, "run": None, "owner": "arn:aws:iam::123456789012:user/ana"}
END, KEEP, NOT_OURS = Decision

LAUNCHED = [
    ("its run has ended", OURS, LIMITS, END, "has ended"),
    ("its run goes on", {**OURS, "run": RunState.LIVE}, LIMITS, KEEP, "goes on"),
    ("and it is too old", {**OURS, "run": RunState.LIVE, "age_hours": 97}, LIMITS, END, "older than 96 h"),
    ("it is young", {**OURS, "age_hours": 0.1}, LIMITS, KEEP, "younger"),
    ("its product failed", {**OURS, "product_status": "TAINTED"}, LIMITS, END, "is TAINTED"),
    ("it was never made", {**OURS, "product_status": "ERROR", "cluster_id": None}, LIMITS, END, "is ERROR"),
    ("idle for too long", {**OURS, "cluster_state": "TERMINATED"}, LIMITS, END, "its cluster has ended"),
    ("it outlived its product", {**OURS, "product_status": None}, LIMITS, END, "outlived its product"),
    (
        "it is about to go",
        {**OURS, "product_status": None, "cluster_state": "TERMINATING"},
        LIMITS,
        KEEP,
        "needs nobody",
    ),
    ("somebody holds its lease", {**OURS, "holders": 2}, LIMITS, KEEP, "2 runs"),
    ("and it is too old", {**OURS, "holders": 2, "age_hours": 97}, LIMITS, END, "older"),
    ("another Airflow's, maybe", {**OURS, "run": RunState.UNKNOWN}, LIMITS, KEEP, "not known"),
    ("there is no other Airflow", {**OURS, "run": RunState.UNKNOWN}, ONLY, END, "not known"),
    ("and it is young", {**OURS, "run": RunState.UNKNOWN, "age_hours": 0.1}, ONLY, KEEP, "younger"),
    ("another's, and too old", {**OURS, "run": RunState.UNKNOWN, "age_hours": 97}, LIMITS, END, "older"),
    ("its tags are not exact", {**OURS, "run": RunState.UNNAMED}, ONLY, KEEP, "spell"),
    ("Airflow does not tell", {**OURS, "run": RunState.UNTOLD}, ONLY, KEEP, "does not tell"),
    ("and it is too old", {**OURS, "run": RunState.UNTOLD, "age_hours": 97}, LIMITS, END, "older"),
    ("a person's", PERSONS, ONLY, KEEP, "a person"),
    ("a person's that failed", {**PERSONS, "product_status": "TAINTED"}, ONLY, KEEP, "a person"),
    ("a person's that idled", {**PERSONS, "cluster_state": "TERMINATED"}, ONLY, KEEP, "a person"),
    ("a person's, too old", {**PERSONS, "age_hours": 97}, LIMITS, END, "older"),
    ("another catalog's", {**OURS, "foreign": "of another", "age_hours": 970}, ONLY, NOT_OURS, "of another"),
]


@pytest.mark.parametrize(
    ("seen", "limits", "decision", "why"),
    [row[1:] for row in LAUNCHED],
    ids=[f"{number}: {row[0]}" for number, row in enumerate(LAUNCHED)],
)
def test_what_becomes_of_a_cluster(seen, limits, decision, why):
    found, told = decide_launched(Launched(**seen), limits)
    assert found is decision, told
    assert why in told


ALL = list(
    itertools.product(
        [*aws_enums.PROVISIONED_PRODUCT, None],
        [*aws_enums.CLUSTER, None],
        [*RunState, None],
        [0.0, 3.0, 97.0],
        [0, 1],
        [None, "of another"],
        [LIMITS, ONLY],
    )
)


def every_sight():
    for status, state, run, age, holders, foreign, limits in ALL:
        seen = {**OURS, "product_status": status, "cluster_state": state, "run": run, "age_hours": age}
        yield Launched(**{**seen, "holders": holders, "foreign": foreign}), limits


def test_nothing_foreign_is_ended_whatever_else_is_read():
    decided = {decide_launched(seen, limits)[0] for seen, limits in every_sight() if seen.foreign}
    assert decided == {Decision.NOT_OURS}


def test_below_the_maximum_age_only_what_a_run_surely_needs_no_more_is_ended():
    ended = 0
    for seen, limits in every_sight():
        decision, why = decide_launched(seen, limits)
        assert why
        if seen.foreign or decision is not Decision.END or seen.age_hours > limits.max_age_hours:
            continue
        ended += 1
        assert seen.run is RunState.ENDED or (seen.run is RunState.UNKNOWN and limits.only_deployment)
        assert seen.age_hours >= GRACE_HOURS
        assert not seen.holders
    assert ended


def test_what_is_too_old_is_ended_unless_it_ends_already():
    for seen, limits in every_sight():
        if seen.foreign or seen.age_hours <= limits.max_age_hours:
            continue
        ends = seen.product_status is None and str(seen.cluster_state).startswith("TERMINAT")
        assert decide_launched(seen, limits)[0] is (Decision.KEEP if ends else Decision.END)


LEASE = {"name": "l", "owner": "Airflow provide_shared_cluster r", "age_hours": 1.0}


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        ({"provider": RunState.ENDED}, END),
        ({"provider": RunState.ENDED, "has_product": True}, KEEP),
        ({"provider": RunState.ENDED, "closed": "nobody needed it"}, KEEP),
        *(({"provider": state}, KEEP) for state in RunState if state is not RunState.ENDED),
    ],
)
def test_only_a_lease_whose_provider_is_surely_dead_is_closed(seen, decision):
    assert decide_lease(SharedLease(**LEASE, **seen))[0] is decision


SERVED = {"name": "m", "owner": "Airflow train r1", "age_hours": 200.0, "newer": 3}


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        ({}, END),
        ({"used_by": "endpoint delay"}, KEEP),
        ({"newer": 2}, KEEP),
        ({"age_hours": 168.0}, KEEP),
        ({"foreign": "no tag"}, NOT_OURS),
    ],
)
def test_only_what_serves_nowhere_is_old_and_has_newer_ones_is_deleted(seen, decision):
    assert decide_served(Served(**{**SERVED, **seen}), LIMITS)[0] is decision


@pytest.mark.parametrize(("age", "decision"), [(24.0, KEEP), (24.01, END)])
def test_an_upload_is_abandoned_after_a_day(age, decision):
    assert decide_upload(age, LIMITS)[0] is decision
