"""Studio from Airflow, on the embedded AWS."""

from __future__ import annotations

import json
import logging

import pytest
import requests
from botocore.exceptions import ClientError

from local_aws.sagemaker import studio_members
from sagemaker_emr.exceptions import (
    ApprovalRequired,
    DeadlineExceeded,
    InvalidInput,
    PlatformNotReady,
    SageMakerEmrError,
    UnknownState,
)
from sagemaker_emr.hooks.sagemaker_studio import SageMakerStudioHook
from sagemaker_emr.operators.sagemaker_studio import (
    SageMakerDeleteSpacesOperator,
    SageMakerEnableServiceCatalogPortfolioOperator,
    SageMakerListStudioOperator,
    SageMakerOpenStudioOperator,
)
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.studio import add_classic_apps, add_space, make_domain

pytestmark = pytest.mark.local_aws

both = pytest.mark.parametrize("deferrable", [True, False])


@pytest.fixture(autouse=True)
def domains_come_soon(monkeypatch):
    monkeypatch.setattr(studio_members, "DOMAIN_PENDING_SECONDS", 10.0)


def open_studio(domain_id, profile):
    return SageMakerOpenStudioOperator(
        task_id="open_studio", domain_id=domain_id, user_profile_name=profile, aws_conn_id=None
    )


def test_opening_studio_names_the_profile_and_holds_no_way_in(run_task, context, local_aws, caplog):
    domain_id = make_domain(local_aws, "ana")
    with caplog.at_level(logging.DEBUG):
        result = run_task(lambda: open_studio(domain_id, "ana"))
    assert result == {"domain_id": domain_id, "user_profile_name": "ana"}
    pushed = context["ti"].xcom["sagemaker_studio"]
    assert (pushed["domain_id"], pushed["user_profile_name"]) == (domain_id, "ana")
    assert pushed["region_name"] == "us-east-1"
    assert "token" not in json.dumps([result, context["ti"].xcom])
    assert "token=" not in caplog.text


def test_an_unknown_profile_is_refused_with_those_there_are(run_task, local_aws):
    domain_id = make_domain(local_aws, "ana", "ben")
    with pytest.raises(InvalidInput) as refused:
        run_task(lambda: open_studio(domain_id, "eve"))
    assert f"Domain {domain_id} has no user profile eve" in str(refused.value)
    assert "ana, ben" in str(refused.value)


@pytest.mark.parametrize("status", aws_enums.USER_PROFILE)
def test_a_profile_is_entered_in_each_state_in_which_it_can_be_used(run_task, aws, status):
    aws.on("DescribeUserProfile", {"Status": status, "FailureReason": "said SageMaker"})
    if status in ("InService", "Updating"):
        assert run_task(lambda: open_studio("d-1", "ana"))["user_profile_name"] == "ana"
        return
    with pytest.raises(PlatformNotReady, match=f"is {status}") as refused:
        run_task(lambda: open_studio("d-1", "ana"))
    assert refused.value.reason == "said SageMaker"


def test_a_presigned_url_enters_as_the_profile_and_is_in_no_log(local_aws, caplog):
    domain_id = make_domain(local_aws, "ana")
    with caplog.at_level(logging.DEBUG):
        url = SageMakerStudioHook(aws_conn_id=None).presigned_url(domain_id, "ana")
    assert url.split("token=")[1] not in caplog.text
    page = requests.get(url, timeout=5)
    assert page.status_code == 200
    assert "user profile ana" in page.text


def test_listing_tells_studio_classic_from_todays_studio(run_task, local_aws):
    domain_id, sagemaker = make_domain(local_aws, "ana", "ben"), local_aws("sagemaker")
    add_space(sagemaker, domain_id, "ana", "lab")
    add_classic_apps(sagemaker, domain_id, "ben")
    listed = run_task(
        lambda: SageMakerListStudioOperator(task_id="list", domain_id=domain_id, aws_conn_id=None)
    )
    assert [profile["name"] for profile in listed["user_profiles"]] == ["ana", "ben"]
    assert [(space["name"], space["owner"]) for space in listed["spaces"]] == [("lab", "ana")]
    assert {(app["type"], app["of"], app["classic"]) for app in listed["apps"]} == {
        ("JupyterLab", "lab", False),
        ("JupyterServer", "ben", True),
        ("KernelGateway", "ben", True),
    }


def empty(domain_id, deferrable=True, **more):
    return SageMakerDeleteSpacesOperator(
        task_id="empty", domain_id=domain_id, deferrable=deferrable, aws_conn_id=None, **more
    )


@both
def test_emptying_takes_apps_then_spaces_then_profiles(run_task, local_aws, deferrable):
    domain_id, sagemaker = make_domain(local_aws, "ana", "ben"), local_aws("sagemaker")
    add_space(sagemaker, domain_id, "ana", "lab")
    add_classic_apps(sagemaker, domain_id, "ben")
    run_task(lambda: empty(domain_id, deferrable, delete_spaces=True, delete_user_profiles=True))
    assert {app["Status"] for app in sagemaker.list_apps(DomainIdEquals=domain_id)["Apps"]} == {"Deleted"}
    assert sagemaker.list_spaces(DomainIdEquals=domain_id)["Spaces"] == []
    assert sagemaker.list_user_profiles(DomainIdEquals=domain_id)["UserProfiles"] == []
    sagemaker.delete_domain(DomainId=domain_id)


