"""Every client of the package is bounded: its retries, its timeouts, and what a user may change of both."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
from pathlib import Path

import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

import sagemaker_emr
from sagemaker_emr.hooks.base import BOUNDS, TRIES, AwsHook, bounded
from sagemaker_emr.triggers.base import WaitTrigger

PACKAGE = Path(sagemaker_emr.__file__).parent
DAGS = PACKAGE.parents[1] / "dags"
ONLY_PLACE = PACKAGE / "hooks" / "base.py"
UNBOUNDED = {"boto3", "aiobotocore", "AwsGenericHook", "AwsBaseHook", "create_client"}
"""By these a client could be made past the bounds."""
HARMLESS = ("links.base_aws", "operators.base_aws", "sensors.base_aws", "utils.")
"""What the provider's package has that makes no client of its own."""


def modules():
    found = [one.name for one in pkgutil.walk_packages([str(PACKAGE)], "sagemaker_emr.")]
    return [importlib.import_module(name) for name in found]


def classes(base):
    defined = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    return sorted((one for one in defined if issubclass(one, base)), key=lambda one: one.__qualname__)


def hooks():
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    return [one for one in classes(AwsGenericHook) if one.__name__ not in ("AwsHook", "ServiceHook")]


def retries(hook):
    return hook.conn.meta.config.retries


@pytest.mark.parametrize("hook_class", hooks(), ids=lambda one: one.__name__)
def test_each_hooks_client_is_bounded(hook_class):
    config = hook_class(aws_conn_id=None).conn.meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": TRIES}
    assert (config.connect_timeout, config.read_timeout) == (10, 60)


def test_each_operator_sensor_and_trigger_has_a_bounded_hook():
    from airflow.providers.amazon.aws.utils.mixins import AwsBaseHookMixin

    used = {one: getattr(one, "aws_hook_class", None) for one in classes(AwsBaseHookMixin)}
    used |= {one: getattr(one, "hook_class", None) for one in classes(WaitTrigger)}
    chosen = {one: hook for one, hook in used.items() if hook is not None}
    assert len(chosen) > 30
    assert [one for one, hook in chosen.items() if not issubclass(hook, AwsHook)] == []


