"""Leftovers of endpoints, and uploads: one that can't be ended does not keep it from the others.

Clusters, products and leases are in ``tests/dags/test_terminate_orphaned_clusters.py``, on the embedded AWS.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sagemaker_emr import names
from sagemaker_emr.exceptions import OrphansRemain, PlatformNotReady
from sagemaker_emr.operators.orphans import EndLeftoversOperator
from sagemaker_emr.orphan_report import ROWS, with_outcomes
from tests.airflow_names import AirflowSkipException
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
ENDPOINT = "sagemaker-emr-dev-delay"
OLD = datetime.now(UTC) - timedelta(days=10)
NAMES = [names.derive(ENDPOINT, "model", number) for number in range(3)]
TAGS = [{"Key": "sagemaker-emr:environment", "Value": "dev"}]
SETTLED = {"InService", "OutOfService", "Failed"}
"""UpdateRollbackFailed is not among them: such an endpoint serves a mix of both configurations."""


def stack(outputs):
    return {
        "Stacks": [
            {
                "StackName": "any",
                "CreationTime": OLD,
                "StackStatus": "UPDATE_ROLLBACK_FAILED",
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


class Hosting:
    """Three old configurations, each with its model; the newest first."""

    def __init__(self, aws):
        self.aws = aws
        outputs = {"ProductId": "prod-1", "ArtifactsBucket": "artifacts", "RawBucket": "raw"}
        aws.on("DescribeStacks", stack(outputs)).on("ListTags", {"Tags": TAGS})
        self.serve([])
        made = [OLD - timedelta(hours=number) for number in range(len(NAMES))]
        configs = [
            {"EndpointConfigName": name, "EndpointConfigArn": f"{ARN}endpoint-config/x", "CreationTime": when}
            for name, when in zip(NAMES, made, strict=True)
        ]
        models = [
            {"ModelName": name, "ModelArn": f"{ARN}model/x", "CreationTime": when}
            for name, when in zip(NAMES, made, strict=True)
        ]
        aws.on("ListEndpointConfigs", {"EndpointConfigs": configs}).on("ListModels", {"Models": models})
        by_name = {one["EndpointConfigName"]: one for one in configs}
        aws.on(
            "DescribeEndpointConfig",
            lambda request: {
                **by_name[request["EndpointConfigName"]],
                "ProductionVariants": [{"VariantName": "all", "ModelName": request["EndpointConfigName"]}],
            },
        )
        aws.on("DeleteEndpointConfig", {}).on("DeleteModel", {})
        aws.on("ListMultipartUploads", {"Uploads": []}).on("AbortMultipartUpload", {})

    def serve(self, endpoints):
        """The account's endpoints: name, configuration, state."""
        listed = [
            {
                "EndpointName": name,
                "EndpointArn": f"{ARN}endpoint/{name}",
                "CreationTime": OLD,
                "LastModifiedTime": OLD,
                "EndpointStatus": state,
            }
            for name, _, state in endpoints
        ]
        configs = {name: config for name, config, _ in endpoints}
        by_name = {one["EndpointName"]: one for one in listed}
        self.aws.on("ListEndpoints", {"Endpoints": listed})
        self.aws.on(
            "DescribeEndpoint",
            lambda request: {
                **by_name[request["EndpointName"]],
                "EndpointConfigName": configs[request["EndpointName"]],
            },
        )

    def deleted(self):
        configs = [one["EndpointConfigName"] for one in self.aws.requests("DeleteEndpointConfig")]
        return configs, [one["ModelName"] for one in self.aws.requests("DeleteModel")]


@pytest.fixture
def hosting(aws):
    return Hosting(aws)


def end(context, dry_run="False", keep_newest="1"):
    operator = EndLeftoversOperator(
        task_id="end_leftovers",
        environment="dev",
        leftover_hours="168",
        keep_newest=keep_newest,
        upload_hours="24",
        dry_run=dry_run,
        aws_conn_id=None,
    )
    return operator.execute(context)


