"""CloudWatch Logs' operations: moto's, and FilterLogEvents by prefix, which moto ignores."""

from __future__ import annotations

import json

from moto.logs.exceptions import InvalidParameterException
from moto.logs.responses import LogsResponse as MotoLogsResponse


class LogsResponse(MotoLogsResponse):
    """moto's operations with ours in front of them."""

    def filter_log_events(self) -> str:
        """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
        pattern = self._get_param("filterPattern") or ""
        if pattern and not (pattern[0].isalpha() or pattern[0] == '"'):
            raise InvalidParameterException(
                msg=f"The embedded AWS plays terms and phrases only, not {pattern!r}"
            )
        prefix = self._get_param("logStreamNamePrefix")
        if prefix is None:
            return str(super().filter_log_events())
        if self._get_param("logStreamNames"):
            raise InvalidParameterException(
                msg="LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters."
            )
        group = self._get_param("logGroupName")
        names = self.logs_backend.stream_names(group, prefix)
        events, token, searched = self.logs_backend.filter_log_events(
            group,
            # An empty list means every stream to moto: no name at all means that none may match.
            names or [""],
            self._get_param("startTime"),
            self._get_param("endTime"),
            self._get_param("limit"),
            self._get_param("nextToken"),
            pattern,
            True,
        )
        return json.dumps({"events": events, "nextToken": token, "searchedLogStreams": searched})
