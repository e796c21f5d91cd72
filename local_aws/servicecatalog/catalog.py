"""What a catalog holds: portfolios, products with their versions, constraints and principals.

https://docs.aws.amazon.com/servicecatalog/latest/dg/API_Operations_AWS_Service_Catalog.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random
from moto.servicecatalog import models as moto_models

from local_aws.servicecatalog.exceptions import InvalidParameters

Tags = list[dict[str, str]]


def new_id(prefix: str) -> str:
    """An identifier in Service Catalog's form, such as ``prod-abcdefghijklm``."""
    return f"{prefix}-{mock_random.get_random_string(13, lower_case=True)}"


@dataclass
class Artifact:
    """A provisioning artifact: one version of a product.

    :param url: where the template was read from.
    :param template: the template's text as it was then; Service Catalog keeps a copy of its own.
    """

    name: str
    description: str
    url: str
    template: str
    id: str = field(default_factory=lambda: new_id("pa"))
    active: bool = True
    guidance: str = "DEFAULT"
    created: datetime = field(default_factory=utcnow)

    def detail(self) -> dict[str, Any]:
        """A ``ProvisioningArtifactDetail`` structure."""
        return {
            **self.summary(),
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Active": self.active,
            "Guidance": self.guidance,
        }

    def summary(self) -> dict[str, Any]:
        """A ``ProvisioningArtifactSummary`` structure."""
        return {
            "Id": self.id,
            "Name": self.name,
            "Description": self.description,
            "CreatedTime": self.created,
        }

    @property
    def info(self) -> dict[str, str]:
        """Where the template came from."""
        return {"TemplateUrl": self.url}


class Portfolio(moto_models.Portfolio):
    """moto's portfolio and what is associated with it.

    ``principals`` holds pairs of ARN and principal type.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(portfolio_id=new_id("port"), **attributes)
        self.product_ids: list[str] = []
        self.principals: list[tuple[str, str]] = []

    @property
    def path_id(self) -> str:
        """The id of the launch paths through this portfolio."""
        return f"lpv3-{self.id.removeprefix('port-')}"


class Product(moto_models.Product):
    """moto's product with identifiers in AWS's form, and its versions."""

    def __init__(self, **attributes: Any) -> None:
        tags = attributes.pop("tags", None) or []
        super().__init__(tags=None, **attributes)
        self.id = new_id("prod")
        self.view_id = new_id("prodview")
        self.artifacts: dict[str, Artifact] = {}
        # moto tags the product in its constructor, under the id that we have just replaced.
        self.tags = tags
        if tags:
            self.backend._tag_resource(self.arn, tags)

    def to_dict(self) -> dict[str, Any]:
        """A ``ProductViewSummary`` structure."""
        summary: dict[str, Any] = super().to_dict()
        return {**summary, "Id": self.view_id}

    def view_detail(self) -> dict[str, Any]:
        """A ``ProductViewDetail`` structure."""
        return {
            "ProductViewSummary": self.to_dict(),
            "Status": "AVAILABLE",
            "ProductARN": self.arn,
            "CreatedTime": self.created_time,
        }

    def active_artifacts(self) -> list[Artifact]:
        """The versions that end users can launch."""
        return [artifact for artifact in self.artifacts.values() if artifact.active]


@dataclass
class Constraint:
    """A constraint on a product in a portfolio; LAUNCH is the one played here."""

    type: str
    description: str | None
    owner: str
    product_id: str
    portfolio_id: str
    parameters: str
    id: str = field(default_factory=lambda: new_id("cons"))

    def response(self) -> dict[str, Any]:
        """The answer of CreateConstraint and DescribeConstraint."""
        return {
            "ConstraintDetail": self.detail(),
            "ConstraintParameters": self.parameters,
            "Status": "AVAILABLE",
        }

    def detail(self) -> dict[str, Any]:
        """A ``ConstraintDetail`` structure."""
        return {
            "ConstraintId": self.id,
            "Type": self.type,
            "Description": self.description or "",
            "Owner": self.owner,
            "ProductId": self.product_id,
            "PortfolioId": self.portfolio_id,
        }

    def role_arn(self, partition: str) -> str:
        """The role that launches run under."""
        parameters = json.loads(self.parameters)
        if "RoleArn" in parameters:
            return str(parameters["RoleArn"])
        return f"arn:{partition}:iam::{self.owner}:role/{parameters['LocalRoleName']}"


def launch_parameters(text: str) -> str:
    """The parameters of a LAUNCH constraint, checked.

    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_CreateConstraint.html

    :raises InvalidParameters: they are not JSON naming exactly one role.
    """
    try:
        parameters = json.loads(text)
    except ValueError:
        raise InvalidParameters("Invalid Constraint Parameters: not well-formed JSON.") from None
    if not isinstance(parameters, dict) or set(parameters) not in ({"RoleArn"}, {"LocalRoleName"}):
        raise InvalidParameters(
            "Invalid Constraint Parameters: a LAUNCH constraint takes either RoleArn or LocalRoleName."
        )
    if "RoleArn" in parameters and ":role/" not in str(parameters["RoleArn"]):
        raise InvalidParameters(
            f"Invalid Constraint Parameters: {parameters['RoleArn']} is not a role's ARN."
        )
    return text
