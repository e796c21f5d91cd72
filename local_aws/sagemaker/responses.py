"""SageMaker's operations, one mixin a part."""

from __future__ import annotations

import json

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse as MotoSageMakerResponse

from local_aws.sagemaker.hosting import HostingResponse
from local_aws.sagemaker.projects import ProjectsResponse
from local_aws.sagemaker.registry import RegistryResponse
from local_aws.sagemaker.studio import StudioResponse
from local_aws.sagemaker.training import TrainingResponse

NOT_SEARCHED = frozenset({"TrainingJob", "Endpoint", "ModelPackage", "ModelPackageGroup"})


class SageMakerResponse(
    StudioResponse,
    ProjectsResponse,
    TrainingResponse,
    HostingResponse,
    RegistryResponse,
    MotoSageMakerResponse,
):
    """moto's operations with our five parts in front of them."""

    def search(self) -> ActionResult:
        """moto's Search, which can't read our records: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html"""
        resource = json.loads(self.body).get("Resource")
        if resource in NOT_SEARCHED:
            raise ValidationError(
                f"The embedded AWS does not play Search for {resource}: use its List operation."
            )
        return super().search()
