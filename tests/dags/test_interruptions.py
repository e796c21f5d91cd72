"""Interrupted at every stack, in both directions, and run again from the start: the same end.

The DAGs run as they are wired, on the embedded AWS, in an account that each test finds empty.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.dags.account import inventory, snapshot
from tests.dags.faults import refused
from tests.dags.inhabitants import inhabit, outputs_of_all
from tests.dags.runs import play
from tests.plugins.sagemaker_emr.studio import add_space

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("airflow_user")]

FORM = {"user_profiles": ["ada"], "check": "always"}
END = {"confirm": "dev", "end_clusters": True, "delete_home_file_system": True, "delete_buckets": True}

CREATIONS = {
    "platform.deploy_storage": "PutBucketPolicy",
    "platform.deploy_network": "CreateNatGateway",
    "platform.deploy_studio": "CreateDomain",
    "platform.deploy_catalog": "CreateInstanceProfile",
    "deploy_profile": "CreateUserProfile",
}
"""A request that CloudFormation makes half way through each stack."""

HELD = [*CREATIONS.items(), ("platform.deploy_catalog", "AttachRolePolicy")]
"""The same, and one that leaves half of EMR's default roles."""

DELETIONS = {
    "delete_profiles": "DeleteUserProfile",
    "delete_catalog": "DeleteRole",
    "delete_studio": "DeleteDomain",
    "delete_network": "DeleteNatGateway",
    "delete_storage": "DeleteBucketPolicy",
}
"""A request that CloudFormation makes half way through each stack's deletion."""

WAITS = [
    ("end_clusters", "TerminateProvisionedProduct"),
    ("empty_domain", "DeleteApp"),
    ("empty_domain", "DeleteSpace"),
    ("empty_domain", "DeleteUserProfile"),
    *((task, "DeleteStack") for task in ("delete_profiles", "delete_catalog", "delete_studio")),
    ("remove_leftovers", "DeleteMountTarget"),
    *((task, "DeleteStack") for task in ("delete_network", "delete_storage")),
]
"""What the tasks of a destruction wait for."""


@pytest.fixture
def run(dags, local_aws, boundary):
    """``run("deploy_platform", form)``: a whole run, from its first task on."""

    def execute(dag_id: str, form: dict[str, Any], **settings: Any) -> None:
        play(dags[dag_id], form, on_task=boundary.on_task, **settings)

    return execute


@pytest.fixture(scope="module")
def ends():
    """Undisturbed ends, by form: told by the first test that asks."""
    return {}


@pytest.fixture
def undisturbed(ends, run, local_aws, boundary, endpoint_url):
    """``undisturbed(form, ...)``: what deployments leave; the account is empty again."""

    def end(*forms):
        key = repr(forms)
        if key not in ends:
            for form in forms:
                run("deploy_platform", form)
            ends[key] = snapshot(local_aws)
            requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
        return ends[key]

    return end


@pytest.mark.parametrize("task", CREATIONS)
def test_a_stack_whose_task_died_after_each_request_is_brought_to_the_same_end(
    task, undisturbed, run, boundary, local_aws
):
    end = undisturbed(FORM)
    for request in ("CreateChangeSet", "ExecuteChangeSet"):
        with boundary.dies_after((task, request)):
            run("deploy_platform", FORM)
    run("deploy_platform", FORM)
    assert snapshot(local_aws) == end


@pytest.mark.parametrize(("task", "request_"), HELD)
def test_a_stack_in_progress_whose_task_was_killed_is_waited_for(
    task, request_, undisturbed, run, boundary, local_aws
):
    end = undisturbed(FORM)
    with boundary.holds({task: request_}):
        with boundary.killed_after((task, "ExecuteChangeSet")):
            run("deploy_platform", FORM, deferrable=False)
        run("deploy_platform", FORM)
    assert snapshot(local_aws) == end


@pytest.mark.parametrize(("task", "request_"), CREATIONS.items())
def test_a_stack_that_failed_half_way_is_made_again(task, request_, undisturbed, run, boundary, local_aws):
    end = undisturbed(FORM)
    with boundary.refuses(request_), refused():
        run("deploy_platform", FORM)
    run("deploy_platform", FORM)
    assert snapshot(local_aws) == end