def test_emptying_for_one_profile_touches_no_other(run_task, local_aws):
    domain_id, sagemaker = make_domain(local_aws, "ana", "ben"), local_aws("sagemaker")
    add_space(sagemaker, domain_id, "ana", "lab-of-ana")
    add_space(sagemaker, domain_id, "ben", "lab-of-ben")
    run_task(lambda: empty(domain_id, user_profile_names=["ana"], delete_spaces="True"))
    [space] = sagemaker.list_spaces(DomainIdEquals=domain_id)["Spaces"]
    assert space["SpaceName"] == "lab-of-ben"
    live = [
        app for app in sagemaker.list_apps(DomainIdEquals=domain_id)["Apps"] if app["Status"] != "Deleted"
    ]
    assert [app["SpaceName"] for app in live] == ["lab-of-ben"]
    assert len(sagemaker.list_user_profiles(DomainIdEquals=domain_id)["UserProfiles"]) == 2
    sagemaker.delete_user_profile(DomainId=domain_id, UserProfileName="ana")


def test_spaces_hold_files_and_are_not_deleted_unasked(run_task, local_aws):
    domain_id, sagemaker = make_domain(local_aws, "ana"), local_aws("sagemaker")
    add_space(sagemaker, domain_id, "ana", "lab")
    with pytest.raises(ApprovalRequired, match="lab"):
        run_task(lambda: empty(domain_id))
    assert sagemaker.list_apps(DomainIdEquals=domain_id)["Apps"][0]["Status"] != "Deleting"


def test_an_empty_domain_is_left_at_once(run_task, local_aws):
    domain_id = make_domain(local_aws)
    assert run_task(lambda: empty(domain_id)) == {"domain_id": domain_id}


SPACE = {"DomainId": "d-1", "SpaceName": "lab"}
PROFILE = {"DomainId": "d-1", "UserProfileName": "ana"}
APP = {**SPACE, "AppType": "JupyterLab", "AppName": "default"}


class Contents:
    """A domain with one entry of one kind, which goes on deletion unless it is told otherwise."""

    def __init__(self, aws, kind, status, after_deletion=None):
        self.aws, self.kind, self.status = aws, kind, status
        for name, entry in (("App", APP), ("Space", SPACE), ("UserProfile", PROFILE)):
            mine = kind == name
            aws.on(f"List{name}s", lambda _, n=name, e=entry, m=mine: {f"{n}s": self._listed(e) if m else []})
        aws.on(f"Delete{kind}", lambda _: setattr(self, "status", after_deletion) or {})
        aws.on(f"Describe{kind}", lambda _: {"Status": self.status, "FailureReason": "volume in use"})

    def _listed(self, entry):
        return [{**entry, "Status": self.status}] if self.status else []

    def deletions(self):
        return len(self.aws.requests(f"Delete{self.kind}"))


EACH_STATE = [
    (kind, status)
    for kind, states in (
        ("App", aws_enums.APP),
        ("Space", aws_enums.SPACE),
        ("UserProfile", aws_enums.USER_PROFILE),
    )
    for status in states
]
CHANGING = ("Pending", "Updating", "Deleting")


def empty_all(seconds=60):
    return empty("d-1", delete_spaces=True, delete_user_profiles=True, timeout_seconds=seconds)


@pytest.mark.parametrize(("kind", "status"), EACH_STATE)
def test_from_each_state_what_lives_in_a_domain_is_deleted_or_its_change_waited_for(
    run_task, aws, kind, status
):
    contents = Contents(aws, kind, status)
    if status in CHANGING:
        with pytest.raises(DeadlineExceeded, match="apps and spaces") as late:
            run_task(lambda: empty_all(seconds=0.05))
        assert status in late.value.reason
    else:
        assert run_task(empty_all) == {"domain_id": "d-1"}
    assert contents.deletions() == (0 if status in (*CHANGING, "Deleted") else 1)


@pytest.mark.parametrize("kind", ["App", "Space", "UserProfile"])
def test_a_state_from_the_future_is_named(run_task, aws, kind):
    Contents(aws, kind, "Hibernated")
    with pytest.raises(UnknownState, match="Hibernated"):
        run_task(empty_all)


@pytest.mark.parametrize("kind", ["Space", "UserProfile"])
def test_a_deletion_that_fails_again_says_why(run_task, aws, kind):
    contents = Contents(aws, kind, "Delete_Failed", after_deletion="Delete_Failed")
    with pytest.raises(SageMakerEmrError, match="volume in use"):
        run_task(empty_all)
    assert contents.deletions() <= 2


def test_the_portfolio_is_switched_on_once(run_task, local_aws):
    def enable():
        return SageMakerEnableServiceCatalogPortfolioOperator(task_id="enable", aws_conn_id=None)

    assert [run_task(enable), run_task(enable)] == [True, False]
    status = local_aws("sagemaker").get_sagemaker_servicecatalog_portfolio_status()["Status"]
    assert status == "Enabled"


def test_a_region_without_that_switch_is_gone_on_with_and_any_other_refusal_is_not(run_task, aws):
    def enable():
        return SageMakerEnableServiceCatalogPortfolioOperator(task_id="enable", aws_conn_id=None)

    aws.on("GetSagemakerServicecatalogPortfolioStatus", aws_error("UnknownOperationException"))
    assert run_task(enable) is False
    aws.on("GetSagemakerServicecatalogPortfolioStatus", aws_error("AccessDeniedException"))
    with pytest.raises(ClientError, match="AccessDenied"):
        run_task(enable)
