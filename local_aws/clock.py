"""The scaled clock: the real service's waiting times, shortened by one factor.

``GET /_local/clock`` shows the factor, ``POST /_local/clock {"time_scale": 600}`` changes it. A wait in
progress goes on at the new pace; a moment that was fixed before, as the end of a cluster's idle time, stays.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from local_aws import persistence
from local_aws.settings import settings

HEED_SECONDS = 0.25
"""How soon a wait in progress heeds another factor."""


def time_scale() -> float:
    """How many seconds of AWS pass in one second here."""
    return settings.time_scale


def set_time_scale(factor: float) -> None:
    """Let AWS's time pass faster or slower from now on."""
    global settings
    settings = replace(settings, time_scale=factor)


def here(aws_seconds: float) -> float:
    """How many seconds a span of AWS's time takes here."""
    return aws_seconds / settings.time_scale


def sleep(aws_seconds: float) -> None:
    """Let a span of AWS's time pass."""
    wait(threading.Event(), aws_seconds)


def wait(event: threading.Event, aws_seconds: float) -> bool:
    """Let a span of AWS's time pass, or less if the event is set first; whether it was."""
    with persistence.waiting():
        return _wait(event, aws_seconds)


def _wait(event: threading.Event, aws_seconds: float) -> bool:
    left = aws_seconds
    while True:
        factor, begun = settings.time_scale, time.monotonic()
        if event.wait(min(left / factor, HEED_SECONDS)):
            return True
        left -= (time.monotonic() - begun) * factor
        if left <= 0:
            return False
