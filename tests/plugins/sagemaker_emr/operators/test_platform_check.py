"""The task that diagnoses a platform, against the embedded AWS."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import requests

from sagemaker_emr.checks.registry import registered
from sagemaker_emr.exceptions import PlatformNotReady
from sagemaker_emr.hooks.s3 import split_uri
from sagemaker_emr.links.s3 import PlatformReportLink
from sagemaker_emr.operators.platform_check import ADVISORY, CheckPlatformOperator
from tests.plugins.sagemaker_emr.checks.conftest import platform, platforms
from tests.plugins.sagemaker_emr.checks.mutations import MUTATIONS

__all__ = ["platform", "platforms"]

pytestmark = pytest.mark.local_aws

READ = ("Describe", "Detect", "Get", "Head", "List", "Simulate", "Validate")


@pytest.fixture
def check(platform, monkeypatch, run_task):
    monkeypatch.setenv("AWS_ENDPOINT_URL", platform.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", platform.key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", platform.key["SecretAccessKey"])

    def run(**kwargs):
        arguments = {"environment": "nat", "aws_conn_id": None, **kwargs}
        return run_task(lambda: CheckPlatformOperator(task_id="check_platform", **arguments))

    return run


def calls(platform, since=0):
    answer = requests.get(f"{platform.endpoint_url}/_local/requests", params={"since": since}, timeout=10)
    return answer.json()


@pytest.mark.parametrize("deferrable", [True, False])
def test_it_reads_only_and_writes_nothing_but_its_report(platform, check, deferrable):
    since = calls(platform)[-1]["seq"]
    result = check(deferrable=deferrable, fail_on_findings="True")
    made = calls(platform, since)
    others = [one for one in made if not one["operation"].startswith(READ)]
    assert [(one["service"], one["operation"]) for one in others] == [("s3", "PutObject")] * 2
    assert result["counts"]["failed"] == 0
    assert result["to_mend"] == []


CALLS = 72
"""docs/platform.md states it: with four stacks, one profile, one subnet and no live cluster."""


def test_it_makes_a_bounded_number_of_calls(platform, check):
    since = calls(platform)[-1]["seq"]
    check(deferrable=False)
    made = [one["operation"] for one in calls(platform, since)]
    polls = made.count("DescribeStackDriftDetectionStatus")
    assert len(made) - polls <= CALLS, Counter(made).most_common(12)


def test_the_report_is_stored_as_a_page_and_as_json(platform, check):
    result = check(demand={"core_instance_type": "m5.4xlarge", "core_instance_count": "10"})
    s3 = platform.client("s3")
    stored = {
        kind: s3.get_object(**dict(zip(("Bucket", "Key"), split_uri(result[kind]), strict=True)))
        for kind in ("html", "json")
    }
    assert stored["html"]["ContentType"].startswith("text/html")
    assert "The EC2 quota leaves room for a cluster" in stored["html"]["Body"].read().decode()
    whole = json.loads(stored["json"]["Body"].read())
    assert {one["check"] for one in whole["findings"] if one["verdict"] == "failed"} == {"ec2_quota"}
    assert "Security groups" in {section["title"] for section in whole["inspection"]}


def test_a_finding_fails_the_task_only_where_that_is_asked(platform, check):
    closed = MUTATIONS["livy_closed_to_studio"]
    with closed.broken(platform):
        assert [one["check"] for one in check(fail_on_findings="False")["to_mend"]] == ["livy_from_studio"]
        with pytest.raises(PlatformNotReady) as failed:
            check(fail_on_findings="True")
    assert "Cannot connect to livy service" in str(failed.value)
    assert closed.fix in str(failed.value)


def test_what_is_the_accounts_is_reported_and_does_not_fail_a_deployment(platform, check):
    broken = MUTATIONS["public_access_allowed"].broken
    with broken(platform):
        result = check(fail_on_findings="True", advisory=ADVISORY)
    assert [one["check"] for one in result["to_mend"]] == ["block_public_access"]
    broken = MUTATIONS["livy_closed_to_studio"].broken
    with broken(platform), pytest.raises(PlatformNotReady):
        check(fail_on_findings="True", advisory=ADVISORY)


def test_advisory_checks_exist():
    assert {one.name for one in registered()} >= ADVISORY


def test_the_report_is_linked_also_where_the_task_fails(platform, check, context):
    broken = MUTATIONS["livy_closed_to_studio"].broken
    with broken(platform), pytest.raises(PlatformNotReady):
        check(fail_on_findings="True")
    link = context["ti"].xcom[PlatformReportLink.key]
    assert link["bucket"] == platform.outputs["ArtifactsBucket"]
    platform.client("s3").head_object(Bucket=link["bucket"], Key=link["object_key"])


def test_an_environment_that_does_not_exist_is_reported_without_a_bucket_to_write_to(check):
    result = check(environment="nowhere")
    assert (result["html"], result["json"]) == (None, None)
    assert [one["check"] for one in result["to_mend"]] == ["stacks_usable"] * 4
    assert result["counts"]["not checked"] >= 25
