"""The CloudFormation types of Service Catalog.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ServiceCatalog.html
"""

from __future__ import annotations

import contextlib
import json
from abc import abstractmethod
from typing import Any, ClassVar, Self, cast

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel
from moto.servicecatalog.models import servicecatalog_backends

from local_aws.servicecatalog.administration import AdministrationBackend
from local_aws.servicecatalog.catalog import Product, launch_parameters
from local_aws.servicecatalog.exceptions import ResourceNotFound

Json = dict[str, Any]


def _backend(account_id: str, region_name: str) -> AdministrationBackend:
    return cast(AdministrationBackend, servicecatalog_backends[account_id][region_name])


class _CatalogResource:
    """What the types below share: an identifier that ``Ref`` gives, and attributes."""

    def __init__(self, physical_resource_id: str, properties: Json, backend: AdministrationBackend) -> None:
        self.physical_resource_id = physical_resource_id
        self.properties = properties
        self.backend = backend

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def is_created(self) -> bool:
        return True

    def attributes(self) -> dict[str, str]:
        """What ``Fn::GetAtt`` gives."""
        return {}

    def get_cfn_attribute(self, attribute: str) -> str:
        try:
            return self.attributes()[attribute]
        except KeyError:
            raise UnformattedGetAttTemplateException from None

    def remove(self) -> None:
        """Delete the resource in the catalog."""
        raise NotImplementedError

    def delete(self, account_id: str, region_name: str) -> None:
        with contextlib.suppress(ResourceNotFound):
            self.remove()


class CatalogPortfolio(_CatalogResource, CloudFormationModel):
    """AWS::ServiceCatalog::Portfolio."""

    supported_properties = frozenset({"DisplayName", "ProviderName", "Description", "Tags", "AcceptLanguage"})

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ServiceCatalog::Portfolio"

    def attributes(self) -> dict[str, str]:
        portfolio = self.backend.portfolio(self.physical_resource_id)
        return {"PortfolioName": portfolio.display_name, "Id": portfolio.id}

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> CatalogPortfolio:
        properties, backend = cloudformation_json["Properties"], _backend(account_id, region_name)
        portfolio = backend.create_portfolio(
            display_name=properties["DisplayName"],
            provider_name=properties["ProviderName"],
            description=properties.get("Description"),
            tags=properties.get("Tags"),
        )
        return cls(portfolio.id, properties, backend)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: CatalogPortfolio,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> CatalogPortfolio:
        properties = cloudformation_json["Properties"]
        portfolio = original_resource.backend.portfolio(original_resource.physical_resource_id)
        portfolio.display_name = properties["DisplayName"]
        portfolio.provider_name = properties["ProviderName"]
        portfolio.description = properties.get("Description", "")
        portfolio.tags = properties.get("Tags", [])
        return original_resource

    def remove(self) -> None:
        self.backend.delete_portfolio(None, self.physical_resource_id)


class CatalogProduct(_CatalogResource, CloudFormationModel):
    """AWS::ServiceCatalog::CloudFormationProduct.

    On update, versions are matched by template URL and name: a new pair is a new version with an id of its
    own, and a pair that is gone is deleted; the rest keep their ids, unless ReplaceProvisioningArtifacts is
    set.
    """

    supported_properties = frozenset(
        {
            "Name",
            "Owner",
            "Description",
            "Distributor",
            "SupportDescription",
            "SupportEmail",
            "SupportUrl",
            "Tags",
            "ProvisioningArtifactParameters",
            "ReplaceProvisioningArtifacts",
            "AcceptLanguage",
        }
    )

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ServiceCatalog::CloudFormationProduct"

    @property
    def product(self) -> Product:
        """The product in the catalog."""
        return self.backend.product(self.physical_resource_id)

    def attributes(self) -> dict[str, str]:
        artifacts = self.product.artifacts.values()
        return {
            "Id": self.product.id,
            "ProductName": self.product.name,
            "ProvisioningArtifactIds": ",".join(artifact.id for artifact in artifacts),
            "ProvisioningArtifactNames": ",".join(artifact.name for artifact in artifacts),
        }

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> CatalogProduct:
        properties, backend = cloudformation_json["Properties"], _backend(account_id, region_name)
        first, *others = _artifacts(properties)
        product = backend.create_product(artifact=first, tags=properties.get("Tags"), **_details(properties))
        for artifact in others:
            backend.create_artifact(product.id, artifact)
        return cls(product.id, properties, backend)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: CatalogProduct,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> CatalogProduct:
        properties = cloudformation_json["Properties"]
        original_resource.bring_artifacts(properties)
        product = original_resource.product
        for attribute, value in _details(properties).items():
            setattr(product, attribute, value)
        product.tags = properties.get("Tags", [])
        original_resource.properties = properties
        return original_resource

    def bring_artifacts(self, properties: Json) -> None:
        """Create, describe and delete versions as the properties say."""
        product = self.product
        replace = str(properties.get("ReplaceProvisioningArtifacts", False)).lower() == "true"
        kept = {} if replace else {(a.url, a.name): a for a in product.artifacts.values()}
        old = list(product.artifacts.values())
        wanted = []
        for artifact in _artifacts(properties):
            known = kept.get((artifact["Info"]["LoadTemplateFromURL"], artifact.get("Name", "")))
            if known is None:
                known = self.backend.create_artifact(product.id, artifact)
            known.description = artifact.get("Description", "")
            wanted.append(known)
        for gone in old:
            if gone not in wanted:
                self.backend.delete_artifact(product.id, gone.id)

    def remove(self) -> None:
        self.backend.delete_product(None, self.physical_resource_id)


