"""SageMaker's operations, one mixin a part."""

from __future__ import annotations

from moto.sagemaker.responses import SageMakerResponse as MotoSageMakerResponse

from local_aws.sagemaker.hosting import HostingResponse
from local_aws.sagemaker.studio import StudioResponse
from local_aws.sagemaker.training import TrainingResponse


class SageMakerResponse(StudioResponse, TrainingResponse, HostingResponse, MotoSageMakerResponse):
    """moto's operations with our three parts in front of them."""
