"""The states that botocore's models list; tests are made from them, so that a new one breaks the build."""

from __future__ import annotations

import botocore.session


def enum(service: str, shape: str) -> list[str]:
    """The values of an enumeration in a service's model."""
    values: list[str] = botocore.session.get_session().get_service_model(service).shape_for(shape).enum
    assert values, f"{shape} of {service} lists no values"
    return values


STACK = enum("cloudformation", "StackStatus")
CHANGE_SET = enum("cloudformation", "ChangeSetStatus")
PROVISIONED_PRODUCT = enum("servicecatalog", "ProvisionedProductStatus")
RECORD = enum("servicecatalog", "RecordStatus")
DOMAIN = enum("sagemaker", "DomainStatus")
USER_PROFILE = enum("sagemaker", "UserProfileStatus")
SPACE = enum("sagemaker", "SpaceStatus")
APP = enum("sagemaker", "AppStatus")
PROJECT = enum("sagemaker", "ProjectStatus")
CLUSTER = enum("emr", "ClusterState")
TRAINING_JOB = enum("sagemaker", "TrainingJobStatus")
ENDPOINT = enum("sagemaker", "EndpointStatus")
