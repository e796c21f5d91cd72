"""Airflow's API server once more: it can forget what the control room knows, and counts its queries.

``python -m bench.room.server PORT RUNS``, in the environment of a local stack: it writes RUNS runs of the
chain into the stack's database, each with its tasks, and serves.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
import uuid
from collections import Counter
from contextvars import ContextVar
from typing import Any

import uvicorn
from airflow import settings
from airflow.api_fastapi.main import app
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import delete, event, insert
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from bench.room import CONTROL_ROOM
from bench.room.account import DAG_ID, run_id
from local_stack.settings import LOOPBACK
from sagemaker_emr.web.control_room import reading, sources
from sagemaker_emr.web.control_room.model_error import Evaluations

RUN_SECONDS = 1800
TASK_SECONDS = 60
ROWS = 5000

_path: ContextVar[str] = ContextVar("path", default="")
_statements: Counter[str] = Counter()


@event.listens_for(Engine, "before_cursor_execute")
def _note(*_: Any) -> None:
    """Count a statement where a request of the control room is answered, whichever thread asks."""
    if _path.get().startswith(CONTROL_ROOM):
        _statements[_path.get()] += 1


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Airflow, and two addresses of this benchmark."""
    path = scope.get("path", "")
    if path == "/_bench/forget":
        reading.cache.clear()
        reading._evaluations = Evaluations()
        sources.forget()
    if path in ("/_bench/statements", "/_bench/forget"):
        told = json.dumps({"statements": _statements, "cpu_seconds": time.process_time()}).encode()
        _statements.clear()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})
        return
    _path.set(path)
    await app(scope, receive, send)


def write_runs(count: int) -> None:
    """Runs of the chain that succeeded, the newest a minute ago, instead of an earlier benchmark's."""
    from airflow.models.serialized_dag import SerializedDagModel

    dag, now = SerializedDagModel.get_dag(DAG_ID), datetime.datetime.now(datetime.UTC)
    if dag is None:
        raise SystemExit(f"{DAG_ID} is not parsed")
    # A session of its own: reading a DAG closes the one that Airflow shares in a thread.
    with Session(settings.engine) as session:
        session.execute(delete(DagRun).where(DagRun.run_id.like("bench\\_\\_%")))
        runs, tasks = [], []
        for number in range(count):
            begin = now - datetime.timedelta(minutes=1, seconds=RUN_SECONDS * (number + 1))
            runs.append(_run(run_id(number), begin))
            tasks += [
                _task(run_id(number), task_id, begin, place) for place, task_id in enumerate(dag.task_ids)
            ]
        tables: Any = (DagRun.__table__, TaskInstance.__table__)
        for table, rows in zip(tables, (runs, tasks), strict=True):
            for first in range(0, len(rows), ROWS):
                session.execute(insert(table), rows[first : first + ROWS])
        session.commit()
    print(f"{len(runs)} runs, {len(tasks)} task instances", flush=True)


def _run(name: str, begin: datetime.datetime) -> dict[str, Any]:
    return {
        "dag_id": DAG_ID,
        "run_id": name,
        "run_type": "manual",
        "state": "success",
        "conf": {"environment": "dev"},
        "run_after": begin,
        "start_date": begin,
        "end_date": begin + datetime.timedelta(seconds=RUN_SECONDS),
        "clear_number": 0,
        "span_status": "not_started",
    }


def _task(name: str, task_id: str, begin: datetime.datetime, place: int) -> dict[str, Any]:
    start = begin + datetime.timedelta(seconds=TASK_SECONDS * place)
    return {
        "id": uuid.uuid4(),
        "dag_id": DAG_ID,
        "run_id": name,
        "task_id": task_id,
        "state": "success",
        "start_date": start,
        "end_date": start + datetime.timedelta(seconds=TASK_SECONDS),
        "pool": "default_pool",
        "pool_slots": 1,
    }


if __name__ == "__main__":
    write_runs(int(sys.argv[2]))
    uvicorn.run(serve, host=LOOPBACK, port=int(sys.argv[1]), log_level="warning")
