from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from sagemaker_emr.exceptions import RunIncomplete
from sagemaker_emr.task_groups.run import check_outcome, unless_released_at_end


def test_a_run_that_reached_its_goal_passes():
    check_outcome("smoke_test", {"smoke_test": "success", "release_cluster": "skipped"})


def test_a_failed_task_fails_the_run_and_is_named():
    with pytest.raises(RunIncomplete, match="failed: train_model"):
        check_outcome("smoke_test", {"train_model": "failed", "smoke_test": "upstream_failed"})


def test_a_leaked_cluster_fails_the_run_though_the_goal_was_reached():
    with pytest.raises(RunIncomplete, match="terminate_cluster"):
        check_outcome("smoke_test", {"smoke_test": "success", "terminate_cluster": "failed"})


def test_a_run_stopped_by_hand_fails_though_nothing_failed():
    with pytest.raises(RunIncomplete, match="the run was stopped"):
        check_outcome("smoke_test", {"train_model": "skipped", "smoke_test": "skipped"})


def test_the_early_release_is_skipped_when_the_form_says_so():
    with pytest.raises(AirflowSkipException):
        unless_released_at_end({"params": {"release_cluster": "at_end"}})
    unless_released_at_end({"params": {"release_cluster": "after_data_prep"}})