def test_configurations_that_serve_nowhere_end_before_their_models_and_the_newest_stays(hosting, context):
    assert end(context) == {"end": 4, "keep": 2, "not ours": 0}
    assert hosting.deleted() == (NAMES[1:], NAMES[1:])
    order = [name for name, _ in hosting.aws.calls if name.startswith("Delete")]
    assert order == ["DeleteEndpointConfig"] * 2 + ["DeleteModel"] * 2


def test_a_dry_run_decides_the_same_and_deletes_nothing(hosting, context):
    assert end(context, dry_run="True")["end"] == 4
    assert hosting.deleted() == ([], [])


def test_what_an_endpoint_serves_stays_also_where_the_endpoint_is_not_ours(hosting, context):
    hosting.serve([("somebody-elses", NAMES[2], "InService")])
    end(context)
    assert hosting.deleted() == (NAMES[1:2], NAMES[1:2])


@pytest.mark.parametrize("state", aws_enums.ENDPOINT)
def test_an_endpoint_that_changes_keeps_what_it_may_go_back_to(hosting, context, state):
    hosting.serve([(ENDPOINT, NAMES[0], state)])
    end(context)
    assert hosting.deleted()[0] == (NAMES[1:] if state in SETTLED else [])


def test_one_that_was_deployed_again_meanwhile_stays(hosting, context):
    hosting.serve([(ENDPOINT, NAMES[1], "InService")])
    hosting.aws.on("ListEndpoints", {"Endpoints": []}, *hosting.aws._answers["ListEndpoints"])
    end(context)
    assert hosting.deleted()[0] == NAMES[2:]
    kept = [row for row in context["ti"].xcom[ROWS] if row["outcome"].startswith("kept")]
    assert [(row["kind"], row["resource"]) for row in kept] == [("endpoint configuration", NAMES[1])]


def test_one_that_can_not_be_ended_is_named_with_awss_reason_and_the_others_go(hosting, context):
    def refuse(request):
        return aws_error("AccessDeniedException") if request["ModelName"] == NAMES[1] else {}

    old = {"Key": "part", "UploadId": "u-1", "Initiated": OLD}
    hosting.aws.on("DeleteModel", refuse).on("ListMultipartUploads", {"Uploads": [old]}, {"Uploads": []})
    with pytest.raises(OrphansRemain) as raised:
        end(context)
    assert "1 leftovers" in str(raised.value)
    assert f"model {NAMES[1]}: An error occurred (AccessDeniedException)" in str(raised.value)
    assert hosting.deleted() == (NAMES[1:], NAMES[1:])
    assert [one["UploadId"] for one in hosting.aws.requests("AbortMultipartUpload")] == ["u-1"]
    outcomes = [row["outcome"] for row in context["ti"].xcom[ROWS] if row["decision"] == "end"]
    assert sorted(outcomes)[-4:] == ["ended"] * 4


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("DeleteModel", aws_error("ValidationException", "Could not find model x.")),
        ("AbortMultipartUpload", aws_error("NoSuchUpload")),
    ],
)
def test_what_is_gone_meanwhile_has_ended(hosting, context, operation, error):
    old = {"Key": "part", "UploadId": "u-1", "Initiated": OLD}
    hosting.aws.on(operation, error).on("ListMultipartUploads", {"Uploads": [old]}, {"Uploads": []})
    assert end(context)["end"] == 5
    assert {row["outcome"] for row in context["ti"].xcom[ROWS]} == {"ended", ""}


def test_an_environment_without_a_catalog_is_skipped_and_one_without_storage_is_told(aws, context):
    aws.on("DescribeStacks", aws_error("ValidationError", "Stack with id x does not exist"))
    with pytest.raises(AirflowSkipException):
        end(context)
    aws.on("DescribeStacks", stack({"ProductId": "prod-1"}))
    with pytest.raises(PlatformNotReady, match="no bucket"):
        end(context)


def test_a_thing_that_was_to_end_and_of_which_nothing_is_known_counts_as_left():
    row = {"resource": "r", "kind": "cluster", "decision": "end", "outcome": ""}
    failed = {"resource": "r", "kind": "cluster", "outcome": "denied"}
    [unknown] = with_outcomes([row], [None], [])
    assert "nothing is known" in unknown["outcome"]
    assert with_outcomes([row], [], [failed])[0]["outcome"] == "denied"
