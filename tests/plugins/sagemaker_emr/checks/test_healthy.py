"""A healthy platform has no finding, and reading it changes nothing."""

from __future__ import annotations

import pytest

from sagemaker_emr.checks.finding import Verdict

pytestmark = pytest.mark.local_aws


@pytest.fixture(scope="module")
def report(platform):
    return platform.report()


def test_a_healthy_platform_gives_no_finding(report):
    assert [str(finding) for finding in report.having(Verdict.FAILED)] == []


def test_only_types_that_cloudformation_does_not_compare_are_not_checked(report):
    assert {finding.check for finding in report.having(Verdict.NOT_CHECKED)} <= {"drift"}


def test_every_registered_check_ran(report):
    from sagemaker_emr.checks.registry import registered

    assert {finding.check for finding in report.findings} == {check.name for check in registered()}
    assert len(registered()) >= 25


def test_every_section_of_the_inspection_was_read(report):
    assert {section.title: section.not_read for section in report.inspection if section.not_read} == {}
    filled = {section.title for section in report.inspection if section.rows}
    assert filled == {section.title for section in report.inspection} - {"Apps"}
