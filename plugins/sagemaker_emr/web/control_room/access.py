"""Who may see what: Airflow's own rights over the DAG that does the same; and the answers' headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException as StarletteHTTPException

from sagemaker_emr.web.control_room.runs import TERMINATION_DAG_ID

PREFIX = "/sagemaker-emr"
"""Below Airflow's root; the plugin mounts the app there."""

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""``same-origin``: Airflow takes a trigger with a referrer for one from its UI."""


def airflow_root(request: Request) -> str:
    """The path below which Airflow is served, without a slash at its end."""
    return str(request.scope.get("root_path", "")).removesuffix(PREFIX)


def may_read(dag_id: str) -> Any:
    """A dependency: the right to read the runs of a DAG."""
    return Depends(requires_access_dag("GET", DagAccessEntity.RUN, dag_id))


def why_not_terminate(request: Request, user: GetUserDep, session: Session) -> str | None:
    """Why the reader may terminate no cluster; None where they may."""
    try:
        requires_access_dag("POST", DagAccessEntity.RUN, TERMINATION_DAG_ID)(request, user)
    except HTTPException:
        return f"You need the right to trigger the DAG {TERMINATION_DAG_ID}."
    paused = session.scalar(
        select(DagModel.is_paused).where(DagModel.dag_id == TERMINATION_DAG_ID, ~DagModel.is_stale)
    )
    if paused is None:
        return f"This Airflow has no DAG {TERMINATION_DAG_ID}."
    return f"The DAG {TERMINATION_DAG_ID} is paused: unpause it first." if paused else None


async def refused(request: Request, error: Exception) -> Response:
    """Send who looks at the page and is not logged in to the login; everything else is answered as ever."""
    if not isinstance(error, StarletteHTTPException):
        raise error
    if error.status_code == status.HTTP_401_UNAUTHORIZED and request.url.path.endswith("/control-room"):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = f"{airflow_root(request)}/api/v2/auth/login?next={quote(here, safe='')}"
        return RedirectResponse(login, status.HTTP_303_SEE_OTHER, headers=HEADERS)
    return await http_exception_handler(request, error)
