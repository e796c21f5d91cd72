"""SageMaker Studio: domains, user profiles, spaces, apps, and the way in."""

from __future__ import annotations

from local_aws.sagemaker import studio_cloudformation  # noqa: F401
from local_aws.sagemaker.studio_backend import StudioBackend
from local_aws.sagemaker.studio_responses import StudioResponse

__all__ = ["StudioBackend", "StudioResponse"]
