from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_emr.exceptions import (
    DeadlineExceeded,
    EndpointFailed,
    EndpointUnusable,
    InvalidInput,
    ResourceConflict,
    UnknownState,
)
from sagemaker_emr.operators.sagemaker_endpoint import SageMakerDeployEndpointOperator
from tests.airflow_names import AirflowFailException
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import Run, ScriptedAws, aws_error

ENDPOINT = "sagemaker-emr-dev-flight-delay"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
ROLE = "arn:aws:iam::123456789012:role/execution"
CONTAINER = {
    "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
    "ModelDataUrl": "s3://artifacts/training/job-1/output/model.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
}
OLD_CONFIG = "config-of-last-week"
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")

both = pytest.mark.parametrize("deferrable", [True, False])


class Hosting:
    """Models, configurations and one endpoint; an operation on it takes some looks, then ends as told."""

    def __init__(self, aws: ScriptedAws) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, Any] | None = None
        self.approval = "Approved"
        self.trained_until: str | None = None
        self.tags: dict[str, dict[str, str]] = {}
        aws.on("ListTags", lambda request: {"Tags": self._tags(request["ResourceArn"])})
        self.outcome = "InService"
        self.looks = 2
        for kind, key in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
            aws.on(f"Create{kind}", self._creator(kind, key)).on(f"Describe{kind}", self._describer(key))
        aws.on("DescribeModelPackage", lambda request: self._package(request["ModelPackageName"]))
        aws.on("CreateEndpoint", self._create).on("UpdateEndpoint", self._update)
        aws.on("DescribeEndpoint", self._describe).on("DeleteEndpoint", self._delete)
        aws.on("DescribeLogStreams", {"logStreams": [{"logStreamName": "AllTraffic/i-1"}]})
        aws.on("GetLogEvents", {"events": [{"message": "ImportError: xgboost"}], "nextForwardToken": "f/1"})

    def _package(self, arn: str) -> dict[str, Any]:
        return {
            "ModelPackageName": "m",
            "ModelPackageArn": arn,
            "CreationTime": datetime.now(UTC),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "ModelApprovalStatus": self.approval,
            "InferenceSpecification": {"Containers": [CONTAINER]},
            **(
                {"CustomerMetadataProperties": {"trained_until": self.trained_until}}
                if self.trained_until
                else {}
            ),
        }

    def _tags(self, arn: str) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags[arn.split("/")[-1]].items()]

    def _creator(self, kind: str, key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def create(request: dict[str, Any]) -> dict[str, Any]:
            if request[key] in self.kept:
                raise aws_error("ValidationException", f"Cannot create already existing {kind}.")
            self.tags[request[key]] = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            self.kept[request[key]] = {name: value for name, value in request.items() if name != "Tags"}
            return {f"{kind}Arn": f"{ARN}{kind.lower().replace('config', '-config')}/{request[key]}"}

        return create

    def _describer(self, key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        arn = {
            "ModelName": ("ModelArn", "model"),
            "EndpointConfigName": ("EndpointConfigArn", "endpoint-config"),
        }[key]

        def describe(request: dict[str, Any]) -> dict[str, Any]:
            if request[key] not in self.kept:
                raise aws_error("ValidationException", f'Could not find "{request[key]}".')
            return {
                **self.kept[request[key]],
                arn[0]: f"{ARN}{arn[1]}/{request[key]}",
                "CreationTime": datetime.now(UTC),
            }

        return describe

    def keep_config(self, name: str, trained_until: str | None) -> None:
        """A configuration that another run made, of a model that was trained until that day."""
        variant = {"VariantName": "AllTraffic", "ModelName": "another"}
        self.kept[name] = {"EndpointConfigName": name, "ProductionVariants": [variant]}
        self.tags[name] = {"sagemaker-emr:trained-until": trained_until} if trained_until else {}

    def serve(self, config: str, status: str = "InService", **more: Any) -> None:
        self.endpoint = {"config": config, "target": config, "status": status, "looks": 0, **more}

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        self.serve(request["EndpointConfigName"], "Creating", looks=self.looks)
        return {"EndpointArn": f"{ARN}endpoint/{ENDPOINT}"}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.endpoint
        if self.endpoint["status"] in ("Creating", "Updating"):
            raise aws_error("ValidationException", "Cannot update in-progress endpoint.")
        self.endpoint |= {"status": "Updating", "target": request["EndpointConfigName"], "looks": self.looks}
        return {"EndpointArn": f"{ARN}endpoint/{ENDPOINT}"}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.endpoint
        self.endpoint |= {"status": "Deleting", "looks": self.looks}
        return {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.endpoint is None:
            raise aws_error("ValidationException", f'Could not find endpoint "{ARN}endpoint/{ENDPOINT}".')
        endpoint = self.endpoint
        if endpoint["status"] in BUSY:
            endpoint["looks"] -= 1
            if endpoint["looks"] < 0 and endpoint["status"] == "Deleting":
                self.endpoint = None
                raise aws_error("ValidationException", "Could not find endpoint")
            if endpoint["looks"] < 0:
                self._settle(endpoint)
        now = datetime.now(UTC)
        described = {
            "EndpointName": ENDPOINT,
            "EndpointArn": f"{ARN}endpoint/{ENDPOINT}",
            "EndpointConfigName": endpoint["config"],
            "EndpointStatus": endpoint["status"],
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if endpoint["status"] == "Updating" and endpoint["target"] != endpoint["config"]:
            described["PendingDeploymentSummary"] = {"EndpointConfigName": endpoint["target"]}
        if "reason" in endpoint:
            described["FailureReason"] = endpoint["reason"]
        return described

    def _settle(self, endpoint: dict[str, Any]) -> None:
        if self.outcome == "InService" or endpoint["status"] in ("SystemUpdating", "RollingBack"):
            endpoint |= {"status": "InService", "config": endpoint["target"]}
        elif self.outcome in aws_enums.ENDPOINT:
            endpoint |= {"status": self.outcome, "reason": "no capacity"}
        else:
            failed = "Failed" if endpoint["status"] == "Creating" else "InService"
            endpoint |= {"status": failed, "reason": "The container did not pass the ping health check"}


@pytest.fixture
def hosting(aws: ScriptedAws) -> Hosting:
    return Hosting(aws)


def deploy(**changes: Any) -> SageMakerDeployEndpointOperator:
    parameters = {
        "task_id": "deploy_model",
        "aws_conn_id": None,
        "environment": "dev",
        "endpoint_name": ENDPOINT,
        "model_package_arn": f"{ARN}model-package/{ENDPOINT}/3",
        "role_arn": ROLE,
        "instance_type": "ml.m5.large",
        "initial_instance_count": "1",
        "timeout_seconds": 60,
        **changes,
    }
    return SageMakerDeployEndpointOperator(**parameters)


@both
def test_an_endpoint_is_created(run_task: Run, aws: ScriptedAws, hosting: Hosting, deferrable: bool) -> None:
    result = run_task(lambda: deploy(deferrable=deferrable))

    [model] = aws.requests("CreateModel")
    [config] = aws.requests("CreateEndpointConfig")
    assert result == {
        "endpoint_name": ENDPOINT,
        "endpoint_config_name": config["EndpointConfigName"],
        "model_name": model["ModelName"],
    }
    assert model["PrimaryContainer"] == CONTAINER
    assert model["ExecutionRoleArn"] == ROLE
    [variant] = config["ProductionVariants"]
    assert variant["InstanceType"] == "ml.m5.large"
    assert variant["InitialInstanceCount"] == 1
    assert {tag["Key"] for tag in aws.requests("CreateEndpoint")[0]["Tags"]} > {"sagemaker-emr:environment"}


def test_each_output_is_to_be_had_by_its_name() -> None:
    """Airflow pushes them one by one, as ``deploy_model.output["endpoint_config_name"]`` needs."""
    assert deploy().multiple_outputs


@both
def test_an_endpoint_with_another_configuration_is_updated(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, deferrable: bool
) -> None:
    hosting.serve(OLD_CONFIG)
    result = run_task(lambda: deploy(deferrable=deferrable))
    assert hosting.endpoint is not None
    assert hosting.endpoint["config"] == result["endpoint_config_name"]
    assert not aws.requests("CreateEndpoint")


OURS = "2013-02-14"


@both
def test_a_model_of_later_days_is_left_serving(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, deferrable: bool
) -> None:
    hosting.trained_until = OURS
    hosting.keep_config("newer", "2013-02-15")
    hosting.serve("newer")
    result = run_task(lambda: deploy(deferrable=deferrable))
    assert result["endpoint_config_name"] in hosting.kept
    assert hosting.endpoint is not None
    assert hosting.endpoint["config"] == "newer"
    assert not aws.requests("UpdateEndpoint")


@pytest.mark.parametrize("theirs", ["2013-02-13", OURS, None])
def test_a_model_of_earlier_the_same_or_unknown_days_is_replaced(
    run_task: Run, hosting: Hosting, theirs: str | None
) -> None:
    hosting.trained_until = OURS
    hosting.keep_config("other", theirs)
    hosting.serve("other")
    result = run_task(deploy)
    assert hosting.endpoint is not None
    assert hosting.endpoint["config"] == result["endpoint_config_name"]
    assert hosting.tags[result["endpoint_config_name"]]["sagemaker-emr:trained-until"] == OURS


def test_a_newer_model_is_replaced_where_the_form_says_so(run_task: Run, hosting: Hosting) -> None:
    hosting.trained_until = OURS
    hosting.keep_config("newer", "2013-02-15")
    hosting.serve("newer")
    result = run_task(lambda: deploy(replace_newer="True"))
    assert hosting.endpoint is not None
    assert hosting.endpoint["config"] == result["endpoint_config_name"]


@both
def test_a_newer_model_that_another_run_is_deploying_is_left_to_come(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, deferrable: bool
) -> None:
    hosting.trained_until = OURS
    hosting.keep_config(OLD_CONFIG, "2013-02-01")
    hosting.keep_config("newer", "2013-02-15")
    hosting.serve(OLD_CONFIG, "Updating", target="newer", looks=3)
    run_task(lambda: deploy(deferrable=deferrable))
    assert hosting.endpoint is not None
    assert hosting.endpoint["config"] == "newer"
    assert not aws.requests("UpdateEndpoint")


def test_a_newer_model_that_overtakes_our_update_is_no_failure(
    run_task: Run, aws: ScriptedAws, hosting: Hosting
) -> None:
    hosting.trained_until = OURS
    hosting.keep_config(OLD_CONFIG, "2013-02-01")
    hosting.keep_config("newer", "2013-02-15")
    hosting.serve(OLD_CONFIG)
    update = hosting._update

    def overtaken(request: dict[str, Any]) -> dict[str, Any]:
        answer = update(request)
        hosting.serve("newer")
        return answer

    aws.on("UpdateEndpoint", overtaken)
    run_task(deploy)
    assert len(aws.requests("UpdateEndpoint")) == 1


def test_deploying_again_finds_everything_as_it_is(run_task: Run, aws: ScriptedAws, hosting: Hosting) -> None:
    first = run_task(deploy)
    assert run_task(deploy) == first
    assert len(aws.requests("CreateEndpoint")) == 1
    assert not aws.requests("UpdateEndpoint")
    assert len(hosting.kept) == 2


@both
@pytest.mark.parametrize("status", ["Creating", "Updating"])
def test_a_retry_attaches_to_the_operation_under_way(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, status: str, deferrable: bool
) -> None:
    ours = run_task(deploy)["endpoint_config_name"]
    aws.calls.clear()
    hosting.serve(ours if status == "Creating" else OLD_CONFIG, status, looks=2, target=ours)
    assert run_task(lambda: deploy(deferrable=deferrable))["endpoint_config_name"] == ours
    assert not aws.requests("CreateEndpoint") + aws.requests("UpdateEndpoint")


def test_an_operation_of_someone_else_is_waited_for_before_ours(
    run_task: Run, aws: ScriptedAws, hosting: Hosting
) -> None:
    hosting.serve(OLD_CONFIG, "Updating", looks=2, target="config-of-another-run")
    result = run_task(deploy)
    [update] = aws.requests("UpdateEndpoint")
    assert update["EndpointConfigName"] == result["endpoint_config_name"]


@both
def test_a_failed_creation_tells_its_reason_and_the_containers_last_words(
    run_task: Run, hosting: Hosting, capsys: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    hosting.outcome = "fail"
    with pytest.raises(EndpointFailed, match="ping health check") as caught:
        run_task(lambda: deploy(deferrable=deferrable))
    assert "The next try creates it anew" in str(caught.value)
    assert "ImportError: xgboost" in capsys.readouterr().out


@both
def test_after_a_failed_update_the_previous_endpoint_keeps_serving(
    run_task: Run, hosting: Hosting, deferrable: bool
) -> None:
    hosting.serve(OLD_CONFIG)
    hosting.outcome = "fail"
    with pytest.raises(EndpointFailed, match="ping health check") as caught:
        run_task(lambda: deploy(deferrable=deferrable))
    assert f"previous endpoint keeps serving, with {OLD_CONFIG}" in str(caught.value)


def test_an_attached_update_that_is_rolled_back_fails(run_task: Run, hosting: Hosting) -> None:
    ours = run_task(deploy)["endpoint_config_name"]
    hosting.serve(OLD_CONFIG, "Updating", looks=1, target=ours)
    hosting.outcome = "fail"
    with pytest.raises(EndpointFailed, match="could not be updated"):
        run_task(deploy)


def test_an_endpoint_that_failed_before_is_deleted_and_created_anew(
    run_task: Run, aws: ScriptedAws, hosting: Hosting
) -> None:
    hosting.serve(OLD_CONFIG, "Failed", reason="no capacity")
    result = run_task(deploy)
    assert aws.requests("DeleteEndpoint") == [{"EndpointName": ENDPOINT}]
    assert aws.requests("CreateEndpoint")[0]["EndpointConfigName"] == result["endpoint_config_name"]


@both
def test_an_endpoint_that_no_retry_changes_is_left_to_its_owner(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, deferrable: bool
) -> None:
    hosting.serve(OLD_CONFIG, "OutOfService", reason="alarms were raised")
    with pytest.raises(EndpointUnusable, match="is OutOfService\nReason: alarms were raised") as caught:
        run_task(lambda: deploy(deferrable=deferrable))
    assert isinstance(caught.value, AirflowFailException)
    assert "next try" not in str(caught.value)
    assert not aws.requests("DeleteEndpoint") + aws.requests("UpdateEndpoint")


def test_an_endpoint_deleted_meanwhile_is_an_error(run_task: Run, aws: ScriptedAws, hosting: Hosting) -> None:
    gone = aws_error("ValidationException", "Could not find endpoint")
    aws.on("DescribeEndpoint", gone)
    with pytest.raises(EndpointFailed, match="was deleted"):
        run_task(deploy)


@both
def test_the_deadline_leaves_the_endpoint_to_itself(
    run_task: Run, hosting: Hosting, deferrable: bool
) -> None:
    hosting.looks = 10**6
    with pytest.raises(DeadlineExceeded, match="goes on by itself"):
        run_task(lambda: deploy(deferrable=deferrable, timeout_seconds=0.2))


def test_a_package_that_is_not_approved_is_not_deployed(
    run_task: Run, aws: ScriptedAws, hosting: Hosting
) -> None:
    hosting.approval = "PendingManualApproval"
    with pytest.raises(InvalidInput, match="PendingManualApproval"):
        run_task(deploy)
    assert not aws.requests("CreateModel")


@pytest.mark.parametrize(("kind", "index"), [("Model", 0), ("Endpoint configuration", 1)])
def test_a_name_taken_by_something_else_is_refused(
    run_task: Run, hosting: Hosting, kind: str, index: int
) -> None:
    run_task(deploy)
    hosting.endpoint = None
    kept = list(hosting.kept.values())[index]
    changed = (
        {"PrimaryContainer": CONTAINER | {"Image": "other"}} if index == 0 else {"ProductionVariants": []}
    )
    kept |= changed | ({"ProductionVariants": [{"VariantName": "x"}]} if index else {})
    with pytest.raises(ResourceConflict, match=kind):
        run_task(deploy)


CREATED, UPDATED = ["CreateEndpoint"], ["UpdateEndpoint"]
REMADE = ["DeleteEndpoint", "CreateEndpoint"]
BROUGHT_BY = {
    "OutOfService": "Delete it (DeleteEndpoint)",
    "Creating": UPDATED,
    "Updating": UPDATED,
    "SystemUpdating": UPDATED,
    "RollingBack": UPDATED,
    "InService": UPDATED,
    "Deleting": CREATED,
    "Failed": REMADE,
    "UpdateRollbackFailed": UPDATED,
}
ASKS_NOTHING: list[str] = []
WITH_OURS = BROUGHT_BY | dict.fromkeys(
    ("Creating", "Updating", "SystemUpdating", "RollingBack", "InService"), ASKS_NOTHING
)


@both
@pytest.mark.parametrize("owner", ["ours", "of another"])
@pytest.mark.parametrize("status", aws_enums.ENDPOINT)
def test_from_each_state_an_endpoint_is_brought_to_the_configuration_or_the_state_is_named(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, status: str, owner: str, deferrable: bool
) -> None:
    ours = run_task(deploy)["endpoint_config_name"]
    aws.calls.clear()
    hosting.serve(ours if owner == "ours" else OLD_CONFIG, status, looks=2)
    expected = (WITH_OURS if owner == "ours" else BROUGHT_BY)[status]
    if isinstance(expected, str):
        with pytest.raises(EndpointUnusable, match=status) as raised:
            run_task(lambda: deploy(deferrable=deferrable))
        assert expected in str(raised.value)
        return
    assert run_task(lambda: deploy(deferrable=deferrable))["endpoint_config_name"] == ours
    asked = [name for name, _ in aws.calls if name in (*REMADE, *UPDATED)]
    assert asked == expected
    assert hosting.endpoint is not None
    assert (hosting.endpoint["status"], hosting.endpoint["config"]) == ("InService", ours)


def test_an_endpoint_in_a_state_from_the_future_is_named(run_task: Run, hosting: Hosting) -> None:
    hosting.serve(OLD_CONFIG, "Hibernating")
    with pytest.raises(UnknownState, match="Hibernating"):
        run_task(deploy)


@both
@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed"])
def test_an_update_of_ours_that_ends_badly_fails_and_the_next_try_mends_it(
    run_task: Run, hosting: Hosting, status: str, deferrable: bool
) -> None:
    hosting.serve(OLD_CONFIG)
    hosting.outcome = status
    with pytest.raises(EndpointFailed, match=f"is {status}") as raised:
        run_task(lambda: deploy(deferrable=deferrable))
    assert "next try" in str(raised.value)
    hosting.outcome = "InService"
    run_task(lambda: deploy(deferrable=deferrable))
    assert hosting.endpoint is not None
    assert hosting.endpoint["status"] == "InService"


@pytest.mark.parametrize(
    "message", ["Could not find endpoint", "Cannot update in-progress endpoint."], ids=["gone", "going"]
)
def test_a_dead_endpoint_that_another_try_deletes_is_no_error(
    run_task: Run, aws: ScriptedAws, hosting: Hosting, message: str
) -> None:
    hosting.serve(OLD_CONFIG, "Failed")

    def delete(request: dict[str, Any]) -> dict[str, Any]:
        hosting.endpoint = None
        raise aws_error("ValidationException", message)

    aws.on("DeleteEndpoint", delete)
    run_task(deploy)
    assert hosting.endpoint is not None
    assert hosting.endpoint["status"] == "InService"
