"""A healthy platform has no finding, whichever way out it has, and reading it changes nothing."""

from __future__ import annotations

import pytest

from sagemaker_emr.checks.finding import Verdict
from sagemaker_emr.checks.registry import registered
from tests.plugins.sagemaker_emr.checks.conftest import VARIANTS

pytestmark = pytest.mark.local_aws

NEVER_DENIED = {"GetCallerIdentity"}
"""AWS answers it whatever the policies say: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@pytest.fixture(scope="module")
def reports(platforms):
    return {variant: platforms[variant].report() for variant in VARIANTS}


@pytest.fixture(params=VARIANTS)
def report(reports, request):
    return reports[request.param]


def test_a_healthy_platform_gives_no_finding(report):
    assert [str(finding) for finding in report.having(Verdict.FAILED)] == []


def test_only_types_that_cloudformation_does_not_compare_are_not_checked(report):
    assert {finding.check for finding in report.having(Verdict.NOT_CHECKED)} <= {"drift"}


def test_every_registered_check_ran(report):
    assert {finding.check for finding in report.findings} == {check.name for check in registered()}
    assert len(registered()) >= 25


def test_every_section_of_the_inspection_was_read(report):
    assert {section.title: section.not_read for section in report.inspection if section.not_read} == {}
    empty = {section.title for section in report.inspection if not section.rows}
    assert empty <= {"Apps", "NAT gateways"}


def test_a_role_that_a_user_brings_is_looked_at(platforms, reports):
    role = platforms["existing"].outputs["AdasRoleArn"]
    looked = {one.check for one in reports["existing"].having(Verdict.PASSED) if role in one.resources}
    assert looked == {"execution_role_trust", "execution_role_permissions", "studio_principal"}


def test_what_a_refused_call_would_have_told_is_not_checked_and_never_failed(platform):
    drift = platform.detect_drift()
    platform.called.clear()
    platform.look(drift)
    asked = platform.called - NEVER_DENIED
    assert len(asked) > 30
    for operation in sorted(asked):
        platform.denied = {operation}
        report = platform.look(drift)
        platform.denied = set()
        assert [str(one) for one in report.having(Verdict.FAILED)] == [], operation
        open_ = [one for one in report.having(Verdict.NOT_CHECKED) if operation in one.cause]
        unread = [one for one in report.inspection if operation in one.not_read]
        assert open_ or unread, operation
        assert all(operation in one.fix for one in open_), operation
