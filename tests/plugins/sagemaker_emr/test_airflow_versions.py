"""One module knows which Airflow runs."""

from __future__ import annotations

import ast
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
ONLY_HERE = "airflow_versions.py"
ELSEWHERE_BEFORE_3_2 = {
    "airflow.sdk.configuration",
    "airflow.sdk.exceptions",
    "airflow.sdk.module_loading",
    "airflow.sdk.CronDataIntervalTimetable",
}
VERSIONS = {"airflow.__version__", "airflow.version"}


def imported(path: Path) -> set[str]:
    """Modules, and names with their modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_other_module_takes_from_airflow_what_depends_on_its_version():
    files = [path for folder in ("plugins", "dags") for path in (PROJECT / folder).rglob("*.py")]
    taken = {path.name: imported(path) & (ELSEWHERE_BEFORE_3_2 | VERSIONS) for path in files}
    assert taken.pop(ONLY_HERE)
    assert {name: names for name, names in taken.items() if names} == {}
