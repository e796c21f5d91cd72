"""SageMaker hosting: models, endpoint configurations and endpoints that really serve."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.utils import arn_formatter

from local_aws.sagemaker.hosting_container import Container, ContainerDefinition
from local_aws.sagemaker.hosting_endpoint import Deployment, Endpoint
from local_aws.sagemaker.images import check_image
from local_aws.sagemaker.parameters import ANY, CheckedRequests
from local_aws.sagemaker.roles import check_role
from local_aws.sagemaker.s3_objects import Objects

NO = frozenset({False})
PLAYED_CONTAINER = {
    "ContainerHostname": ANY,
    "Image": ANY,
    "Mode": frozenset({"SingleModel"}),
    "ModelDataUrl": ANY,
    "Environment": ANY,
    "ModelPackageName": ANY,
}
PLAYED_MODEL = {
    "ModelName": ANY,
    "PrimaryContainer": PLAYED_CONTAINER,
    "Containers": PLAYED_CONTAINER,
    "ExecutionRoleArn": ANY,
    "Tags": ANY,
    "EnableNetworkIsolation": NO,
}
PLAYED_CONFIG = {
    "EndpointConfigName": ANY,
    "ProductionVariants": {
        "VariantName": ANY,
        "ModelName": ANY,
        # One process serves a variant, however many instances it is said to have.
        "InitialInstanceCount": ANY,
        "InstanceType": ANY,
        "InitialVariantWeight": ANY,
        "VolumeSizeInGB": ANY,
        "ModelDataDownloadTimeoutInSeconds": ANY,
        "ContainerStartupHealthCheckTimeoutInSeconds": ANY,
    },
    "Tags": ANY,
    "EnableNetworkIsolation": NO,
}
PLAYED_ENDPOINT = {"EndpointName": ANY, "EndpointConfigName": ANY, "Tags": ANY}
PLAYED_UPDATE = {"EndpointName": ANY, "EndpointConfigName": ANY, "RetainAllVariantProperties": NO}
# https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html: without them the image serves its own models.
SCRIPT_MODE = ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY")


class Resource:
    """A model or an endpoint configuration: its request, kept."""

    def __init__(self, arn: str, request: dict[str, Any]) -> None:
        self.arn, self.request = arn, request
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time = datetime.now(UTC)

    def describe(self) -> dict[str, Any]:
        """What was asked for, and when."""
        described = {name: value for name, value in self.request.items() if name != "Tags"}
        return described | {"CreationTime": self.creation_time, "EnableNetworkIsolation": False}


class HostingBackend:
    """Models, endpoint configurations and endpoints."""

    account_id: str
    region_name: str
    _models: dict[str, Resource]
    endpoint_configs: dict[str, Resource]
    endpoints: dict[str, Endpoint]

    def make_model(self, request: dict[str, Any]) -> Resource:
        """Check a model's role, image and data as SageMaker does, and keep it."""
        arn = self._new_arn("model", request["ModelName"], self._models, "model")
        check_role(request.get("ExecutionRoleArn", ""), self.account_id, self.region_name)
        self.container_definition(request)
        self._models[request["ModelName"]] = Resource(arn, request)
        return self._models[request["ModelName"]]

    def container_definition(self, model: dict[str, Any]) -> ContainerDefinition:
        """What a model runs, its package resolved.

        :raises ValidationError: more or less than one container, an image not played, data that is missing.
        """
        containers = model.get("Containers", []) + [model["PrimaryContainer"]] * ("PrimaryContainer" in model)
        if len(containers) != 1:
            raise ValidationError("The embedded AWS plays models of exactly one container.")
        container = self._with_package(containers[0])
        check_image(container.get("Image", ""), self.region_name)
        data = container.get("ModelDataUrl", "")
        if not Objects(self.account_id, self.region_name).exists(data):
            raise ValidationError(f"Could not find model data at {data}.")
        environment = container.get("Environment", {})
        for name in SCRIPT_MODE:
            if name not in environment:
                raise ValidationError(
                    f"The embedded AWS serves in XGBoost's script mode only: {name} is missing"
                )
        return ContainerDefinition(container["Image"], data, environment)

    def _with_package(self, container: dict[str, Any]) -> dict[str, Any]:
        if "ModelPackageName" not in container:
            return container
        package = self.find_model_package(container["ModelPackageName"])  # type: ignore[attr-defined]
        if package.request.get("ModelApprovalStatus") not in (None, "Approved"):
            raise ValidationError(f"Model package {package.arn} is not approved for deployment.")
        packaged = package.request["InferenceSpecification"]["Containers"][0]
        if packaged.get("Environment") and container.get("Environment"):
            raise ValidationError(
                "Environment variable map cannot be specified both at Model Package "
                f"{packaged['Environment']} and Model {container['Environment']}"
            )
        resolved: dict[str, Any] = packaged | container
        return resolved

    def make_endpoint_config(self, request: dict[str, Any]) -> Resource:
        """Keep a configuration whose models exist."""
        name = request["EndpointConfigName"]
        arn = self._new_arn("endpoint-config", name, self.endpoint_configs, "endpoint configuration")
        for variant in request["ProductionVariants"]:
            for required in ("ModelName", "InstanceType", "InitialInstanceCount"):
                if required not in variant:
                    raise ValidationError(f"{required} is required for variant {variant['VariantName']}.")
            self.find("model", variant["ModelName"], self._models, "model")
        self.endpoint_configs[name] = Resource(arn, request)
        return self.endpoint_configs[name]

    def make_endpoint(self, request: dict[str, Any]) -> Endpoint:
        """Start an endpoint."""
        name = request["EndpointName"]
        arn = self._new_arn("endpoint", name, self.endpoints, "endpoint")
        deployment = self._deployment(name, request["EndpointConfigName"])
        endpoint = self.endpoints[name] = Endpoint(arn, name, list(request.get("Tags", [])))
        endpoint.create(deployment)
        return endpoint

    def change_endpoint(self, request: dict[str, Any]) -> Endpoint:
        """Start a deployment beside the one that serves."""
        endpoint = self.changeable_endpoint(request["EndpointName"])
        if endpoint.status != "InService" or endpoint.current is None:
            raise ValidationError(f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}.')
        self.find(
            "endpoint-config", endpoint.current.config_name, self.endpoint_configs, "endpoint configuration"
        )
        endpoint.update(self._deployment(endpoint.name, request["EndpointConfigName"]))
        return endpoint

    def changeable_endpoint(self, name: str) -> Endpoint:
        """An endpoint that no operation is changing."""
        endpoint: Endpoint = self.find("endpoint", name, self.endpoints, "endpoint")
        if endpoint.changing:
            raise ValidationError(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def _resume_endpoints(self) -> int:
        """Endpoints serve again after a crash of the server, changes go on; how many."""
        for endpoint in self.endpoints.values():
            endpoint.resume(partial(self.endpoints.pop, endpoint.name, None))
        return len(self.endpoints)

    def kill_endpoints(self) -> None:
        """End every container, at once."""
        for endpoint in list(self.endpoints.values()):
            endpoint.kill()

    def find(self, kind: str, name: str, resources: dict[str, Any], words: str) -> Any:
        """The resource of a name, or AWS's complaint that there is none."""
        if name not in resources:
            raise ValidationError(f'Could not find {words} "{self._arn(kind, name)}".')
        return resources[name]

    def _deployment(self, endpoint: str, config_name: str) -> Deployment:
        config = self.find("endpoint-config", config_name, self.endpoint_configs, "endpoint configuration")
        containers = []
        for variant in config.request["ProductionVariants"]:
            model = self.find("model", variant["ModelName"], self._models, "model")
            definition = self.container_definition(model.request)
            containers.append(Container(endpoint, variant, definition, self.account_id, self.region_name))
        return Deployment(config_name, containers)

    def _new_arn(self, kind: str, name: str, resources: dict[str, Any], words: str) -> str:
        arn = self._arn(kind, name)
        if name in resources:
            raise ValidationError(f'Cannot create already existing {words} "{arn}".')
        return arn

    def _arn(self, kind: str, name: str) -> str:
        return str(arn_formatter(kind, name, self.account_id, self.region_name))


class HostingResponse(CheckedRequests):
    """Hosting's operations."""

    sagemaker_backend: Any

    def create_model(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"""
        request = self.checked("CreateModel", PLAYED_MODEL)
        return ActionResult({"ModelArn": self.sagemaker_backend.make_model(request).arn})

    def describe_model(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModel.html"""
        model = self._found("model", "ModelName", self.sagemaker_backend._models, "model")
        return ActionResult(model.describe() | {"ModelArn": model.arn})

    def list_models(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModels.html"""
        models = [
            {"ModelName": name, "ModelArn": model.arn, "CreationTime": model.creation_time}
            for name, model in self.sagemaker_backend._models.items()
        ]
        return self.listing("ListModels", "Models", models, name="ModelName")

    def delete_model(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteModel.html"""
        model = self._found("model", "ModelName", self.sagemaker_backend._models, "model")
        del self.sagemaker_backend._models[model.request["ModelName"]]
        return EmptyResult()

    def create_endpoint_config(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"""
        request = self.checked("CreateEndpointConfig", PLAYED_CONFIG)
        return ActionResult({"EndpointConfigArn": self.sagemaker_backend.make_endpoint_config(request).arn})

    def describe_endpoint_config(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpointConfig.html"""
        config = self._found_config()
        return ActionResult(config.describe() | {"EndpointConfigArn": config.arn})

    def list_endpoint_configs(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListEndpointConfigs.html"""
        configs = [
            {
                "EndpointConfigName": name,
                "EndpointConfigArn": config.arn,
                "CreationTime": config.creation_time,
            }
            for name, config in self.sagemaker_backend.endpoint_configs.items()
        ]
        return self.listing("ListEndpointConfigs", "EndpointConfigs", configs, name="EndpointConfigName")

    def delete_endpoint_config(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpointConfig.html"""
        del self.sagemaker_backend.endpoint_configs[self._found_config().request["EndpointConfigName"]]
        return EmptyResult()

    def create_endpoint(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html"""
        request = self.checked("CreateEndpoint", PLAYED_ENDPOINT)
        return ActionResult({"EndpointArn": self.sagemaker_backend.make_endpoint(request).arn})

    def update_endpoint(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html"""
        request = self.checked("UpdateEndpoint", PLAYED_UPDATE)
        return ActionResult({"EndpointArn": self.sagemaker_backend.change_endpoint(request).arn})

    def describe_endpoint(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html"""
        endpoint = self._found("endpoint", "EndpointName", self.sagemaker_backend.endpoints, "endpoint")
        return ActionResult(endpoint.describe())

    def list_endpoints(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListEndpoints.html"""
        endpoints = [endpoint.summary() for endpoint in self.sagemaker_backend.endpoints.values()]
        return self.listing(
            "ListEndpoints", "Endpoints", endpoints, name="EndpointName", status="EndpointStatus"
        )

    def delete_endpoint(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpoint.html"""
        backend = self.sagemaker_backend
        endpoint = backend.changeable_endpoint(json.loads(self.body)["EndpointName"])
        endpoint.delete(partial(backend.endpoints.pop, endpoint.name, None))
        return EmptyResult()

    def _found(self, kind: str, member: str, resources: dict[str, Any], words: str) -> Any:
        return self.sagemaker_backend.find(kind, json.loads(self.body)[member], resources, words)

    def _found_config(self) -> Resource:
        configs = self.sagemaker_backend.endpoint_configs
        found: Resource = self._found(
            "endpoint-config", "EndpointConfigName", configs, "endpoint configuration"
        )
        return found
