from __future__ import annotations

from contextlib import contextmanager

import pytest
from airflow.listeners.listener import ListenerManager
from airflow.models.base import Base
from airflow.models.pool import Pool
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from sagemaker_emr import pools
from sagemaker_emr.task_groups.shared_cluster import SPARK_BATCHES_POOL


@pytest.fixture
def session():
    """Airflow's table of pools, empty."""
    engine = create_engine("sqlite://")
    tables = [Base.metadata.tables[name] for name in ("team", "slot_pool") if name in Base.metadata.tables]
    Base.metadata.create_all(engine, tables=tables)
    with Session(engine) as session:
        yield session


def the_pool(session):
    return session.scalar(select(Pool).filter_by(pool=SPARK_BATCHES_POOL))


@pytest.fixture
def starting(session, monkeypatch):
    """``starting(component)``: Airflow tells the plugin that one of its processes starts."""
    import airflow.utils.session

    @contextmanager
    def the_session():
        yield session

    monkeypatch.setattr(airflow.utils.session, "create_session", the_session)
    manager = ListenerManager()
    manager.add_listener(pools)
    return lambda component: manager.hook.on_starting(component=component)


def test_a_scheduler_that_starts_makes_the_pool_in_which_deferred_batches_count(session, starting):
    starting(object())
    assert (the_pool(session).slots, the_pool(session).include_deferred) == (pools.SLOTS, True)


def test_a_task_that_starts_asks_no_database(session, starting):
    """It may not, and would have the refusal in its log."""
    starting(TaskRunnerMarker())
    assert the_pool(session) is None


def test_a_pool_that_is_there_is_left_as_somebody_made_it(session):
    session.add(Pool(pool=SPARK_BATCHES_POOL, slots=3, description="ours", include_deferred=False))
    session.flush()
    assert pools.ensure_pool(session) is False
    assert (the_pool(session).slots, the_pool(session).description) == (3, "ours")
