"""SageMaker projects: what Studio's "Create cluster" launches a product through.

A project provisions its Service Catalog product as whoever asked, with the project's name and id among the
tags and, where the template has them, the parameters; deleting the project terminates the product.
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-whatis.html

AWS documents neither the provisioned product's name nor what DeleteProject does about a product that was
terminated already; here it is named for the project, and such a project is deleted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.utils import arn_formatter
from moto.servicecatalog.models import servicecatalog_backends

from local_aws.sagemaker.parameters import ANY, CheckedRequests
from local_aws.servicecatalog import templates
from local_aws.servicecatalog.permissions import caller
from local_aws.servicecatalog.records import Record

NAME_PARAMETER, ID_PARAMETER = "SageMakerProjectName", "SageMakerProjectId"
STATES = {"CREATED": "InProgress", "IN_PROGRESS": "InProgress", "SUCCEEDED": "Completed", "FAILED": "Failed"}
_DETAILS = {
    "ProductId": ANY,
    "ProvisioningArtifactId": ANY,
    "PathId": ANY,
    "ProvisioningParameters": ANY,
}
_CREATE = {
    "ProjectName": ANY,
    "ProjectDescription": ANY,
    "ServiceCatalogProvisioningDetails": _DETAILS,
    "Tags": ANY,
}


class Conflict(ServiceException):
    """The project is in the middle of another operation."""

    code = "ConflictException"


@dataclass
class Project:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProject.html"""

    id: str
    arn: str
    request: dict[str, Any]
    creation: Record
    deletion: Record | None = None
    gone: bool = False
    created: datetime = field(default_factory=utcnow)

    @property
    def status(self) -> str:
        """The state of the record that it waits for."""
        if self.gone:
            return "DeleteCompleted"
        if self.deletion is not None:
            return f"Delete{STATES[self.deletion.status]}"
        return f"Create{STATES[self.creation.status]}"

    def summary(self) -> dict[str, Any]:
        """A ``ProjectSummary`` structure."""
        described = {"ProjectDescription": self.request.get("ProjectDescription")}
        return {
            "ProjectName": self.request["ProjectName"],
            "ProjectArn": self.arn,
            "ProjectId": self.id,
            "ProjectStatus": self.status,
            "CreationTime": self.created,
            **{name: value for name, value in described.items() if value},
        }

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeProject."""
        product = self.creation.target
        return {
            **self.summary(),
            "ServiceCatalogProvisioningDetails": self.request["ServiceCatalogProvisioningDetails"],
            "ServiceCatalogProvisionedProductDetails": {
                "ProvisionedProductId": product.id,
                "ProvisionedProductStatusMessage": product.status_message or product.status,
            },
        }


class ProjectsBackend:
    """A mixin for moto's backend."""

    account_id: str
    region_name: str

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)  # type: ignore[call-arg]
        self.projects: dict[str, Project] = {}

    @property
    def _catalog(self) -> Any:
        return servicecatalog_backends[self.account_id][self.region_name]

    def create_project(self, request: dict[str, Any], access_key: str) -> Project:
        """API_CreateProject.

        :raises ValidationError: the name is taken, or Service Catalog refuses.
        """
        name = request["ProjectName"]
        known = self.projects.get(name)
        if known and known.status != "DeleteCompleted":
            raise ValidationError(f"Project with name {name} already exists.")
        project_id = f"p-{secrets.token_hex(6)}"
        try:
            record = self._provision(name, project_id, request, access_key)
        except ServiceException as refused:
            raise ValidationError(str(refused)) from refused
        arn = arn_formatter("project", name, self.account_id, self.region_name)
        self.projects[name] = Project(project_id, arn, request, record)
        return self.projects[name]

    def project(self, name: str) -> Project:
        """:raises ValidationError: there is none of that name."""
        try:
            return self.projects[name]
        except KeyError:
            raise ValidationError(f"Project {name} does not exist.") from None

    def delete_project(self, name: str) -> None:
        """API_DeleteProject: terminates the provisioned product.

        :raises Conflict: the project is being created or deleted.
        """
        project = self.project(name)
        if project.status.endswith("InProgress"):
            raise Conflict(f"Project {name} is {project.status}.")
        product = project.creation.target
        if product.id not in self._catalog.provisioned:
            project.gone = True
            return
        try:
            project.deletion = self._catalog.terminate(
                product, token=secrets.token_hex(8), ignore_errors=False, retain=False
            )
        except ServiceException as refused:
            raise Conflict(str(refused)) from refused

    def _provision(self, name: str, project_id: str, request: dict[str, Any], access_key: str) -> Record:
        details = request["ServiceCatalogProvisioningDetails"]
        product = self._catalog.product(details["ProductId"], None)
        artifact_id = details.get("ProvisioningArtifactId")
        artifact = (
            self._catalog.artifact(product, artifact_id, None)
            if artifact_id
            else product.active_artifacts()[-1]
        )
        own = {NAME_PARAMETER: name, ID_PARAMETER: project_id}
        known = {one["ParameterKey"] for one in templates.parameters(templates.parse(artifact.template))}
        given = {one["Key"]: one.get("Value", "") for one in details.get("ProvisioningParameters", [])}
        tags = {"sagemaker:project-name": name, "sagemaker:project-id": project_id}
        record: Record = self._catalog.provision(
            caller=caller(access_key, self.account_id, self.region_name),
            product=product,
            artifact=artifact,
            path=(details.get("PathId"), None),
            name=f"{name}-{project_id}",
            parameters={**given, **{key: value for key, value in own.items() if key in known}},
            tags=[*request.get("Tags", []), *({"Key": key, "Value": tags[key]} for key in tags)],
            token=project_id,
        )
        return record


class ProjectsResponse(CheckedRequests):
    """A mixin for moto's responses."""

    sagemaker_backend: Any
    access_key: str

    def create_project(self) -> ActionResult:
        """API_CreateProject."""
        project = self.sagemaker_backend.create_project(
            self.checked("CreateProject", _CREATE), self.access_key
        )
        return ActionResult({"ProjectArn": project.arn, "ProjectId": project.id})

    def describe_project(self) -> ActionResult:
        """API_DescribeProject."""
        request = self.checked("DescribeProject", {"ProjectName": ANY})
        return ActionResult(self.sagemaker_backend.project(request["ProjectName"]).describe())

    def list_projects(self) -> ActionResult:
        """API_ListProjects."""
        summaries = [project.summary() for project in self.sagemaker_backend.projects.values()]
        return self.listing("ListProjects", "ProjectSummaryList", summaries, name="ProjectName")

    def delete_project(self) -> ActionResult:
        """API_DeleteProject."""
        request = self.checked("DeleteProject", {"ProjectName": ANY})
        self.sagemaker_backend.delete_project(request["ProjectName"])
        return EmptyResult()