def names_in(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def past_the_bounds(source):
    provider = "airflow.providers.amazon.aws."
    for name in names_in(source):
        own = name.startswith(provider) and not name.removeprefix(provider).startswith(HARMLESS)
        if own or UNBOUNDED.intersection(name.split(".")):
            yield name


@pytest.mark.parametrize(
    "path",
    [path for path in sorted([*PACKAGE.rglob("*.py"), *DAGS.glob("*.py")]) if path != ONLY_PLACE],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_other_module_makes_a_client_of_its_own(path):
    assert list(past_the_bounds(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import boto3",
        "from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook",
        "from airflow.providers.amazon.aws.hooks.s3 import S3Hook",
        "from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator",
        "Session().create_client('s3')",
    ],
)
def test_a_client_past_the_bounds_would_be_found(source):
    assert list(past_the_bounds(source))


def test_the_session_is_bounded_too():
    """STS, for a connection with a role, is called by the session's own client."""
    assert vars(AwsHook(aws_conn_id=None, client_type="s3").config)["retries"] == vars(BOUNDS)["retries"]


def test_a_connections_extra_overrides_what_it_names(monkeypatch):
    extra = {"config_kwargs": {"retries": {"max_attempts": 2}, "read_timeout": 5}, "region_name": "us-east-1"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OWN", json.dumps({"conn_type": "aws", "extra": extra}))
    config = AwsHook(aws_conn_id="aws_own", client_type="s3").conn.meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (config.connect_timeout, config.read_timeout) == (10, 5)


def test_an_operators_botocore_config_overrides_what_it_names(monkeypatch):
    from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator

    own = {"connect_timeout": 3, "retries": {"mode": "adaptive"}}
    task = CloudFormationReadOutputsOperator(
        task_id="t", environment="dev", stacks=["storage"], botocore_config=own
    )
    config = task.hook.conn.meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": TRIES}
    assert (config.connect_timeout, config.read_timeout) == (3, 60)


def test_what_a_user_does_not_say_stays_bounded():
    assert bounded(None) is BOUNDS
    assert vars(bounded(Config(region_name="x")))["retries"] == vars(BOUNDS)["retries"]


@pytest.fixture
def throttled(local_aws, endpoint_url, monkeypatch):
    """``throttled(service, operation)``: every such call is throttled; the test does not wait for retries."""
    slept = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)

    def ask(service, operation, **rule):
        rules = [{"kind": "throttling", "service": service, "operation": operation, **rule}]
        requests.post(f"{endpoint_url}/_local/faults", json={"rules": rules}, timeout=10).raise_for_status()
        return slept

    yield ask
    requests.delete(f"{endpoint_url}/_local/faults", timeout=10)


@pytest.mark.local_aws
@pytest.mark.parametrize(
    ("service", "operation", "call", "code"),
    [
        ("servicecatalog", "ListPortfolios", "list_portfolios", "ThrottlingException"),
        ("cloudformation", "DescribeStacks", "describe_stacks", "Throttling"),
        ("s3", "ListBuckets", "list_buckets", "SlowDown"),
    ],
)
def test_an_exhausted_budget_says_what_was_throttled_and_what_to_do(
    throttled, endpoint_url, service, operation, call, code
):
    slept = throttled(service, operation)
    with pytest.raises(ClientError) as raised:
        getattr(AwsHook(aws_conn_id=None, client_type=service).conn, call)()
    assert raised.value.response["Error"]["Code"] == code
    assert f"{service} throttled {operation} {TRIES} times in a row" in str(raised.value)
    assert "Next step: " in str(raised.value)
    rule = requests.get(f"{endpoint_url}/_local/faults", timeout=10).json()["rules"][0]
    assert rule["hit"] == TRIES
    assert len(slept) == TRIES - 1
    assert all(seconds <= min(2**number, 20) for number, seconds in enumerate(slept))
    assert len(set(slept)) == len(slept), "jittered"


@pytest.mark.local_aws
def test_a_throttled_call_that_succeeds_in_the_end_is_not_noticed(throttled):
    throttled("iam", "ListRoles", times=TRIES - 1)
    assert AwsHook(aws_conn_id=None, client_type="iam").conn.list_roles()["Roles"] == []


@pytest.mark.local_aws
def test_a_client_stops_retrying_when_its_quota_is_spent(throttled, endpoint_url):
    """A hundred retries in a row, then the calls fail at once: an overloaded service is left alone."""
    throttled("iam", "ListRoles")
    iam = AwsHook(aws_conn_id=None, client_type="iam").conn
    for _ in range(30):
        with pytest.raises(ClientError):
            iam.list_roles()
    rule = requests.get(f"{endpoint_url}/_local/faults", timeout=10).json()["rules"][0]
    assert rule["hit"] == 30 + 100


def test_a_used_up_limit_is_no_throttling():
    from sagemaker_emr.hooks.base import _explain_throttling

    parsed = {"Error": {"Code": "LimitExceededException", "Message": "50 products"}}
    _explain_throttling(parsed, None)
    assert parsed["Error"]["Message"] == "50 products"


@pytest.mark.runtime
def test_an_answer_after_20_seconds_is_waited_for(local_aws, endpoint_url):
    """In real seconds: the read timeout is long enough that one try does."""
    rules = [{"kind": "latency", "seconds": 20}]
    requests.post(f"{endpoint_url}/_local/faults", json={"rules": rules}, timeout=10).raise_for_status()
    try:
        assert AwsHook(aws_conn_id=None, client_type="iam").conn.list_roles()["Roles"] == []
        [rule] = requests.get(f"{endpoint_url}/_local/faults", timeout=10).json()["rules"]
        assert (rule["matched"], rule["hit"]) == (1, 1)
    finally:
        requests.delete(f"{endpoint_url}/_local/faults", timeout=10)
