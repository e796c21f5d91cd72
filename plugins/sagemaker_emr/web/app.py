"""The pages that the plugin adds to Airflow's API server."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from sagemaker_emr.web import studio
from sagemaker_emr.web.control_room import access, pages

app = FastAPI(title="SageMaker and EMR", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(studio.router)
app.include_router(pages.router)
app.add_exception_handler(HTTPException, access.refused)
