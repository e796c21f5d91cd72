"""Which window a run trains on, and whether anything has to be prepared for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from sagemaker_emr.assets import triggering_events, triggering_partitions
from sagemaker_emr.costs.budget import keep_budget
from sagemaker_emr.flights import current_code_hash, inputs
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.operators.base import skip_with_reason
from sagemaker_emr.windows import Window, missing, newest_complete, outdated, ready_versions, take

log = logging.getLogger(__name__)

TRAIN = "stage_code"
PREPARE = "wait_for_raw_partitions"


@task.branch
def choose_window(features_uri: str, raw_uri: str, bucket: str, **context: Any) -> list[str]:
    """Fix the run's days, and go straight to the training where all of them are ready.

    A run that a partition started trains the newest window that is complete, if the partition's date is in it
    and no other run trains it; else it ends here, skipped, and the log says why. It never prepares anything,
    and names the days that are out of date: their raw files or the code have changed. A run started by hand
    trains the window of its partition key or of its form, and prepares it where a day is missing or out of
    date.

    What a run without a cluster is going to cost is told, and held against its budget, here; that of one with
    a cluster when the cluster is claimed.

    Pushes ``training_start``, ``training_end``, ``evaluation_start`` and ``evaluation_end``.

    :param features_uri: the folder of the ``date=…`` partitions.
    :param raw_uri: the raw bucket.
    :param bucket: the artifacts bucket.
    """
    s3 = ArtifactsHook()
    by_hand = _run_type(context) != "asset_triggered"
    window = _asked_for(context) if by_hand else _of_partition(s3, features_uri, bucket, context)
    to_prepare = _to_prepare(s3, features_uri, raw_uri, window)
    if not by_hand and to_prepare:
        log.warning("Raw files or code have changed since they were prepared: %s", ", ".join(to_prepare))
        to_prepare = []
    elif by_hand and context["params"]["prepare"] == "always":
        to_prepare = window.days
    log.info("%s", window)
    for name, day in asdict(window).items():
        context["ti"].xcom_push(key=name, value=day)
    if not to_prepare:
        log.info("All %d days are ready: no cluster is needed", len(window.days))
        keep_budget(context, str(s3.conn_region_name), with_cluster=False)
        return [TRAIN]
    log.info("To prepare: %s", ", ".join(to_prepare))
    return [TRAIN, PREPARE]


def _run_type(context: Mapping[str, Any]) -> str:
    run_type = context["dag_run"].run_type
    return str(getattr(run_type, "value", run_type))


def _lengths(context: Mapping[str, Any]) -> tuple[int, int]:
    params = context["params"]
    return int(params["training_window_days"]), int(params["evaluation_days"])


def _asked_for(context: Mapping[str, Any]) -> Window:
    """The window of a run by hand: of its partition key, or of its form."""
    partitions = triggering_partitions(context)
    if partitions:
        return Window.ending(partitions[0].date, *_lengths(context))
    return Window.trained_until(context["params"]["training_end_date"], *_lengths(context))


def _to_prepare(s3: ArtifactsHook, features_uri: str, raw_uri: str, window: Window) -> list[str]:
    """The window's days that are missing or out of date."""
    lacking = missing(window, ready_versions(s3, features_uri, window.days))
    committed = [day for day in window.days if day not in lacking]
    changed = outdated(s3, features_uri, committed, inputs(raw_uri), current_code_hash())
    return sorted([*lacking, *changed])


def _of_partition(s3: ArtifactsHook, features_uri: str, bucket: str, context: Mapping[str, Any]) -> Window:
    """The window that a partition's event, or those that came together, are to be answered with.

    :raises AirflowSkipException: there is nothing to train.
    """
    days = [partition.date for partition in triggering_partitions(context)]
    if not days:
        skip_with_reason(context, "What started the run announces no partition")
    for event in triggering_events(context):
        log.info("Announced: %s", event)
    found = newest_complete(s3, features_uri, days[0], *_lengths(context))
    if found is None:
        window = Window.ending(days[0], *_lengths(context))
        lacking = missing(window, ready_versions(s3, features_uri, window.days))
        skip_with_reason(
            context, f"No window with {days[0]} is complete; up to that day miss: {', '.join(lacking)}"
        )
    window, versions = found
    if days[-1] < window.training_start:
        skip_with_reason(context, f"{days[-1]} is not in the newest complete window: {window}")
    run_id = str(context["run_id"])
    trained_by = take(s3, bucket, window, versions, run_id)
    if trained_by != run_id:
        skip_with_reason(context, f"Run {trained_by} trains on the same partitions: {window}")
    return window
