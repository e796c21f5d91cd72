"""Reading CloudWatch Logs as they grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.hooks.base import ServiceHook

MAX_PAGES_A_LOOK = 20
"""Bounds one look at a stream that grows faster than it is read; the rest comes with the next look."""


class LogsHook(ServiceHook):
    """Reads log streams. What it can't read is never worth failing for: it warns and goes on."""

    service = "logs"

    def new_lines(self, group: str, stream_prefix: str, tokens: dict[str, str]) -> Iterator[str]:
        """The messages that came since the last call, stream by stream.

        Follows GetLogEvents: pages may be empty, and the end is reached when the token comes back unchanged.

        :param tokens: each stream's next token, kept up to date here, in memory. Whoever starts again from
            tokens stored earlier reads again what came since.
        """
        try:
            for stream in self._streams(group, stream_prefix):
                for event in self._events(group, stream, tokens):
                    yield event["message"].rstrip("\n")
        except (BotoCoreError, ClientError) as error:
            if not _not_there_yet(error):
                self.log.warning("Log %s of %s can't be read: %s", stream_prefix, group, error)

    def last_lines(self, group: str, stream_prefix: str, count: int) -> list[str]:
        """The last messages of each stream."""
        lines: list[str] = []
        try:
            for stream in self._streams(group, stream_prefix):
                page = self.conn.get_log_events(
                    logGroupName=group, logStreamName=stream, limit=count, startFromHead=False
                )
                lines += [event["message"].rstrip("\n") for event in page["events"]]
        except (BotoCoreError, ClientError) as error:
            if not _not_there_yet(error):
                self.log.warning("Log %s of %s can't be read: %s", stream_prefix, group, error)
        return lines

    def _streams(self, group: str, prefix: str) -> list[str]:
        request = {"logGroupName": group, **({"logStreamNamePrefix": prefix} if prefix else {})}
        pages = self.conn.get_paginator("describe_log_streams").paginate(**request)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    def _events(self, group: str, stream: str, tokens: dict[str, str]) -> Iterator[dict[str, Any]]:
        for _ in range(MAX_PAGES_A_LOOK):
            token = tokens.get(stream)
            page = self.conn.get_log_events(
                logGroupName=group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            yield from page["events"]
            tokens[stream] = page["nextForwardToken"]
            if tokens[stream] == token:
                return


def _not_there_yet(error: Exception) -> bool:
    """The group is made with the account's first job, a stream when its container starts."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException"
