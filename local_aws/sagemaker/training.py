"""SageMaker training."""

from __future__ import annotations


class TrainingBackend:
    """State."""


class TrainingResponse:
    """Operations."""
