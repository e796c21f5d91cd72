"""The shape of deploy_platform and destroy_platform, and of what the chain deploys of the platform."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from sagemaker_emr.airflow_versions import TASKS_CAN_ASK
from tests.airflow_names import AirflowSkipException

DOWN = [
    "confirm_environment",
    "end_clusters",
    "delete_endpoints",
    "empty_domain",
    "delete_profiles",
    "delete_catalog",
    "delete_studio",
    "remove_leftovers",
    "revoke_rules_of_emr",
    "delete_network",
    "delete_storage",
    "delete_buckets",
    "report_what_is_left",
]


def upstream(task):
    return {each.task_id for each in task.get_flat_relatives(upstream=True)}


def test_everything_is_planned_before_anything_is_deployed(dags):
    dag = dags["deploy_platform"]
    for task in dag.tasks:
        if task.task_id.startswith("platform.deploy_") or "profile" in task.task_id:
            assert "plan_platform" in upstream(task), task.task_id


def test_a_plan_that_loses_data_waits_for_an_approval(dags):
    dag = dags["deploy_platform"]
    assert dag.get_task("approve_plan").upstream_task_ids == {"choose_path"}
    assert "approve_plan" in dag.get_task("platform.choose_action").upstream_task_ids
    if TASKS_CAN_ASK:
        assert dag.get_task("approve_plan").fail_on_reject
    else:
        assert "Allow replacement" in dag.get_task("approve_plan").otherwise


def test_storage_and_network_deploy_side_by_side(dags):
    dag = dags["deploy_platform"]
    storage, network = dag.get_task("platform.deploy_storage"), dag.get_task("platform.deploy_network")
    assert storage.task_id not in upstream(network)
    assert network.task_id not in upstream(storage)


@pytest.mark.parametrize(
    ("plan", "allowed", "path"),
    [
        ({"losses": ["x"], "unchanged": False}, False, "approve_plan"),
        ({"losses": ["x"], "unchanged": False}, True, "platform.choose_action"),
        ({"losses": [], "unchanged": False}, False, "platform.choose_action"),
        (
            {"losses": [], "unchanged": True},
            False,
            ["platform.read_platform", "platform.enable_studio_catalog"],
        ),
    ],
)
def test_the_plan_decides_what_comes_next(dags, plan, allowed, path):
    choose = dags["deploy_platform"].get_task("choose_path").python_callable
    assert choose(plan, params={"allow_replacement": allowed}) == path


def test_the_deployment_ends_with_its_diagnosis(dags):
    check = dags["deploy_platform"].get_task("check_platform")
    assert check.downstream_task_ids == set()
    assert check.upstream_task_ids == {"deploy_profile", "remove_profile"}
    assert check.fail_on_findings is True


@pytest.mark.parametrize(
    ("form", "unchanged", "same_profiles", "checked"),
    [
        ("auto", False, True, True),
        ("auto", True, False, True),
        ("auto", True, True, False),
        ("always", True, True, True),
        ("never", False, False, False),
    ],
)
def test_what_was_not_changed_is_not_diagnosed_again_unasked(dags, form, unchanged, same_profiles, checked):
    plan = {"unchanged": unchanged, "same_profiles": same_profiles}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: plan)
    before = dags["deploy_platform"].get_task("check_platform")._pre_execute_hook
    if checked:
        before({"params": {"check": form}, "ti": ti})
    else:
        with pytest.raises(AirflowSkipException):
            before({"params": {"check": form}, "ti": ti})


def test_the_chain_leaves_a_domain_that_somebody_can_enter(dags):
    dag = dags["train_and_deploy_model"]
    assert "platform.deploy_studio" in dag.get_task("platform.deploy_first_profile").upstream_task_ids
    first = dag.get_task("platform.read_platform").upstream_task_ids
    assert {"platform.deploy_first_profile", "platform.enable_studio_catalog"} <= first


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(DOWN)))
def test_the_platform_goes_from_the_inside_out(dags, before, after):
    assert before in dags["destroy_platform"].get_task(after).upstream_task_ids


def test_data_stays_unless_the_form_says_otherwise(dags):
    params = dags["destroy_platform"].params
    for name in ("delete_home_file_system", "delete_buckets", "end_clusters"):
        assert params[name] is False
    assert params["confirm"] == ""
