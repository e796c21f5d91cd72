"""Which failures of a call may pass by themselves, by botocore's own definitions.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from botocore.retries import standard
from botocore.retries.standard import RetryContext
from requests import exceptions as requests_exceptions

TOO_MANY_REQUESTS = 429
"""Whatever the error's code; so in botocore's own standard mode since 1.44, and older ones are to do."""

_THROTTLING = standard.ThrottledRetryableChecker()
_TRANSIENT = standard.TransientRetryableChecker()

_LOST_CONNECTIONS = (ConnectionError, requests_exceptions.ConnectionError, requests_exceptions.Timeout)
"""Besides botocore's own."""


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttling, a server's fault, a lost connection."""
    if isinstance(error, ClientError):
        context = _context(error.response)
        return is_throttling(error.response) or _TRANSIENT.is_retryable(context)
    if isinstance(error, _LOST_CONNECTIONS):
        return True
    return bool(_TRANSIENT.is_retryable(RetryContext(attempt_number=1, caught_exception=error)))


def is_throttling(response: Any) -> bool:
    """Whether an answer, as botocore parsed it, says that there were too many calls."""
    context = _context(response)
    status = context.http_response.status_code
    return status == TOO_MANY_REQUESTS or bool(_THROTTLING.is_retryable(context))


def _context(response: Any) -> RetryContext:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return RetryContext(
        attempt_number=1, parsed_response=response, http_response=SimpleNamespace(status_code=status)
    )
