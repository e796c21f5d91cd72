from __future__ import annotations

from types import SimpleNamespace

import pytest

from sagemaker_emr.exceptions import RunIncomplete
from sagemaker_emr.task_groups.run import HoldClusterSensor, check_outcome, may_end


def test_a_run_that_reached_its_goal_passes():
    check_outcome("smoke_test", {"smoke_test": "success", "claim_cluster": "skipped"})


def test_a_failed_task_fails_the_run_and_is_named():
    with pytest.raises(RunIncomplete, match="failed: train_model"):
        check_outcome("smoke_test", {"train_model": "failed", "smoke_test": "upstream_failed"})


def test_a_leaked_cluster_fails_the_run_though_the_goal_was_reached():
    with pytest.raises(RunIncomplete, match="terminate_cluster"):
        check_outcome("smoke_test", {"smoke_test": "success", "terminate_cluster": "failed"})


def test_a_run_stopped_by_hand_fails_though_nothing_failed():
    with pytest.raises(RunIncomplete, match="the run was stopped"):
        check_outcome("smoke_test", {"train_model": "skipped", "smoke_test": "skipped"})


def test_a_run_with_nothing_to_do_passes_only_where_a_task_said_why():
    states = {"choose_window": "skipped", "smoke_test": "skipped"}
    check_outcome("smoke_test", states, ["No window is complete"])
    with pytest.raises(RunIncomplete, match="the run was stopped"):
        check_outcome("smoke_test", states)


def test_a_reason_excuses_no_failure():
    with pytest.raises(RunIncomplete, match="terminate_cluster"):
        check_outcome("smoke_test", {"smoke_test": "skipped", "terminate_cluster": "failed"}, ["newer"])


@pytest.mark.parametrize(
    ("release", "state", "ends"),
    [
        ("after_data_prep", None, True),
        ("at_end", None, False),
        ("at_end", "running", False),
        ("at_end", "up_for_retry", False),
        ("at_end", "success", True),
        ("at_end", "upstream_failed", True),
        ("at_end", "skipped", True),
    ],
)
def test_the_cluster_is_held_until_the_task_ended_however_it_did(release, state, ends):
    assert may_end(release, state) is ends


@pytest.mark.parametrize(("at", "ends"), [(1.0, True), (4e9, False)])
def test_a_cluster_that_used_up_its_budget_is_held_no_longer(at, ends):
    budget = {"at": at, "sums": "budget 5.00 USD"}
    ti = SimpleNamespace(
        dag_id="d",
        xcom_pull=lambda task_ids, key: budget if (task_ids, key) == ("claim_cluster", "budget") else None,
        get_task_states=lambda **_: {"r": {"smoke_test": "running"}},
    )
    hold = HoldClusterSensor(task_id="hold", until="smoke_test", budget_from="claim_cluster")
    assert hold.poke({"ti": ti, "run_id": "r", "params": {"release_cluster": "at_end"}}) is ends
