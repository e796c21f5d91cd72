"""Registers the links on our tasks with Airflow."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from sagemaker_emr.links.cloud_formation import CloudFormationStackLink
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.links.livy import LINKS as LIVY_LINKS
from sagemaker_emr.links.sagemaker import LINKS as SAGEMAKER_LINKS
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink


class SageMakerEmrPlugin(AirflowPlugin):
    """Airflow shows a custom link only when a plugin registers its class."""

    name = "sagemaker_emr"
    operator_extra_links = [  # noqa: RUF012
        CloudFormationStackLink(),
        EmrClusterLink(),
        ServiceCatalogProvisionedProductLink(),
        *LIVY_LINKS,
        *SAGEMAKER_LINKS,
    ]
