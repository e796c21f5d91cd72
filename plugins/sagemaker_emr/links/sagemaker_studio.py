"""The way into Studio: a link to our page in Airflow, which makes the presigned URL when it is clicked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink

from sagemaker_emr import airflow_versions
from sagemaker_emr.airflow_versions import conf

URL_PREFIX = "/sagemaker-emr/studio"


class SageMakerStudioLink(BaseAwsLink):
    """Opens Studio as the task's user profile.

    Airflow keeps a link's address for ever, so it must hold no presigned URL: it names the task, and the page
    behind it (``sagemaker_emr.web.studio``) reads domain and profile from what the task pushed.
    """

    name = "Open Studio"
    key = "sagemaker_studio"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, or nothing where the page is not served."""
        if not airflow_versions.PAGES_KNOW_THEIR_READER:
            return ""
        base_url = conf.get("api", "base_url", fallback="") or ""
        parts = (ti_key.dag_id, ti_key.run_id, ti_key.task_id, str(getattr(ti_key, "map_index", -1)))
        return base_url.rstrip("/") + "/".join((URL_PREFIX, *(quote(part, safe="") for part in parts)))


LINKS = (SageMakerStudioLink(),)
