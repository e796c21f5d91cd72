"""Routes of Service Catalog."""

from moto.servicecatalog.urls import url_bases
from moto.servicecatalog.urls import url_paths as moto_paths

from local_aws.servicecatalog.responses import ServiceCatalogResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {**moto_paths, "{0}/$": ServiceCatalogResponse.dispatch}
