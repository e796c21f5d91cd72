"""Service Catalog with real provisioning: a catalog, what callers see of it, and what they launched."""

from __future__ import annotations

from moto.servicecatalog import models as moto_models

from local_aws.servicecatalog import cloudformation  # noqa: F401
from local_aws.servicecatalog.provisioning import ProvisioningBackend


class ServiceCatalogBackend(ProvisioningBackend):
    """One Region's Service Catalog. moto finds our ``urls.py`` beside this class."""


moto_models.servicecatalog_backends.backend = ServiceCatalogBackend
