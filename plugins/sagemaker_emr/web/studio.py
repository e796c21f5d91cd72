"""Opens Studio from Airflow: makes a presigned domain URL for who clicks, and sends the browser there.

The URL lets its bearer in, so it exists in this answer alone: not in XCom, not in a log, not in a cache. Who
opened Studio is in Airflow's audit log, as every other action. It takes the right to trigger the DAG: whoever
has that may act as the user profile that the DAG's task names.
"""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.xcom import XComModel
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import RedirectResponse

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.sagemaker_studio import SageMakerStudioHook
from sagemaker_emr.links.sagemaker_studio import SageMakerStudioLink

KEEP_TO_YOURSELF = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

router = APIRouter()


@router.get(
    "/studio/{dag_id}/{run_id}/{task_id}/{map_index}",
    dependencies=[
        Depends(requires_access_dag("POST", DagAccessEntity.RUN)),
        Depends(action_logging(event="open_studio")),
    ],
)
def open_studio(
    dag_id: str, run_id: str, task_id: str, map_index: int, session: SessionDep
) -> RedirectResponse:
    """Enter Studio as the user profile that a task has named."""
    where = _where(session, dag_id, run_id, task_id, map_index)
    hook = SageMakerStudioHook(
        aws_conn_id=where["aws_conn_id"],
        region_name=where["region_name"],
        verify=where["verify"],
        config=where["botocore_config"],
    )
    try:
        url = hook.presigned_url(where["domain_id"], where["user_profile_name"])
    except SageMakerEmrError as error:
        raise HTTPException(404, str(error)) from error
    except (BotoCoreError, ClientError) as error:
        raise HTTPException(
            502,
            f"AWS refused to open Studio: {error}. Airflow's API server needs the connection "
            f"{where['aws_conn_id']} with sagemaker:CreatePresignedDomainUrl.",
        ) from error
    return RedirectResponse(url, 302, headers=KEEP_TO_YOURSELF)


def _where(session: Any, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
    """Domain, user profile and connection, as the task pushed them."""
    pushed = session.scalar(
        XComModel.get_many(
            run_id=run_id,
            key=SageMakerStudioLink.key,
            task_ids=task_id,
            dag_ids=dag_id,
            map_indexes=map_index,
            limit=1,
        )
    )
    if pushed is None:
        raise HTTPException(404, "This task has named no user profile (yet): run it first.")
    found: dict[str, Any] = XComModel.deserialize_value(pushed)
    return found