def test_a_deployment_that_died_after_each_of_its_changes_comes_to_the_same_end(
    undisturbed, run, boundary, local_aws
):
    end = undisturbed(FORM)
    died = boundary.die_once_after_each_change(lambda: run("deploy_platform", FORM))
    assert {task for task, _ in died} >= {
        *CREATIONS,
        "platform.stage_product",
        "platform.enable_studio_catalog",
    }
    assert snapshot(local_aws) == end


@pytest.mark.parametrize(("task", "request_"), [("platform.deploy_network", "CreateVpcEndpoint")])
def test_an_update_interrupted_in_every_way_comes_to_the_same_end(
    task, request_, undisturbed, run, boundary, local_aws
):
    changed = {**FORM, "create_interface_endpoints": True}
    end = undisturbed(FORM, changed)
    run("deploy_platform", FORM)
    with boundary.refuses(request_), refused():
        run("deploy_platform", changed)
    with boundary.dies_after((task, "CreateChangeSet")):
        run("deploy_platform", changed)
    with boundary.holds({task: request_}):
        with boundary.killed_after((task, "ExecuteChangeSet")):
            run("deploy_platform", changed, deferrable=False)
        run("deploy_platform", changed)
    assert snapshot(local_aws) == end


def test_a_profile_whose_removal_died_after_each_request_is_gone_in_the_end(
    undisturbed, run, boundary, local_aws
):
    nobody = {**FORM, "user_profiles": []}
    end = undisturbed(nobody)
    run("deploy_platform", FORM)
    add_space(local_aws("sagemaker"), outputs_of_all(local_aws)["DomainId"], "ada", "notes")
    for request in ("DeleteApp", "DeleteSpace", "DeleteStack"):
        with boundary.dies_after(("remove_profile", request)):
            run("deploy_platform", nobody)
    run("deploy_platform", nobody)
    assert snapshot(local_aws) == end


@pytest.fixture
def inhabited(run, boundary, local_aws):
    """A platform in use, to be taken down."""
    run("deploy_platform", FORM)
    inhabit(local_aws, boundary)


@pytest.fixture
def nothing_left(local_aws):
    """Nothing of the environment is left; EMR's default roles belong to the account."""

    def check():
        left = {kind: found for kind, found in inventory(local_aws).items() if any(found)}
        assert left.pop("roles") == [("EMR_DefaultRole", ()), ("EMR_EC2_DefaultRole", ())]
        assert left.pop("instance profiles") == ["EMR_EC2_DefaultRole"]
        assert left.pop("studio's catalog") == ["Enabled"]
        assert left == {}
        assert local_aws("cloudformation").describe_stacks()["Stacks"] == []

    return check


def test_a_destruction_that_died_after_each_of_its_changes_leaves_nothing(
    inhabited, run, boundary, nothing_left
):
    died = boundary.die_once_after_each_change(lambda: run("destroy_platform", END))
    assert {task for task, _ in died} >= {
        *DELETIONS,
        *(task for task, _ in WAITS),
        *("delete_endpoints", "revoke_rules_of_emr", "delete_buckets"),
    }
    nothing_left()


def test_a_destruction_that_was_killed_in_each_of_its_waits_leaves_nothing(
    inhabited, run, boundary, nothing_left
):
    with boundary.holds(DELETIONS):
        for step in WAITS:
            with boundary.killed_after(step):
                run("destroy_platform", END, deferrable=False)
        run("destroy_platform", END)
    nothing_left()


def test_a_destruction_in_which_each_stack_failed_half_way_leaves_nothing(
    inhabited, run, boundary, nothing_left
):
    for request in DELETIONS.values():
        with boundary.refuses(request), refused():
            run("destroy_platform", END)
    run("destroy_platform", END)
    nothing_left()


def test_an_interrupted_destruction_can_be_followed_by_a_deployment(undisturbed, run, boundary, local_aws):
    end = undisturbed(FORM)
    keep = {"confirm": "dev", "delete_home_file_system": True, "delete_buckets": True}
    run("deploy_platform", FORM)
    with boundary.dies_after(("delete_network", "DeleteStack")):
        run("destroy_platform", keep)
    run("deploy_platform", FORM)
    found = snapshot(local_aws)
    # EMR's default roles stayed, so the new catalog's stack uses them and does not own them.
    assert found["resources"] == end["resources"]
    assert {stack["status"] for stack in found["stacks"].values()} == {"CREATE_COMPLETE"}
    assert set(found["stacks"]) == set(end["stacks"])