def _details(properties: Json) -> dict[str, Any]:
    names = {
        "name": "Name",
        "owner": "Owner",
        "description": "Description",
        "distributor": "Distributor",
        "support_description": "SupportDescription",
        "support_email": "SupportEmail",
        "support_url": "SupportUrl",
    }
    return {attribute: properties.get(name) for attribute, name in names.items()}


def _artifacts(properties: Json) -> list[Json]:
    """``ProvisioningArtifactParameters``; Info may be JSON text."""
    artifacts = []
    for artifact in properties.get("ProvisioningArtifactParameters", []):
        info = artifact["Info"]
        artifacts.append({**artifact, "Info": json.loads(info) if isinstance(info, str) else info})
    if not artifacts:
        raise ValueError("A CLOUD_FORMATION_TEMPLATE product needs ProvisioningArtifactParameters.")
    return artifacts


class _PortfolioAssociation(_CatalogResource):
    """What the two associations share: their identifier is the portfolio's and that of what it is given."""

    associated: ClassVar[str]
    """The property that names what the portfolio is given."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> Self:
        properties = cloudformation_json["Properties"]
        identifier = f"{properties['PortfolioId']}|{properties[cls.associated]}"
        association = cls(identifier, properties, _backend(account_id, region_name))
        association.associate()
        return association

    @abstractmethod
    def associate(self) -> None:
        """Associate it in the catalog."""


class CatalogPortfolioProduct(_PortfolioAssociation, CloudFormationModel):
    """AWS::ServiceCatalog::PortfolioProductAssociation."""

    supported_properties = frozenset({"PortfolioId", "ProductId", "AcceptLanguage"})
    associated = "ProductId"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ServiceCatalog::PortfolioProductAssociation"

    def associate(self) -> None:
        self.backend.associate_product(self.properties["PortfolioId"], self.properties["ProductId"])

    def remove(self) -> None:
        self.backend.disassociate_product(self.properties["PortfolioId"], self.properties["ProductId"])


class CatalogPortfolioPrincipal(_PortfolioAssociation, CloudFormationModel):
    """AWS::ServiceCatalog::PortfolioPrincipalAssociation."""

    supported_properties = frozenset({"PortfolioId", "PrincipalARN", "PrincipalType", "AcceptLanguage"})
    associated = "PrincipalARN"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ServiceCatalog::PortfolioPrincipalAssociation"

    def associate(self) -> None:
        self.backend.associate_principal(*self._principal())

    def remove(self) -> None:
        self.backend.disassociate_principal(*self._principal())

    def _principal(self) -> tuple[str, str, str]:
        given = self.properties
        return given["PortfolioId"], given["PrincipalARN"], given["PrincipalType"]


class CatalogLaunchRole(_CatalogResource, CloudFormationModel):
    """AWS::ServiceCatalog::LaunchRoleConstraint."""

    supported_properties = frozenset(
        {"PortfolioId", "ProductId", "RoleArn", "LocalRoleName", "Description", "AcceptLanguage"}
    )

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ServiceCatalog::LaunchRoleConstraint"

    def attributes(self) -> dict[str, str]:
        return {"Id": self.physical_resource_id}

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> CatalogLaunchRole:
        properties, backend = cloudformation_json["Properties"], _backend(account_id, region_name)
        constraint = backend.create_constraint(
            portfolio_id=properties["PortfolioId"],
            product_id=properties["ProductId"],
            kind="LAUNCH",
            parameters=_role(properties),
            description=properties.get("Description"),
        )
        return cls(constraint.id, properties, backend)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: CatalogLaunchRole,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> CatalogLaunchRole:
        properties = cloudformation_json["Properties"]
        constraint = original_resource.backend.constraint(original_resource.physical_resource_id)
        constraint.parameters = launch_parameters(_role(properties))
        constraint.description = properties.get("Description")
        return original_resource

    def remove(self) -> None:
        self.backend.constraints.pop(self.physical_resource_id, None)


def _role(properties: Json) -> str:
    return json.dumps({name: properties[name] for name in ("RoleArn", "LocalRoleName") if name in properties})
