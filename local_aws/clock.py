"""The scaled clock: the real service's waiting times, shortened by one factor."""

from __future__ import annotations

import threading
import time

from local_aws import persistence
from local_aws.settings import settings


def here(aws_seconds: float) -> float:
    """How many seconds a span of AWS's time takes here."""
    return aws_seconds / settings.time_scale


def sleep(aws_seconds: float) -> None:
    """Let a span of AWS's time pass."""
    with persistence.waiting():
        time.sleep(here(aws_seconds))


def wait(event: threading.Event, aws_seconds: float) -> bool:
    """Let a span of AWS's time pass, or less if the event is set first; whether it was."""
    with persistence.waiting():
        return event.wait(here(aws_seconds))
