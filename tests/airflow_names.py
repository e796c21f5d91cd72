"""What differs for the tests between the versions of Airflow; see ``sagemaker_emr.airflow_versions``."""

from __future__ import annotations

import pytest

from sagemaker_emr.airflow_versions import (
    ASSETS_HAVE_PARTITIONS,
    PAGES_KNOW_THEIR_READER,
    TASKS_CAN_ASK,
    TRIGGERS_ARE_KILLED,
    VERSION,
)

needs_killed_triggers = pytest.mark.skipif(
    not TRIGGERS_ARE_KILLED, reason="Airflow calls no trigger's on_kill before 3.3"
)
needs_partitions = pytest.mark.skipif(
    not ASSETS_HAVE_PARTITIONS, reason="Airflow has no partitions before 3.2"
)
needs_pages = pytest.mark.skipif(not PAGES_KNOW_THEIR_READER, reason="No page is served before Airflow 3.2")
needs_answers = pytest.mark.skipif(not TASKS_CAN_ASK, reason="Airflow asks nobody before 3.1")

if VERSION >= (3, 2):
    from airflow.sdk.definitions._internal.types import is_arg_set
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        DagRunTriggerException,
        DownstreamTasksSkipped,
        ParamValidationError,
        TaskDeferred,
    )
    from airflow.sdk.module_loading import import_string

    DAG_BAG = "airflow.dag_processing.dagbag"
else:
    from airflow.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        DagRunTriggerException,
        DownstreamTasksSkipped,
        ParamValidationError,
        TaskDeferred,
    )
    from airflow.sdk.definitions._internal.types import NOTSET
    from airflow.utils.module_loading import import_string

    DAG_BAG = "airflow.models.dagbag"

    def is_arg_set(value: object) -> bool:
        return value is not NOTSET


__all__ = [
    "DAG_BAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "DagRunTriggerException",
    "DownstreamTasksSkipped",
    "ParamValidationError",
    "TaskDeferred",
    "import_string",
    "is_arg_set",
    "needs_answers",
    "needs_killed_triggers",
    "needs_pages",
    "needs_partitions",
]
