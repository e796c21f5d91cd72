"""The Airflow pool of Spark batches on shared clusters, made where there is none.

Airflow never starts a task whose pool does not exist. Its scheduler writes a warning into its own log
("Tasks using non-existent pool", airflow/jobs/scheduler_job_runner.py), the run shows nothing, and neither
tasks nor parsing can ask for pools ("TODO: Set known_pool names on DagBag!",
airflow/dag_processing/processor.py). So the plugin makes it when the scheduler starts. One that is there is
left as it is.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

SPARK_BATCHES_POOL = "spark_batches"
"""The Airflow pool of Spark batches on shared clusters, deferred ones included."""

SLOTS = 16
DESCRIPTION = "Spark batches on shared clusters, waiting ones included (prepare_features)"

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Called where a scheduler, a triggerer or a DAG processor starts; and a task, which has no database."""
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

    if isinstance(component, TaskRunnerMarker):
        return

    from airflow.utils.session import create_session

    with create_session() as session:
        ensure_pool(session)


def ensure_pool(session: Any) -> bool:
    """Make the pool unless there is one of its name; whether it was made."""
    from airflow.models.pool import Pool

    if Pool.get_pool(SPARK_BATCHES_POOL, session=session) is not None:
        return False
    Pool.create_or_update_pool(SPARK_BATCHES_POOL, SLOTS, DESCRIPTION, include_deferred=True, session=session)
    log.info("Made the Airflow pool %s of %d slots", SPARK_BATCHES_POOL, SLOTS)
    return True
