"""What befalls a call, seen through boto3."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

pytestmark = pytest.mark.local_aws

PROTOCOLS = [
    ("cloudformation", "describe_stacks", {}),  # query
    ("ec2", "describe_vpcs", {}),  # EC2's query
    ("emr", "list_clusters", {}),  # JSON
    ("iam", "list_roles", {}),  # query
    ("s3", "list_buckets", {}),  # REST, XML
    ("sagemaker", "list_domains", {}),  # JSON
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "x", "Body": b"1"}),  # REST, JSON
    ("servicecatalog", "list_portfolios", {}),  # JSON
    ("sts", "get_caller_identity", {}),  # query
    ("efs", "describe_file_systems", {}),  # REST, JSON
]

THROTTLING = {
    "cloudformation": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "efs": ("ThrottlingException", 429),
    "iam": ("Throttling", 400),
    "s3": ("SlowDown", 503),
    "sts": ("Throttling", 400),
}
"""All others' is ThrottlingException with 400."""


def outcome(call: Any) -> str:
    """How a call ended, in a word."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except BotoCoreError as error:
        return type(error).__name__
    return "answered"


@pytest.mark.parametrize(("service", "operation", "arguments"), PROTOCOLS)
def test_an_error_comes_in_the_services_own_protocol(client, break_on_purpose, service, operation, arguments):
    break_on_purpose({"kind": "error", "code": "OutOfLuckException", "status": 418, "message": "as asked"})
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    error = raised.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == ("OutOfLuckException", "as asked")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 418


@pytest.mark.parametrize(("service", "operation", "arguments"), PROTOCOLS)
def test_throttling_is_the_services_own_and_botocore_retries_it(
    client, break_on_purpose, counts, monkeypatch, service, operation, arguments
):
    break_on_purpose({"kind": "throttling", "service": service})
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    error = raised.value.response
    expected = THROTTLING.get(service, ("ThrottlingException", 400))
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == expected
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    retrying = client(service, tries=3)
    with pytest.raises(ClientError, match="reached max retries: 2"):
        getattr(retrying, operation)(**arguments)
    assert counts() == [(4, 4)]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "status"),
    [
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "NoSuchKey", 404),
        ("s3", "list_buckets", {}, "InternalError", 500),
        ("iam", "get_role", {"RoleName": "r"}, "NoSuchEntity", 404),
        ("sagemaker", "describe_domain", {"DomainId": "d-123456789012"}, "ResourceNotFound", 400),
        ("emr", "list_clusters", {}, "InternalServerException", 500),
        ("emr", "list_clusters", {}, "AccessDeniedException", 400),
        ("servicecatalog", "list_portfolios", {}, "ServiceUnavailable", 503),
    ],
)
def test_an_errors_status_is_awss(client, break_on_purpose, service, operation, arguments, code, status):
    break_on_purpose({"kind": "error", "code": code})
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    error = raised.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_an_answer_to_head_has_a_status_only(client, break_on_purpose):
    s3 = client("s3")
    break_on_purpose({"kind": "throttling", "operation": "HeadObject", "nth": 1})
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket="b", Key="k")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="b", Key="k")


@pytest.mark.parametrize(("service", "operation", "arguments"), PROTOCOLS)
def test_a_lost_connection_is_botocores_connection_error(
    client, break_on_purpose, service, operation, arguments
):
    made = client(service)
    for kind in ("connection_reset", "response_lost"):
        break_on_purpose({"kind": kind})
        with pytest.raises(ConnectionClosedError):
            getattr(made, operation)(**arguments)


def test_a_reset_connection_left_nothing_done_and_a_lost_response_all(
    client, break_on_purpose, control, calls
):
    s3, cloudformation = client("s3"), client("cloudformation")
    template = '{"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}'
    break_on_purpose({"kind": "connection_reset", "operation": "Create*"})
    assert outcome(lambda: s3.create_bucket(Bucket="reset")) == "ConnectionClosedError"
    break_on_purpose({"kind": "response_lost", "operation": "Create*"})
    assert outcome(lambda: s3.create_bucket(Bucket="lost")) == "ConnectionClosedError"
    lost = outcome(lambda: cloudformation.create_stack(StackName="lost", TemplateBody=template))
    assert lost == "ConnectionClosedError"
    noted = [(call["operation"], call["status"], call["faults"]) for call in calls()]
    assert noted == [
        ("CreateBucket", None, [{"rule": 0, "kind": "connection_reset"}]),
        ("CreateBucket", 200, [{"rule": 0, "kind": "response_lost"}]),
        ("CreateStack", 200, [{"rule": 0, "kind": "response_lost"}]),
    ]
    control("DELETE", "/faults")
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert "lost" in names
    assert "reset" not in names
    with pytest.raises(ClientError, match="AlreadyExists"):
        cloudformation.create_stack(StackName="lost", TemplateBody=template)


def test_a_lost_upload_has_arrived(client, break_on_purpose):
    s3 = client("s3")
    s3.create_bucket(Bucket="uploads")
    break_on_purpose({"kind": "response_lost", "operation": "PutObject"})
    assert outcome(lambda: s3.put_object(Bucket="uploads", Key="k", Body=b"x" * 300_000)) != "answered"
    assert s3.get_object(Bucket="uploads", Key="k")["ContentLength"] == 300_000


def test_the_server_goes_on_after_connections_that_it_ended(client, break_on_purpose, control):
    iam = client("iam")
    break_on_purpose({"kind": "connection_reset"})
    for _ in range(50):
        assert outcome(iam.list_roles) == "ConnectionClosedError"
    control("DELETE", "/faults")
    assert outcome(iam.list_roles) == "answered"


class TestSelection:
    def test_service_operation_and_caller_choose_the_call(self, client, break_on_purpose, counts):
        break_on_purpose(
            {"kind": "error", "code": "A", "service": "iam", "operation": "List*"},
            {"kind": "error", "code": "B", "user_agent": "*Airflow*"},
        )
        assert outcome(client("iam").list_roles) == "A"
        assert outcome(lambda: client("iam").get_role(RoleName="x")) == "NoSuchEntity"
        assert outcome(client("ec2").describe_vpcs) == "answered"
        assert counts() == [(1, 1), (0, 0)]

    def test_airflows_calls_can_be_told_from_others(
        self, client, endpoint_url, break_on_purpose, counts, monkeypatch
    ):
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        break_on_purpose({"kind": "error", "code": "B", "user_agent": "*Airflow*"})
        hook = AwsGenericHook(aws_conn_id=None, client_type="iam", region_name="us-east-1")
        assert outcome(hook.conn.list_roles) == "B"
        assert outcome(client("iam").list_roles) == "answered"
        assert counts() == [(1, 1)]

    @pytest.mark.parametrize(
        ("choice", "hit"),
        [
            ({}, [1, 2, 3, 4, 5, 6]),
            ({"nth": 3}, [3]),
            ({"every": 2}, [2, 4, 6]),
            ({"every": 2, "times": 2}, [2, 4]),
            ({"times": 1}, [1]),
        ],
    )
    def test_the_calls_number_chooses(self, client, break_on_purpose, counts, choice, hit):
        break_on_purpose({"kind": "error", "code": "Hit", "operation": "ListRoles", **choice})
        iam = client("iam")
        found = [number for number in range(1, 7) if outcome(iam.list_roles) == "Hit"]
        assert found == hit
        assert counts() == [(6, len(hit))]

    def test_the_first_rule_that_hits_decides(self, client, break_on_purpose):
        break_on_purpose(
            {"kind": "error", "code": "First", "nth": 1}, {"kind": "error", "code": "Second", "times": 1}
        )
        assert [outcome(client("iam").list_roles) for _ in range(3)] == ["First", "Second", "answered"]

    def test_chance_is_as_asked(self, client, break_on_purpose):
        break_on_purpose({"kind": "throttling", "probability": 0.3}, seed=3)
        iam = client("iam")
        hit = sum(outcome(iam.list_roles) == "Throttling" for _ in range(200))
        assert 35 <= hit <= 85


class TestDeterminism:
    def outcomes(self, client: Any, number: int) -> list[str]:
        return [outcome(client.list_roles) for _ in range(number)]

    def test_a_seed_gives_the_same_again(self, client, break_on_purpose):
        rule = {"kind": "throttling", "probability": 0.5}
        runs = {}
        for seed in (1, 1, 2):
            break_on_purpose(rule, seed=seed)
            found = self.outcomes(client("iam"), 30)
            assert runs.setdefault(seed, found) == found
        assert runs[1] != runs[2]

    def test_what_happens_beside_an_operation_changes_nothing(self, client, break_on_purpose):
        rule = {"kind": "throttling", "probability": 0.5}
        break_on_purpose(rule, seed=5)
        alone = self.outcomes(client("iam"), 20)
        break_on_purpose(rule, seed=5)
        stop = threading.Event()
        made = client("ec2")

        def disturb() -> None:
            while not stop.is_set():
                outcome(made.describe_vpcs)

        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        accompanied = self.outcomes(client("iam"), 20)
        stop.set()
        disturbing.join()
        assert accompanied == alone

    def test_drawn_delays_are_the_same_again(self, client, break_on_purpose, calls):
        for _ in range(2):
            break_on_purpose({"kind": "latency", "median": 0.001, "p99": 0.01}, seed=9)
            self.outcomes(client("iam"), 5)
        seconds = [call["faults"][0]["seconds"] for call in calls()]
        assert len(set(seconds)) == 5
        assert seconds[:5] == seconds[5:]

    def test_calls_at_once_are_hit_as_often_as_asked(self, client, break_on_purpose, counts):
        break_on_purpose({"kind": "error", "code": "Hit", "operation": "ListRoles", "times": 7})
        iam = client("iam")
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: outcome(iam.list_roles), range(60)))
        assert found.count("Hit") == 7
        assert counts() == [(60, 7)]


class TestLatency:
    def test_a_call_takes_the_seconds_asked_for(self, client, break_on_purpose, calls):
        break_on_purpose({"kind": "latency", "seconds": 0.3}, {"kind": "latency", "seconds": 0.2})
        client("iam").list_roles()
        (call,) = calls()
        assert call["duration_ms"] >= 500
        assert [fault["seconds"] for fault in call["faults"]] == [0.3, 0.2]

    def test_awss_seconds_are_shortened_by_the_time_scale(self, client, break_on_purpose, calls):
        break_on_purpose({"kind": "latency", "seconds": 120, "scaled": True})
        client("iam").list_roles()
        (call,) = calls()
        assert 200 <= call["duration_ms"] < 60_000

    def test_the_99th_percentile_is_as_asked(self):
        import random

        from local_aws.faults.injector import _seconds
        from local_aws.faults.rules import LatencyRule

        rule = LatencyRule(kind="latency", median=0.2, p99=20)
        drawn = sorted(_seconds(rule, random.Random(number)) for number in range(20_000))
        assert drawn[10_000] == pytest.approx(0.2, rel=0.05)
        assert drawn[19_800] == pytest.approx(20, rel=0.25)

    def test_a_slow_answer_is_a_read_timeout_for_who_waits_less(self, client, break_on_purpose):
        break_on_purpose({"kind": "latency", "seconds": 3})
        hasty = client("iam", read_timeout=0.3)
        with pytest.raises(ReadTimeoutError):
            hasty.list_roles()

    def test_clearing_ends_the_delays_in_progress(self, client, break_on_purpose, control, calls):
        iam = client("iam")
        break_on_purpose({"kind": "latency", "seconds": 600})
        waiting = threading.Thread(target=iam.list_roles)
        waiting.start()
        while control("GET", "/faults")[1]["rules"][0]["hit"] == 0:
            time.sleep(0.01)
        control("DELETE", "/faults")
        waiting.join(60)
        assert not waiting.is_alive()
        assert calls()[0]["status"] == 200

    def test_a_throttled_call_may_be_slow_too(self, client, break_on_purpose, calls):
        break_on_purpose({"kind": "throttling"}, {"kind": "latency", "seconds": 0.2})
        assert outcome(client("iam").list_roles) == "Throttling"
        (call,) = calls()
        assert [fault["kind"] for fault in call["faults"]] == ["latency", "throttling"]
        assert call["duration_ms"] >= 200
        assert call["error_code"] == "Throttling"


class TestStaleReads:
    def test_a_read_after_a_write_is_answered_as_before_it(self, client, break_on_purpose, calls):
        s3 = client("s3")
        break_on_purpose({"kind": "stale_reads", "service": "s3", "operation": "List*", "seconds": 0.8})
        s3.create_bucket(Bucket="lagging")
        time.sleep(0.9)
        assert "Contents" not in s3.list_objects_v2(Bucket="lagging")
        s3.put_object(Bucket="lagging", Key="k", Body=b"x")
        assert "Contents" not in s3.list_objects_v2(Bucket="lagging")
        assert s3.get_object(Bucket="lagging", Key="k")["ContentLength"] == 1, "not asked for"
        time.sleep(0.9)
        assert s3.list_objects_v2(Bucket="lagging")["KeyCount"] == 1
        assert [call["faults"] for call in calls() if call["operation"] == "ListObjectsV2"] == [
            [],
            [{"rule": 0, "kind": "stale_reads"}],
            [],
        ]

    def test_what_was_never_read_before_is_not_found(self, client, break_on_purpose):
        iam = client("iam")
        break_on_purpose(
            {
                "kind": "stale_reads",
                "service": "iam",
                "operation": "Get*",
                "seconds": 0.8,
                "not_found": "NoSuchEntity",
            }
        )
        iam.create_role(RoleName="late", AssumeRolePolicyDocument="{}")
        with pytest.raises(iam.exceptions.NoSuchEntityException) as raised:
            iam.get_role(RoleName="late")
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        time.sleep(0.9)
        assert iam.get_role(RoleName="late")["Role"]["RoleName"] == "late"

    def test_without_a_named_error_what_was_never_read_is_answered_truly(
        self, client, break_on_purpose, counts
    ):
        iam = client("iam")
        break_on_purpose({"kind": "stale_reads", "operation": "Get*", "seconds": 60})
        iam.create_role(RoleName="new", AssumeRolePolicyDocument="{}")
        assert iam.get_role(RoleName="new")["Role"]["RoleName"] == "new"
        assert counts() == [(1, 0)]

    def test_a_refusal_before_the_write_is_told_again(self, client, break_on_purpose):
        iam = client("iam")
        break_on_purpose({"kind": "stale_reads", "operation": "Get*", "seconds": 60})
        assert outcome(lambda: iam.get_role(RoleName="r")) == "NoSuchEntity"
        iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        assert outcome(lambda: iam.get_role(RoleName="r")) == "NoSuchEntity"
        assert outcome(lambda: iam.get_role(RoleName="another")) == "NoSuchEntity"

    def test_each_write_is_seen_in_its_time_also_where_others_follow(self, client, break_on_purpose):
        s3 = client("s3")
        s3.create_bucket(Bucket="busy")
        break_on_purpose({"kind": "stale_reads", "operation": "List*", "seconds": 1.2})
        assert s3.list_objects_v2(Bucket="busy")["KeyCount"] == 0
        s3.put_object(Bucket="busy", Key="first", Body=b"")
        time.sleep(0.7)
        assert s3.list_objects_v2(Bucket="busy")["KeyCount"] == 0
        s3.put_object(Bucket="busy", Key="second", Body=b"")
        time.sleep(0.6)
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket="busy")["Contents"]]
        assert keys == ["first"]

    def test_another_region_and_service_are_not_behind(self, client, break_on_purpose):
        ec2, there = client("ec2"), client("ec2", "eu-west-1")
        break_on_purpose({"kind": "stale_reads", "operation": "DescribeKeyPairs", "seconds": 60})
        ec2.describe_key_pairs()
        there.describe_key_pairs()
        ec2.create_key_pair(KeyName="k")
        there.create_key_pair(KeyName="k")
        client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        assert ec2.describe_key_pairs()["KeyPairs"] == []
        assert there.describe_key_pairs()["KeyPairs"] == []


def test_nothing_breaks_unless_asked(client, control, calls):
    assert control("GET", "/faults") == (200, {"seed": None, "rules": []})
    client("iam").list_roles()
    assert [call["faults"] for call in calls()] == [[]]


def test_the_rules_are_shown_as_they_run(client, break_on_purpose, control):
    rule = {"kind": "latency", "median": 0.001, "p99": 0.002, "service": "iam"}
    break_on_purpose(rule, {"kind": "throttling", "service": "s3"}, seed=7)
    client("iam").list_roles()
    status, shown = control("GET", "/faults")
    assert (status, shown["seed"]) == (200, 7)
    assert shown["rules"][0] == {**rule, "operation": "*", "user_agent": "*", "scaled": False} | {
        "matched": 1,
        "hit": 1,
    }
    assert control("DELETE", "/faults") == (200, {"seed": None, "rules": []})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, r"rules\[0\]: .*kind"),
        ({"kind": "explode"}, r"rules\[0\]: .*'throttling'.*'response_lost'"),
        ({"kind": "throttling", "service": "emrr"}, r"service 'emrr' is none of botocore's; near it: .*emr"),
        (
            {"kind": "throttling", "service": "emr", "operation": "DescribeClusters"},
            "near it: DescribeCluster",
        ),
        ({"kind": "throttling", "service": "emr", "operation": "Read*"}, "none of emr's"),
        ({"kind": "throttling", "probability": 30}, r"rules\[0\]\.probability: .*less than or equal to 1"),
        ({"kind": "throttling", "nth": 0}, r"rules\[0\]\.nth: .*greater than 0"),
        ({"kind": "throttling", "nth": 1, "every": 2}, "only one of nth, every and probability"),
        ({"kind": "throttling", "chance": 1}, r"rules\[0\]\.chance: .*allowed: service, .*probability"),
        ({"kind": "error"}, r"rules\[0\]\.code: Field required"),
        ({"kind": "error", "code": "X", "status": 200}, r"rules\[0\]\.status: .*400"),
        ({"kind": "latency"}, "either seconds, or median and p99"),
        ({"kind": "latency", "median": 2}, "either seconds, or median and p99"),
        ({"kind": "latency", "median": 2, "p99": 1}, "p99 must not be less than median"),
        ({"kind": "stale_reads"}, r"rules\[0\]\.seconds: Field required"),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused_by_name(endpoint_url, control, break_on_purpose, rule, said):
    import re

    break_on_purpose({"kind": "throttling", "service": "braket"})
    status, shown = control("POST", "/faults", {"rules": [rule]})
    assert status == 400
    assert re.search(said, shown["message"]), shown
    assert len(control("GET", "/faults")[1]["rules"]) == 1, "the rules of before stay"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: Invalid JSON"),
        (b"[]", "body: "),
        (b'{"rules": 1}', "rules: "),
        (b'{"rules": [], "sed": 1}', "sed: there is no such field; allowed: seed, rules"),
    ],
)
def test_a_body_that_is_no_plan_is_refused(endpoint_url, body, said):
    response = requests.post(f"{endpoint_url}/_local/faults", data=body, timeout=10)
    assert response.status_code == 400
    assert said in response.json()["message"]


def test_another_method_is_refused(control):
    assert control("PUT", "/faults", {})[0] == 405
    assert control("DELETE", "/clock")[0] == 405
