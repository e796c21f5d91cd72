"""The control room's routes: the page, its parts as HTML for the page, and the same parts as JSON.

They only read. A cluster is terminated by a run of the DAG terminate_cluster, for which the reader's own
browser asks Airflow's REST API: so Airflow decides who may, and keeps log and audit. See docs/adr/0023.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import jinja2
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.params import ENVIRONMENT
from sagemaker_emr.web.control_room import charts, reading, runs, words
from sagemaker_emr.web.control_room.access import HEADERS, airflow_root, may_read, why_not_terminate
from sagemaker_emr.web.control_room.cache import READ_ERRORS, trouble
from sagemaker_emr.web.control_room.models import (
    Clusters,
    ClusterState,
    Coverage,
    Environments,
    ModelError,
    PlatformView,
    Runs,
    Section,
)

HERE = Path(__file__).parent
STATIC = {
    "control_room.css": "text/css",
    "control_room.js": "text/javascript",
    "theme.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "icon_dark.svg": "image/svg+xml",
}
DEFAULT_ENVIRONMENT = str(ENVIRONMENT["environment"].value)
NAME = re.compile(r"[a-z][a-z0-9]{0,15}")

Environment = Annotated[str, InPath(pattern=rf"^{NAME.pattern}$")]


def _with_headers(response: Response) -> None:
    response.headers.update(HEADERS)


router = APIRouter(prefix="/control-room", dependencies=[Depends(_with_headers)])

READ_PLATFORM = may_read("check_platform")
READ_CLUSTERS = may_read("list_clusters")
READ_RUNS = may_read(runs.DAG_ID)
READ_COVERAGE = may_read("prepare_features")


def platform_view(session: SessionDep, environment: Environment) -> PlatformView:
    return reading.platform_view(session, environment)


def clusters_view(
    request: Request,
    user: GetUserDep,
    session: SessionDep,
    environment: Environment,
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Clusters:
    found = reading.clusters_page(session, environment, q, page)
    found.may_not = why_not_terminate(request, user, session)
    return found


def runs_view(session: SessionDep, environment: Environment) -> Runs:
    return runs.recent_runs(session, environment)


def coverage_view(
    environment: Environment, year: Annotated[int | None, Query(ge=1900, le=2200)] = None
) -> Section[Coverage]:
    return reading.coverage_view(environment, year)


def model_error_view(environment: Environment) -> Section[ModelError]:
    return reading.model_error_view(environment)


PlatformDep = Annotated[PlatformView, Depends(platform_view)]
ClustersDep = Annotated[Clusters, Depends(clusters_view)]
RunsDep = Annotated[Runs, Depends(runs_view)]
CoverageDep = Annotated[Section[Coverage], Depends(coverage_view)]
ModelErrorDep = Annotated[Section[ModelError], Depends(model_error_view)]


@router.get("/api/environments", dependencies=[READ_PLATFORM])
def environments() -> Section[Environments]:
    """The environments that have a stack."""
    return reading.environments()


@router.get("/api/{environment}/platform", dependencies=[READ_PLATFORM])
def platform(view: PlatformDep) -> PlatformView:
    """Stacks, domain, profiles and the last check."""
    return view


@router.get("/api/{environment}/clusters", dependencies=[READ_CLUSTERS])
def clusters(view: ClustersDep) -> Clusters:
    """A page of clusters."""
    return view


@router.get("/api/{environment}/clusters/{name}", dependencies=[READ_CLUSTERS])
def cluster(session: SessionDep, environment: Environment, name: str) -> ClusterState:
    """One product, as it is just now."""
    try:
        return reading.cluster_state(session, environment, name)
    except InvalidInput as error:
        raise HTTPException(404, str(error)) from error
    except READ_ERRORS as error:
        raise HTTPException(502, trouble(error).model_dump()) from error


@router.get("/api/{environment}/runs", dependencies=[READ_RUNS])
def recent_runs(view: RunsDep) -> Runs:
    """The newest runs by stage."""
    return view


@router.get("/api/{environment}/coverage", dependencies=[READ_COVERAGE])
def coverage(view: CoverageDep) -> Section[Coverage]:
    """A year's days."""
    return view


@router.get("/api/{environment}/model-error", dependencies=[READ_RUNS])
def model_error(view: ModelErrorDep) -> Section[ModelError]:
    """The newest evaluations."""
    return view


@router.get("/parts/environments", dependencies=[READ_PLATFORM])
def environments_part(request: Request, selected: Annotated[str, Query(max_length=16)] = "") -> HTMLResponse:
    """The choice of environments."""
    return _html(request, "environments", view=reading.environments(), selected=selected)


@router.get("/parts/{environment}/platform", dependencies=[READ_PLATFORM])
def platform_part(request: Request, view: PlatformDep) -> HTMLResponse:
    """The platform, for the page."""
    return _html(request, "platform", view=view)


@router.get("/parts/{environment}/clusters", dependencies=[READ_CLUSTERS])
def clusters_part(request: Request, view: ClustersDep) -> HTMLResponse:
    """The clusters, for the page."""
    return _html(request, "clusters", view=view)


@router.get("/parts/{environment}/runs", dependencies=[READ_RUNS])
def runs_part(request: Request, view: RunsDep) -> HTMLResponse:
    """The runs, for the page."""
    return _html(request, "runs", view=view, stages=list(runs.STAGES))


@router.get("/parts/{environment}/coverage", dependencies=[READ_COVERAGE])
def coverage_part(request: Request, view: CoverageDep) -> HTMLResponse:
    """The calendar, for the page."""
    return _html(
        request, "coverage", view=view, calendar=charts.year_calendar(view.data) if view.data else None
    )


@router.get("/parts/{environment}/model-error", dependencies=[READ_RUNS])
def model_error_part(request: Request, view: ModelErrorDep) -> HTMLResponse:
    """The plot, for the page."""
    plot = charts.error_plot(view.data.evaluations) if view.data else None
    return _html(request, "model_error", view=view, plot=plot)


@router.get("")
def control_room(request: Request, user: GetUserDep, environment: str = DEFAULT_ENVIRONMENT) -> HTMLResponse:
    """The page: quick, since it asks neither AWS nor the database; its parts come after it."""
    known = NAME.fullmatch(environment) is not None
    return _html(
        request,
        "page",
        status=200 if known else 400,
        environment=environment if known else DEFAULT_ENVIRONMENT,
        refused=None if known else environment[:80],
        version=_version(),
    )


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """The page's style and scripts; their address changes with their content.

    :raises HTTPException: 404.
    """
    if name not in STATIC:
        raise HTTPException(404, "There is no such file.")
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(HERE / "static" / name, media_type=STATIC[name], headers=headers)


def _html(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template, with every value escaped, and its bidirectional controls shown."""
    airflow = airflow_root(request)
    text = (
        _templates()
        .get_template(f"{template}.html")
        .render(
            airflow=airflow,
            here=f"{request.scope.get('root_path', '')}{router.prefix}",
            now=datetime.now(UTC),
            **values,
        )
    )
    return HTMLResponse(text, status, headers=dict(HEADERS))


@cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=words.visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": words.duration,
        "hours": words.hours,
        "moment": words.moment,
        "usd": words.usd,
    }
    return made


@cache
def _version() -> str:
    """Of the style and the scripts, for their addresses."""
    return hashlib.sha256(b"".join((HERE / "static" / name).read_bytes() for name in STATIC)).hexdigest()[:12]
