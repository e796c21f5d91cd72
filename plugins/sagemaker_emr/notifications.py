"""Tells somebody, through a notifier of Airflow's or of a provider that the environment names.

``SAGEMAKER_EMR_NOTIFIER`` is its class, ``SAGEMAKER_EMR_NOTIFIER_KWARGS`` its arguments as a JSON object: for
example ``airflow.providers.amazon.aws.notifications.sns.SnsNotifier`` and ``{"target_arn": "arn:aws:…"}``. In
their templates ``event`` and ``notice`` say what happened. Without the first nobody is told. Both are read
where DAGs are parsed and where tasks run: a setting that can't be used is an import error of every DAG.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from airflow.sdk import BaseNotifier

from sagemaker_emr.airflow_versions import conf
from sagemaker_emr.exceptions import BudgetExceeded, InvalidInput

NOTIFIER, KWARGS = "SAGEMAKER_EMR_NOTIFIER", "SAGEMAKER_EMR_NOTIFIER_KWARGS"

SUBJECT = "{{ event }}"
MESSAGES = {
    "subject": SUBJECT,
    "message": "{{ event }}\n{{ notice }}",
    "text": "{{ event }}\n{{ notice }}",
    "html_content": "<p>{{ event | e }}</p><pre>{{ notice | e }}</pre>",
}
"""What a notifier is told where the setting leaves it open, by the names its parameters mostly have."""

RUN_FAILED, APPROVAL_WANTED = "Run failed", "Approval wanted"
ORPHAN_FOUND, BUDGET_PASSED = "Orphan found", "Budget passed"

Callback = Callable[[Any], None]

log = logging.getLogger(__name__)


def is_configured() -> bool:
    """Whether anybody is to be told."""
    return bool(os.environ.get(NOTIFIER))


def make_notifier() -> BaseNotifier:
    """The notifier that the environment names; a new one each time, since rendering is for good.

    :raises InvalidInput: the setting can't be used, naming the variable.
    """
    path, text = os.environ[NOTIFIER], os.environ.get(KWARGS) or "{}"
    try:
        kwargs = json.loads(text)
    except ValueError as error:
        raise _unusable(KWARGS, text, f"it is no JSON: {error}") from error
    if not isinstance(kwargs, dict):
        raise _unusable(KWARGS, text, "it is no JSON object")
    try:
        module, _, name = path.rpartition(".")
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise _unusable(NOTIFIER, path, str(error)) from error
    if not (inspect.isclass(found) and issubclass(found, BaseNotifier)):
        raise _unusable(NOTIFIER, path, "it is no subclass of airflow.sdk.BaseNotifier")
    takes = inspect.signature(found).parameters
    arguments: dict[str, Any] = {key: MESSAGES[key] for key in MESSAGES if key in takes}
    try:
        notifier: BaseNotifier = found(**arguments | kwargs)
    except Exception as error:
        raise _unusable(KWARGS, text, f"{type(error).__name__}: {error}") from error
    return notifier


def _unusable(variable: str, value: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The environment variable {variable} can't be used",
        reason=f"{reason} (in {value!r})",
        next_step="docs/guides/notifications.md has examples. Unset it, and nobody is told.",
    )


def tell(event: str, notice: str, context: Mapping[str, Any]) -> None:
    """Tell of an event, if anybody is to be told. What goes wrong with that is logged, and fails nothing."""
    if not is_configured():
        return
    try:
        make_notifier()({**context, "event": event, "notice": f"{notice}\n{_where(context)}"})
    except Exception:
        log.exception("Nobody could be told: %s", event)
    else:
        log.info("Told: %s", event)


def run_failed(context: Mapping[str, Any]) -> None:
    """For ``on_failure_callback`` of a DAG."""
    tell(RUN_FAILED, f"Reason: {context.get('reason')}", context)


def budget_passed(context: Mapping[str, Any]) -> None:
    """For ``on_failure_callback`` of tasks: their run's failure is told by itself, the sums are not."""
    if isinstance(context.get("exception"), BudgetExceeded):
        tell(BUDGET_PASSED, str(context["exception"]), context)


def approval_wanted(context: Mapping[str, Any]) -> None:
    """For ``notifiers`` of a human-in-the-loop operator."""
    task = context["task"]
    tell(APPROVAL_WANTED, f"{task.subject}\n{task.body or ''}\nAnswer under Required Actions.", context)


def configured(callback: Callback) -> Callback | None:
    """The callback, or None where nobody is to be told.

    :raises InvalidInput: the setting can't be used.
    """
    if not is_configured():
        return None
    make_notifier()
    return callback


def _where(context: Mapping[str, Any]) -> str:
    """DAG, run and where to look at it."""
    ti, dag = context.get("ti"), context.get("dag")
    dag_id = ti.dag_id if ti else getattr(dag, "dag_id", "?")
    run_id = context.get("run_id") or getattr(ti, "run_id", "?")
    base_url = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{dag_id}, run {run_id}: {base_url}/dags/{dag_id}/runs/{run_id}"
