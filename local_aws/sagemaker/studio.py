"""SageMaker studio."""

from __future__ import annotations


class StudioBackend:
    """State."""


class StudioResponse:
    """Operations."""
