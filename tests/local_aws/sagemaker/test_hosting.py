"""Models and endpoints through boto3: they serve for real, and an update that fails changes nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker.hosting_container import Container
from tests.local_aws.sagemaker.script_mode import BUCKET, Ground, archive, wait_while

pytestmark = pytest.mark.local_aws
Client = Callable[..., Any]
UNHEALTHY = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of an error."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def make_config(sagemaker: Any, ground: Ground, name: str, **environment: str) -> None:
    """A model and an endpoint configuration of the same name."""
    container = ground.container(**environment)
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ground.role_arn, PrimaryContainer=container)
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])


def variant(model: str) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }


def settle(sagemaker: Any, name: str, *through: str) -> dict[str, Any]:
    """Wait until an endpoint has left these states; its description."""
    wait_while(lambda: str(sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]), *through)
    described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    return described


def serve(sagemaker: Any, ground: Ground, name: str) -> dict[str, Any]:
    make_config(sagemaker, ground, name)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = settle(sagemaker, name, "Creating")
    assert endpoint["EndpointStatus"] == "InService", endpoint
    return endpoint


def predict(runtime: Any, name: str) -> dict[str, Any]:
    body = json.dumps({"instances": [[3, 10], [6, 20]]})
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    predictions: dict[str, Any] = json.loads(answer["Body"].read())
    return predictions


@pytest.mark.runtime
def test_an_endpoint_serves_the_trained_model_until_it_is_deleted(
    client: Client, served_model: Ground
) -> None:
    sagemaker, runtime = client("sagemaker"), client("sagemaker-runtime")
    make_config(sagemaker, served_model, "serving")
    arn = sagemaker.create_endpoint(EndpointName="serving", EndpointConfigName="serving")["EndpointArn"]
    assert refused(runtime.invoke_endpoint, EndpointName="serving", Body=b"{}")[0] == "ValidationError"
    code, message = refused(sagemaker.delete_endpoint, EndpointName="serving")
    assert (code, message) == ("ValidationException", f'Cannot update in-progress endpoint "{arn}".')

    endpoint = settle(sagemaker, "serving", "Creating")

    assert endpoint["EndpointStatus"] == "InService", endpoint
    assert endpoint["EndpointConfigName"] == "serving"
    (described,) = endpoint["ProductionVariants"]
    assert (described["VariantName"], described["CurrentInstanceCount"]) == ("AllTraffic", 1)
    low, high = predict(runtime, "serving")["predictions"]
    assert low < high

    sagemaker.delete_endpoint(EndpointName="serving")
    assert refused(runtime.invoke_endpoint, EndpointName="serving", Body=b"{}")[0] == "ValidationError"

    def look() -> str:
        try:
            return str(sagemaker.describe_endpoint(EndpointName="serving")["EndpointStatus"])
        except ClientError as error:
            return str(error.response["Error"]["Message"])

    assert wait_while(look, "Deleting") == f'Could not find endpoint "{arn}".'


@pytest.mark.runtime
def test_an_error_of_the_container_is_a_model_error_and_in_its_log(
    client: Client, served_model: Ground
) -> None:
    sagemaker, runtime, logs = client("sagemaker"), client("sagemaker-runtime"), client("logs")
    serve(sagemaker, served_model, "errors")

    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName="errors", ContentType="text/csv", Body=b"1,2")

    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 500
    assert "content type text/csv is not supported" in answer["OriginalMessage"]
    assert 'Received server error (500) from primary with message "' in answer["Error"]["Message"]
    group = "/aws/sagemaker/Endpoints/errors"
    assert f":log-group:{group}:log-stream:AllTraffic/i-" in answer["LogStreamArn"]

    def logged() -> str:
        pattern = '"content type text/csv is not supported"'
        try:
            found = logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
        except logs.exceptions.ResourceNotFoundException:  # until the first line has arrived
            return "no"
        return "yes" if found else "no"

    assert wait_while(logged, "no") == "yes"


@pytest.mark.runtime
def test_an_update_replaces_the_containers_without_losing_an_invocation(
    client: Client, served_model: Ground
) -> None:
    sagemaker, runtime = client("sagemaker"), client("sagemaker-runtime")
    serve(sagemaker, served_model, "updated")
    make_config(sagemaker, served_model, "updated-2", VERSION="2")
    done, versions = threading.Event(), []

    def invoke() -> None:
        while not done.is_set():
            versions.append(predict(runtime, "updated")["version"])

    caller = threading.Thread(target=invoke)
    caller.start()
    sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="updated-2")
    during = sagemaker.describe_endpoint(EndpointName="updated")
    endpoint = settle(sagemaker, "updated", "Updating")
    done.set()
    caller.join()

    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", "updated")
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "updated-2"
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "updated-2")
    assert versions == sorted(versions)
    assert predict(runtime, "updated")["version"] == "2"


@pytest.mark.runtime
def test_an_update_that_is_not_healthy_leaves_the_old_endpoint_serving(
    client: Client, served_model: Ground
) -> None:
    sagemaker, runtime, logs = client("sagemaker"), client("sagemaker-runtime"), client("logs")
    serve(sagemaker, served_model, "kept")
    make_config(sagemaker, served_model, "kept-2", BEHAVE="raise", VERSION="2")

    sagemaker.update_endpoint(EndpointName="kept", EndpointConfigName="kept-2")
    endpoint = settle(sagemaker, "kept", "Updating", "RollingBack")

    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "kept")
    assert endpoint["FailureReason"] == UNHEALTHY
    assert predict(runtime, "kept")["version"] == "1"
    pattern = '"RuntimeError: model_fn can\'t load this"'
    found = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/kept", filterPattern=pattern)
    assert len(found["events"]) == 1


@pytest.mark.runtime
def test_an_endpoint_whose_container_is_never_healthy_fails(client: Client, served_model: Ground) -> None:
    sagemaker = client("sagemaker")
    make_config(sagemaker, served_model, "fails", BEHAVE="raise")
    sagemaker.create_endpoint(EndpointName="fails", EndpointConfigName="fails")

    endpoint = settle(sagemaker, "fails", "Creating")

    assert (endpoint["EndpointStatus"], endpoint["FailureReason"]) == ("Failed", UNHEALTHY)
    code, message = refused(sagemaker.update_endpoint, EndpointName="fails", EndpointConfigName="fails")
    assert (code, "in status Failed" in message) == ("ValidationException", True)
    found = sagemaker.list_endpoints(StatusEquals="Failed")["Endpoints"]
    assert [(found["EndpointName"], found["EndpointStatus"]) for found in found] == [("fails", "Failed")]


def test_an_archive_that_is_none_fails_the_endpoint_and_says_so_in_the_log(
    client: Client, ground: Ground
) -> None:
    sagemaker, logs = client("sagemaker"), client("logs")
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"not an archive")
    make_config(sagemaker, ground, "broken")
    sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="broken")

    endpoint = settle(sagemaker, "broken", "Creating")

    assert endpoint["EndpointStatus"] == "Failed"
    (event,) = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/broken")["events"]
    assert event["message"] == "ReadError: not a gzip file"


def test_a_fault_of_the_service_fails_the_endpoint_and_leaves_none_creating(
    client: Client, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(container: Container) -> None:
        raise TypeError

    monkeypatch.setattr(Container, "start", fail)
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"")
    make_config(client("sagemaker"), ground, "fault")
    client("sagemaker").create_endpoint(EndpointName="fault", EndpointConfigName="fault")
    endpoint = settle(client("sagemaker"), "fault", "Creating")
    assert (endpoint["EndpointStatus"], endpoint["FailureReason"].split(":")[0]) == (
        "Failed",
        "InternalServerError",
    )


def test_a_model_is_made_described_listed_and_deleted(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"model.ubj": ""}))
    request = {
        "ModelName": "m-1",
        "ExecutionRoleArn": ground.role_arn,
        "PrimaryContainer": ground.container(),
    }
    arn = sagemaker.create_model(**request)["ModelArn"]

    described = sagemaker.describe_model(ModelName="m-1")

    assert {name: described[name] for name in request} == request
    assert described["ModelArn"] == arn
    assert [model["ModelArn"] for model in sagemaker.list_models(NameContains="m-")["Models"]] == [arn]
    code, message = refused(sagemaker.create_model, **request)
    assert (code, message) == ("ValidationException", f'Cannot create already existing model "{arn}".')
    sagemaker.delete_model(ModelName="m-1")
    assert refused(sagemaker.describe_model, ModelName="m-1")[1] == f'Could not find model "{arn}".'


def test_a_model_without_its_data_is_refused(client: Client, ground: Ground) -> None:
    container = ground.container() | {"ModelDataUrl": f"s3://{BUCKET}/absent.tar.gz"}
    code, message = refused(
        client("sagemaker").create_model,
        ModelName="absent",
        ExecutionRoleArn=ground.role_arn,
        PrimaryContainer=container,
    )
    assert (code, message) == (
        "ValidationException",
        f"Could not find model data at s3://{BUCKET}/absent.tar.gz.",
    )


def test_an_endpoint_config_is_made_described_listed_and_deleted(client: Client, ground: Ground) -> None:
    sagemaker = client("sagemaker")
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"model.ubj": ""}))
    make_config(sagemaker, ground, "c-1")

    described = sagemaker.describe_endpoint_config(EndpointConfigName="c-1")

    arn = described["EndpointConfigArn"]
    assert described["ProductionVariants"] == [variant("c-1")]
    found = sagemaker.list_endpoint_configs()["EndpointConfigs"]
    assert [config["EndpointConfigArn"] for config in found] == [arn]
    sagemaker.delete_endpoint_config(EndpointConfigName="c-1")
    message = refused(sagemaker.describe_endpoint_config, EndpointConfigName="c-1")[1]
    assert message == f'Could not find endpoint configuration "{arn}".'


def test_what_is_not_played_or_not_there_is_refused(client: Client, ground: Ground) -> None:
    sagemaker, runtime = client("sagemaker"), client("sagemaker-runtime")
    serverless = {
        "VariantName": "v",
        "ModelName": "m",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    message = refused(
        sagemaker.create_endpoint_config, EndpointConfigName="s", ProductionVariants=[serverless]
    )[1]
    assert "ProductionVariants.ServerlessConfig is not played" in message
    message = refused(
        sagemaker.create_endpoint_config, EndpointConfigName="s", ProductionVariants=[variant("nobody")]
    )[1]
    assert message.startswith("Could not find model")
    message = refused(sagemaker.create_endpoint, EndpointName="e", EndpointConfigName="nobody")[1]
    assert message.startswith("Could not find endpoint configuration")
    code, message = refused(runtime.invoke_endpoint, EndpointName="nobody", Body=b"")
    assert (code, message) == ("ValidationError", "Endpoint nobody of account 123456789012 not found.")
