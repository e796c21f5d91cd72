"""The page of every DAG's form, from the DAGs themselves. Needs Airflow, so it runs in ``.venv``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs.site.markdown import cell, table

PROJECT = Path(__file__).resolve().parents[2]
KINDS = {"string": "text", "boolean": "yes or no", "array": "list", "integer": "whole number"}


def load() -> Mapping[str, Any]:
    """Each DAG by id, as Airflow's own parser sees it.

    :raises SystemExit: a file can't be imported; with its traceback.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(PROJECT / "dags")
    if bag.import_errors:
        raise SystemExit("\n".join(f"{path}: {error}" for path, error in bag.import_errors.items()))
    return dict(bag.dags)


def page(dags: Mapping[str, Any]) -> str:
    """Markdown: a section a DAG, with its description and a table of its form."""
    return "\n".join(_section(dag) for _, dag in sorted(dags.items()))


def _section(dag: Any) -> str:
    described = (dag.doc_md or "").strip()
    fields = [dag.params.get_param(name) for name in dag.params]
    rows = [
        (
            field.schema.get("section", ""),
            f"{cell(field.schema.get('title', name))}<br>`{name}`",
            _allowed(field.schema),
            _default(field.value),
            cell(field.description or ""),
        )
        for name, field in zip(dag.params, fields, strict=True)
    ]
    form = table(("section", "field", "takes", "default", ""), rows) if rows else "Its form has no fields.\n"
    return f"## {dag.dag_id}\n\n{described}\n\nStarts: {_schedule(dag)}.\n\n{form}"


def _schedule(dag: Any) -> str:
    summary = str(getattr(dag.timetable, "summary", "") or "")
    if dag.schedule is None:
        return "by hand"
    paused = ", paused until somebody switches it on" if dag.is_paused_upon_creation else ""
    return f"by itself (`{summary or type(dag.timetable).__name__}`) and by hand{paused}"


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        shown = schema.get("values_display", {})
        return "<br>".join(cell(shown.get(value, f"`{value}`")) for value in schema["enum"])
    kinds = schema.get("type", "string")
    told = " or ".join(KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if schema.get("format"):
        told = f"{schema['format']}" if kinds == "string" else f"{told} ({schema['format']})"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        told += f", {'' if low is None else low} to {'' if high is None else high}"
    if "pattern" in schema:
        told += f"<br>`{cell(_readable(schema['pattern']))}`"
    return told.replace("null", "nothing")


def _readable(pattern: str) -> str:
    """Without the guard against a line feed at the end, which is no news for a reader."""
    return pattern.replace(r"(?!\n)$", "$")


def _default(value: Any) -> str:
    if type(value).__name__ == "ArgNotSet":
        return "must be given"
    if value is None or value in ("", []):
        return ""
    return f"`{cell(value if isinstance(value, str) else json.dumps(value))}`"
