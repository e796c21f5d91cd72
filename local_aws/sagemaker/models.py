"""SageMaker: Studio, projects, training jobs, hosting and the model registry, on one backend."""

from __future__ import annotations

from moto.sagemaker import models as moto_models

from local_aws.sagemaker.hosting import HostingBackend
from local_aws.sagemaker.projects import ProjectsBackend
from local_aws.sagemaker.registry import RegistryBackend
from local_aws.sagemaker.studio import StudioBackend
from local_aws.sagemaker.training import TrainingBackend


class SageMakerBackend(
    StudioBackend,
    ProjectsBackend,
    TrainingBackend,
    HostingBackend,
    RegistryBackend,
    moto_models.SageMakerModelBackend,
):
    """moto's backend with our five parts in front of it, each a mixin in a module of its own."""

    def reset(self) -> None:
        """Forget everything; what runs is ended first."""
        self.kill_training_jobs()
        self.kill_endpoints()
        super().reset()

    def resume(self) -> dict[str, int]:
        """Go on with what a crash of the server interrupted; how much of each kind."""
        return {"training jobs": self._resume_training_jobs(), "endpoints": self._resume_endpoints()}


moto_models.sagemaker_backends.backend = SageMakerBackend
