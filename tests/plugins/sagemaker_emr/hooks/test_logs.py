from __future__ import annotations

from typing import Any

import pytest

from sagemaker_emr.hooks.logs import LogsHook
from tests.plugins.sagemaker_emr.conftest import ScriptedAws, aws_error

GROUP = "/aws/sagemaker/TrainingJobs"
STREAM = "job-1/algo-1-1700000000"


class Stream:
    """GetLogEvents over a list that grows: three events a page, tokens that name a position."""

    def __init__(self, aws: ScriptedAws) -> None:
        self.messages: list[str] = []
        aws.on("DescribeLogStreams", {"logStreams": [{"logStreamName": STREAM}]})
        aws.on("GetLogEvents", self._get)

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        start = int(request.get("nextToken", "f/0").removeprefix("f/"))
        page = (
            self.messages[start : start + 3]
            if request["startFromHead"]
            else self.messages[-request["limit"] :]
        )
        return {
            "events": [{"message": f"{message}\n"} for message in page],
            "nextForwardToken": f"f/{start + len(page)}",
        }


@pytest.fixture
def hook(aws: ScriptedAws) -> LogsHook:
    return LogsHook(aws_conn_id=None)


def test_each_line_is_read_once_over_all_pages(aws: ScriptedAws, hook: LogsHook) -> None:
    stream, tokens = Stream(aws), {}
    stream.messages = [f"round {number}" for number in range(7)]
    assert list(hook.new_lines(GROUP, "job-1/", tokens)) == stream.messages
    stream.messages += ["saved the model"]
    assert list(LogsHook(aws_conn_id=None).new_lines(GROUP, "job-1/", dict(tokens))) == ["saved the model"]


def test_the_last_lines_are_the_end_of_the_stream(aws: ScriptedAws, hook: LogsHook) -> None:
    Stream(aws).messages += ["one", "two", "three"]
    assert hook.last_lines(GROUP, "", 2) == ["two", "three"]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read_is_empty(aws: ScriptedAws, hook: LogsHook, code: str) -> None:
    aws.on("DescribeLogStreams", aws_error(code))
    assert list(hook.new_lines(GROUP, "job-1/", {})) == []
    assert hook.last_lines(GROUP, "", 2) == []
