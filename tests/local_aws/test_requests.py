"""The log of requests, and answers to what nobody plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws


@pytest.fixture
def calls(endpoint_url: str) -> Callable[[], list[dict[str, Any]]]:
    """The calls noted since the test began."""
    noted = requests.get(f"{endpoint_url}/_local/requests", timeout=10).json()
    since = noted[-1]["seq"] if noted else 0
    url = f"{endpoint_url}/_local/requests?since={since}"
    return lambda: requests.get(url, timeout=10).json()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "name"),
    [
        ("cloudformation", "describe_stacks", {}, "DescribeStacks"),
        ("ec2", "describe_vpcs", {}, "DescribeVpcs"),
        ("emr", "list_clusters", {}, "ListClusters"),
        ("iam", "list_roles", {}, "ListRoles"),
        ("logs", "describe_log_groups", {}, "DescribeLogGroups"),
        ("s3", "list_buckets", {}, "ListBuckets"),
        ("sagemaker", "list_domains", {}, "ListDomains"),
        ("servicecatalog", "list_portfolios", {}, "ListPortfolios"),
        ("sts", "get_caller_identity", {}, "GetCallerIdentity"),
    ],
)
def test_a_call_is_noted(
    client: Any, calls: Any, service: str, operation: str, arguments: dict[str, Any], name: str
) -> None:
    getattr(client(service, "eu-west-1"), operation)(**arguments)
    (call,) = calls()
    assert (call["service"], call["operation"], call["region"]) == (service, name, "eu-west-1")
    assert (call["status"], call["error_code"]) == (200, None)
    assert call["duration_ms"] > 0
    assert "Boto3" in call["user_agent"]


def test_a_refused_call_is_noted_with_its_code(client: Any, calls: Any) -> None:
    s3 = client("s3")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.get_object(Bucket="nothing", Key="here")
    (call,) = calls()
    assert (call["operation"], call["status"], call["error_code"]) == ("GetObject", 404, "NoSuchBucket")


def test_keys_and_metadata_arrive_as_they_were_sent(client: Any) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="keys")
    s3.put_object(Bucket="keys", Key="a%2Fb c+d", Body=b"x", Metadata={"with_underscore": "1"})
    assert s3.list_objects_v2(Bucket="keys")["Contents"][0]["Key"] == "a%2Fb c+d"
    assert s3.head_object(Bucket="keys", Key="a%2Fb c+d")["Metadata"] == {"with_underscore": "1"}


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sagemaker", "list_algorithms", {}),  # JSON
        ("cloudformation", "list_types", {}),  # query
        ("ec2", "describe_fpga_images", {}),  # EC2
        ("kafka", "list_kafka_versions", {}),  # REST, no route
        ("braket", "search_jobs", {"filters": []}),  # no such service in moto
    ],
)
def test_what_nobody_plays_is_answered_in_the_service_s_protocol(
    client: Any, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    error = raised.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert error["Error"]["Code"] == "NotImplemented"
    assert "local_aws does not play" in error["Error"]["Message"]


@pytest.mark.parametrize("service", ["sagemaker", "cloudformation", "s3"])
def test_a_crash_is_answered_in_the_service_s_protocol(service: str) -> None:
    import botocore.session

    from local_aws.errors import InternalFailure, answer
    from local_aws.identify import Identity

    operation = {"s3": "ListBuckets", "sagemaker": "ListDomains"}.get(service, "ListStacks")
    environ = {"CONTENT_TYPE": "application/x-www-form-urlencoded" if service == "cloudformation" else ""}
    status, headers, body = answer(
        environ, Identity(service, operation, "us-east-1"), InternalFailure("KeyError: 'x'"), 500
    )
    model = botocore.session.Session().get_service_model(service)
    parser = botocore.parsers.create_parser(model.resolved_protocol)
    response = {"status_code": status, "headers": dict(headers), "body": body}
    parsed = parser.parse(response, model.operation_model(operation).output_shape)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == ("InternalFailure", "KeyError: 'x'")


def test_health(endpoint_url: str) -> None:
    assert requests.get(f"{endpoint_url}/_local/health", timeout=10).json()["status"] == "ok"


def test_the_log_keeps_the_last_calls_only() -> None:
    from local_aws.requests import RequestLog

    log = RequestLog(kept=2)
    for number in range(3):
        log.add({"operation": number})
    assert [entry["seq"] for entry in log.since(0)] == [2, 3]
    assert [entry["operation"] for entry in log.since(2)] == [2]
