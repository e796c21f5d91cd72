"""Each check, by breaking exactly what it is for: the report names that, with its fix, and nothing else."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_emr.checks import diagnosis
from sagemaker_emr.checks.finding import Verdict, failed
from sagemaker_emr.checks.registry import registered
from tests.plugins.sagemaker_emr.checks.mutations import MUTATIONS, check_mutation

pytestmark = pytest.mark.local_aws

QUOTAS = {"ec2_quota", "sagemaker_quotas"}
"""Broken by asking for more than there is, below."""
LASTING = [name for name, one in MUTATIONS.items() if one.lasting]
FILES = sorted(Path(diagnosis.__path__[0]).glob("*.py"))

Site = tuple[str, int]


@pytest.fixture(scope="module")
def named() -> Iterator[set[Site]]:
    """Where in the checks a finding was made that says \"failed\", by file and line of the call."""
    sites: set[Site] = set()

    def noted(*arguments, **more):
        caller = inspect.currentframe().f_back
        sites.add((Path(caller.f_code.co_filename).name, caller.f_lineno))
        return failed(*arguments, **more)

    registered()
    with pytest.MonkeyPatch.context() as patch:
        for file in FILES:
            module = sys.modules.get(f"{diagnosis.__name__}.{file.stem}")
            if hasattr(module, "failed"):
                patch.setattr(module, "failed", noted)
        yield sites


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in LASTING])
def test_the_report_names_exactly_what_was_broken(platforms, named, name):
    check_mutation(platforms[MUTATIONS[name].on], MUTATIONS[name])


def test_a_quota_too_small_for_the_asked_cluster_is_named(platform, named):
    report = platform.report(core_instance_type="m5.4xlarge", core_instance_count="10")
    (finding,) = report.to_mend
    assert finding.check == "ec2_quota"
    assert "64 of 64 are left" in finding.cause
    assert "request-service-quota-increase" in finding.fix


def test_a_quota_used_up_by_other_instances_is_named(platform, named):
    cores = {"CoreCount": 30, "ThreadsPerCore": 2}
    running = {"InstanceType": "m5.16xlarge", "CpuOptions": cores}

    def alter(answer):
        answer["Reservations"] = [{"Instances": [running]}]

    with platform.answering("DescribeInstances", alter):
        (finding,) = platform.report().to_mend
    assert finding.check == "ec2_quota"
    assert "4 of 64 are left" in finding.cause


def test_a_quota_too_small_for_the_asked_endpoint_is_named(platform, named):
    (finding,) = platform.report(endpoint_instance_count=9).to_mend
    assert finding.check == "sagemaker_quotas"
    assert "request-service-quota-increase" in finding.fix


def test_a_quota_too_small_for_the_asked_training_is_named(platform, named):
    def alter(answer):
        for quota in answer["Quotas"]:
            quota["Value"] = 0.0

    with platform.answering("ListServiceQuotas", alter):
        findings = platform.report().to_mend
    assert {one.check for one in findings} == {"sagemaker_quotas"}
    assert "ml.m5.xlarge for training job usage" in findings[0].read


def test_no_page_of_quotas_is_read_beyond_those_needed(platform):
    with platform.answering("ListServiceQuotas", lambda answer: answer.update(NextToken="more")):
        report = platform.look({})
    read = [one for one in report.having(Verdict.PASSED) if one.check == "sagemaker_quotas"]
    assert len(read) == 2


def test_an_instance_type_without_a_listed_quota_is_not_checked(platform):
    report = platform.report(training_instance_type="ml.p4d.24xlarge", master_instance_type="p3.2xlarge")
    assert report.to_mend == []
    assert {finding.check for finding in report.having(Verdict.NOT_CHECKED)} >= QUOTAS


def test_a_missing_stack_is_named_and_what_needs_it_is_not_checked(platform, monkeypatch):
    from tests.plugins.sagemaker_emr.checks import conftest

    monkeypatch.setattr(conftest.Platform, "_stack", without("catalog", conftest.Platform._stack))
    report = platform.report()
    (finding,) = report.to_mend
    assert (finding.check, finding.resources) == ("stacks_usable", ("sagemaker-emr-nat-catalog",))
    assert "deploy_platform" in finding.fix
    not_checked = {one.check for one in report.having(Verdict.NOT_CHECKED)}
    assert {"launch_constraint", "visibility_tag", "product_template", "studio_principal"} <= not_checked


def without(concern, read):
    return lambda platform, asked: None if asked == concern else read(platform, asked)


def test_an_endpoint_that_was_deleted_explains_that_there_is_no_way_out(platforms):
    with MUTATIONS["sts_endpoint_deleted"].broken(platforms["endpoints"]):
        findings = platforms["endpoints"].report().having(Verdict.FAILED)
    assert {(one.check, one.follows_from) for one in findings} == {
        ("endpoints", None),
        ("way_out", "endpoints"),
    }


def test_a_port_that_the_account_permits_may_be_open(platform):
    ec2, group = platform.client("ec2"), platform.outputs["EmrMasterSecurityGroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    found = [one.check for one in platform.report().to_mend]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    assert "emr_groups_closed" not in found


def test_a_drift_detection_that_failed_is_not_checked(platform):
    drift = platform.detect_drift()
    drift["network"] = {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": "no permission"}
    report = platform.look({**drift, "studio": None})
    reasons = {one.cause for one in report.having(Verdict.NOT_CHECKED) if one.check == "drift"}
    assert {"no permission", "no detection ran"} <= reasons
    assert report.to_mend == []


def test_mended_the_platforms_are_healthy_again(platforms):
    for deployed in platforms.deployed.values():
        assert [str(finding) for finding in deployed.report().having(Verdict.FAILED)] == []


@pytest.mark.parametrize("name", LASTING)
def test_the_report_names_exactly_what_was_broken_for_good(platforms, named, name):
    check_mutation(platforms[MUTATIONS[name].on], MUTATIONS[name])


def test_every_check_has_a_mutation():
    broken = {one.check for one in MUTATIONS.values()}
    assert broken | QUOTAS == {check.name for check in registered()}


def test_every_cause_that_a_check_can_name_was_named(named):
    """It looks at what the tests above named: run them with it."""
    calls = {
        (file.name, node.lineno): node.end_lineno
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failed"
    }
    found = {
        site
        for site, end in calls.items()
        if any(name == site[0] and site[1] <= line <= end for name, line in named)
    }
    assert sorted(set(calls) - found) == []
