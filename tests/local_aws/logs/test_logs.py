"""CloudWatch Logs through boto3, as log readers use it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws
Client = Callable[..., Any]
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def logs(client: Client) -> Any:
    """A group with two streams of three events each."""
    logs = client("logs")
    logs.create_log_group(logGroupName=GROUP)
    for stream in ("a/algo-1-1", "b/algo-1-1"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        put(logs, stream, "one", "two", "three")
    return logs


def put(logs: Any, stream: str, *messages: str) -> None:
    events = [{"timestamp": int(time.time() * 1000), "message": message} for message in messages]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_streams_are_found_by_prefix(logs: Any) -> None:
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="b/")["logStreams"]
    assert [stream["logStreamName"] for stream in found] == ["b/algo-1-1"]
    latest = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1)
    assert len(latest["logStreams"]) == 1


def test_a_stream_is_followed_by_its_forward_token(logs: Any) -> None:
    stream = {"logGroupName": GROUP, "logStreamName": "a/algo-1-1"}
    first = logs.get_log_events(**stream, startFromHead=True, limit=2)
    second = logs.get_log_events(**stream, startFromHead=True, nextToken=first["nextForwardToken"])
    end = logs.get_log_events(**stream, startFromHead=True, nextToken=second["nextForwardToken"])
    assert (messages(first), messages(second), messages(end)) == (["one", "two"], ["three"], [])
    assert end["nextForwardToken"] == second["nextForwardToken"]

    put(logs, "a/algo-1-1", "four")

    later = logs.get_log_events(**stream, startFromHead=True, nextToken=end["nextForwardToken"])
    assert messages(later) == ["four"]


def test_events_are_filtered_by_stream_prefix_and_term(logs: Any) -> None:
    found = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="a/", filterPattern="two")
    assert [(event["logStreamName"], event["message"]) for event in found["events"]] == [
        ("a/algo-1-1", "two")
    ]
    assert logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="none/")["events"] == []


def test_a_pattern_that_is_not_played_is_refused(logs: Any) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterException.*plays terms and phrases only"):
        logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.level = ERROR }")


def test_what_does_not_exist_is_named(client: Client) -> None:
    logs = client("logs")
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*log group does not exist"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="a/")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.get_log_events(logGroupName=GROUP, logStreamName="a/algo-1-1")
