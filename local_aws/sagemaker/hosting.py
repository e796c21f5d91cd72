"""SageMaker hosting."""

from __future__ import annotations


class HostingBackend:
    """State."""


class HostingResponse:
    """Operations."""
