"""Each check, by breaking exactly what it is for: the report names that, with its fix, and nothing else."""

from __future__ import annotations

import pytest

from sagemaker_emr.checks.finding import Verdict
from sagemaker_emr.checks.registry import registered
from tests.plugins.sagemaker_emr.checks.mutations import LASTING, MUTATIONS, check_mutation

pytestmark = pytest.mark.local_aws

WITHOUT_MUTATION = {"stacks_usable", "ec2_quota", "sagemaker_quotas"}
"""Tested below, each in its own way."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_report_names_exactly_what_was_broken(platform, name):
    check_mutation(platform, *MUTATIONS[name])


def test_a_quota_too_small_for_the_asked_cluster_is_named(platform):
    report = platform.report(core_instance_type="m5.4xlarge", core_instance_count="10")
    (finding,) = report.to_mend
    assert finding.check == "ec2_quota"
    assert "64 of 64 are left" in finding.cause
    assert "request-service-quota-increase" in finding.fix


def test_a_quota_too_small_for_the_asked_endpoint_is_named(platform):
    (finding,) = platform.report(endpoint_instance_count=9).to_mend
    assert finding.check == "sagemaker_quotas"
    assert "request-service-quota-increase" in finding.fix


def test_an_instance_type_without_a_listed_quota_is_not_checked(platform):
    report = platform.report(training_instance_type="ml.p4d.24xlarge", master_instance_type="p3.2xlarge")
    assert report.to_mend == []
    not_checked = {finding.check for finding in report.having(Verdict.NOT_CHECKED)}
    assert {"ec2_quota", "sagemaker_quotas"} <= not_checked


def test_a_missing_stack_is_named_and_what_needs_it_is_not_checked(platform, monkeypatch):
    from tests.plugins.sagemaker_emr.checks import conftest

    monkeypatch.setattr(conftest.Platform, "_stack", without("catalog", conftest.Platform._stack))
    report = platform.report()
    (finding,) = report.to_mend
    assert (finding.check, finding.resources) == ("stacks_usable", ("sagemaker-emr-dev-catalog",))
    assert "deploy_platform" in finding.fix
    not_checked = {one.check for one in report.having(Verdict.NOT_CHECKED)}
    assert {"launch_constraint", "visibility_tag", "product_template", "studio_principal"} <= not_checked


def without(concern, read):
    return lambda platform, asked: None if asked == concern else read(platform, asked)


def test_mended_the_platform_is_healthy_again(platform):
    assert [str(finding) for finding in platform.report().having(Verdict.FAILED)] == []


def test_every_check_has_a_mutation():
    broken = {check for check, _, _ in (MUTATIONS | LASTING).values()}
    assert broken | WITHOUT_MUTATION == {check.name for check in registered()}
