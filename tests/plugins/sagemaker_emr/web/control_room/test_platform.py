"""The platform's part of the page."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest

from sagemaker_emr.checks.report import report_key
from sagemaker_emr.hooks.cloud_formation import STACK_STATES
from sagemaker_emr.web.control_room.models import Health
from sagemaker_emr.web.control_room.platform import _stack_health
from tests.plugins.sagemaker_emr.checks.conftest import platform, platforms
from tests.plugins.sagemaker_emr.web.control_room.conftest import HERE, NOW, Read, data, part

__all__ = ["platform", "platforms"]

REPORT = {
    "made_at": "2026-11-27T02:00:00+00:00",
    "counts": {"passed": 20, "failed": 2, "not checked": 1},
    "findings": [
        {
            "verdict": "failed",
            "title": "EMR's <b>roles</b>",
            "resources": ["EMR_DefaultRole"],
            "fix": "Create it.",
            "follows_from": None,
        },
        {"verdict": "failed", "title": "Follows", "resources": [], "fix": "", "follows_from": "EMR's roles"},
        {"verdict": "passed", "title": "Fine", "resources": [], "fix": None, "follows_from": None},
    ],
}


@pytest.mark.local_aws
def test_a_deployed_platform_is_told_in_six_calls(platform, browse, monkeypatch, calls, new_clients):
    monkeypatch.setenv("AWS_ENDPOINT_URL", platform.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", platform.key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", platform.key["SecretAccessKey"])
    calls()
    told = data(browse, "platform", "nat")
    assert Counter(calls()) == {"DescribeStacks": 4, "DescribeDomain": 1, "ListUserProfiles": 1}
    assert told["trouble"] is None
    found = told["data"]
    assert [(stack["concern"], stack["health"]) for stack in found["stacks"]] == [
        (concern, "good") for concern in ("storage", "network", "studio", "catalog")
    ]
    assert found["domain"]["domain_id"] == platform.outputs["DomainId"]
    assert (found["domain"]["network"], found["domain"]["health"]) == ("VpcOnly", "good")
    assert [(one["name"], one["health"]) for one in found["profiles"]] == [("data-scientist", "good")]
    shown = part(browse, "platform", "nat")
    assert "VPC only" in shown.text
    assert "This Airflow knows of none" in shown.text
    choice = Read(browse.get(f"{HERE}/parts/environments", params={"selected": "nat"}).text)
    assert [option["value"] for option in choice.all("option")] == ["nat"]


@pytest.mark.local_aws
def test_half_a_platform_shows_what_is_missing(account, browse, database):
    found = data(browse, "platform")["data"]
    assert {stack["concern"]: stack["health"] for stack in found["stacks"]} == {
        "storage": "good",
        "network": "missing",
        "studio": "missing",
        "catalog": "good",
    }
    assert found["domain"] is None
    assert "No domain: trigger" in part(browse, "platform").text


@pytest.mark.local_aws
def test_the_last_check_is_the_newest_run_that_left_a_report(account, browse, database, calls):
    database.add_run("check_platform", "manual__1", "failed", after=_at(1))
    database.add_run("deploy_platform", "manual <2>", "success", after=_at(2))
    database.add_run("check_platform", "without-report", "success", after=_at(3))
    database.add_run("check_platform", "of-another", "success", {"environment": "test"}, after=_at(4))
    database.add_run("check_platform", "not-ended", "running", after=_at(5))
    for dag_id, run_id in (("check_platform", "manual__1"), ("deploy_platform", "manual <2>")):
        key = report_key("dev", dag_id, run_id, "json")
        account.put(key, REPORT)
    calls()
    check = data(browse, "platform")["check"]
    assert Counter(calls())["GetObject"] == 2
    assert check["run"]["run_id"] == "manual <2>"
    assert check["counts"]["failed"] == 2
    assert check["to_mend"] == [
        {"check": "EMR's <b>roles</b>", "resources": ["EMR_DefaultRole"], "fix": "Create it."}
    ]
    shown = part(browse, "platform")
    assert "EMR's <b>roles</b>" in shown.text
    assert shown.all("b") == []


@pytest.mark.local_aws
def test_environments_are_told_by_their_stacks_names(account, browse):
    cloudformation = account.client("cloudformation")
    template = json.dumps({"Resources": {"Gateway": {"Type": "AWS::EC2::InternetGateway"}}})
    for name in ("sagemaker-emr-prod2-network", "sagemaker-emr-dev-profile-x", "other-dev-storage"):
        cloudformation.create_stack(StackName=name, TemplateBody=template)
    assert browse.get(f"{HERE}/api/environments").json()["data"] == {"names": ["dev", "prod2"]}


@pytest.mark.parametrize("status", sorted(STACK_STATES.states))
def test_each_state_of_a_stack_has_a_colour_that_fits(status):
    health = _stack_health(status)
    assert (health is Health.CHANGING) == status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS"
    if status.endswith("FAILED") or status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
        assert health is Health.BAD
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        assert health is Health.GOOD


def test_a_state_that_aws_adds_is_shown_and_not_taken_for_a_good_one():
    assert _stack_health("NEW_STATE") is Health.BAD


def _at(hour):
    return NOW + timedelta(hours=hour)
