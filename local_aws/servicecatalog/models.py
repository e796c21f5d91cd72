"""Service Catalog with real provisioning: a catalog, what callers see of it, and what they launched."""

from __future__ import annotations

from collections.abc import Iterator

from moto.core.resource_tagging import TaggedResource
from moto.servicecatalog import models as moto_models

from local_aws.servicecatalog import cloudformation  # noqa: F401
from local_aws.servicecatalog.provisioning import ProvisioningBackend


class ServiceCatalogBackend(ProvisioningBackend):
    """One Region's Service Catalog. moto finds our ``urls.py`` beside this class."""

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """What the Resource Groups Tagging API lists: portfolios, products, and what was launched."""
        yield from super().iter_tagged_resources()
        for provisioned in list(self.provisioned.values()):
            tags = {tag["Key"]: tag["Value"] for tag in provisioned.tags}
            yield TaggedResource(provisioned.arn, tags, "servicecatalog:stack")


moto_models.servicecatalog_backends.backend = ServiceCatalogBackend
