"""The console page of a provisioned product."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class ServiceCatalogProvisionedProductLink(BaseAwsLink):
    """A provisioned product with its records."""

    name = "Provisioned product"
    key = "servicecatalog_provisioned_product"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/servicecatalog/home?region={region_name}#provisioned-products/{provisioned_product_id}"
    )
