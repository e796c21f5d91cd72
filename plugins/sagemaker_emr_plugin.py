"""Registers the links on our tasks, our pages and our pool with Airflow."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from sagemaker_emr import airflow_versions, pools
from sagemaker_emr.links.cloud_formation import CloudFormationStackLink
from sagemaker_emr.links.emr import LINKS as EMR_LINKS
from sagemaker_emr.links.livy import LINKS as LIVY_LINKS
from sagemaker_emr.links.s3 import PlatformReportLink
from sagemaker_emr.links.sagemaker import LINKS as SAGEMAKER_LINKS
from sagemaker_emr.links.sagemaker_studio import LINKS as STUDIO_LINKS
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """The FastAPI app, imported by its first request.

    Every Airflow process loads this module, and only the API server needs FastAPI.
    """
    from sagemaker_emr.web.app import app

    await app(scope, receive, send)


class SageMakerEmrPlugin(AirflowPlugin):
    """Airflow shows a custom link only when a plugin registers its class.

    A listener, since Airflow has no other place for what must be there before tasks run: see ``pools``.
    """

    name = "sagemaker_emr"
    if airflow_versions.PAGES_KNOW_THEIR_READER:
        fastapi_apps = [{"name": "SageMaker and EMR", "url_prefix": "/sagemaker-emr", "app": pages}]
        external_views = [
            {
                "name": "Control",  # of the control room: ten letters fit into Airflow's sidebar
                "href": "sagemaker-emr/control-room",  # below Airflow's root, wherever that is
                "url_route": "control-room",
                "destination": "nav",
                "nav_top_level": True,
                "icon": "sagemaker-emr/control-room/static/icon.svg",
                "icon_dark_mode": "sagemaker-emr/control-room/static/icon_dark.svg",
            }
        ]
    listeners = [pools]  # noqa: RUF012
    operator_extra_links = [  # noqa: RUF012
        CloudFormationStackLink(),
        PlatformReportLink(),
        ServiceCatalogProvisionedProductLink(),
        *EMR_LINKS,
        *LIVY_LINKS,
        *SAGEMAKER_LINKS,
        *STUDIO_LINKS,
    ]
