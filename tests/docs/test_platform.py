"""docs/platform.md: every requirement has a row, and what a row names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((PROJECT / "include" / "cfn").glob("*.yaml"))
REQUIRED = [f"R{number}" for number in [*range(1, 17), 21]]
CODE = re.compile(r"`([^`]+)`")
ROW = re.compile(r"^\| (R\d+) [^|]*\|([^|]*)\|([^|]*)\|$", re.MULTILINE)


def table() -> dict[str, tuple[list[str], list[str]]]:
    """By requirement: what meets it, and the tests that prove it."""
    text = (PROJECT / "docs" / "platform.md").read_text()
    rows = ROW.findall(text[text.index("## Requirements") :])
    return {name: (CODE.findall(met), CODE.findall(proven)) for name, met, proven in rows}


def defined_in(path: Path) -> set[str]:
    """The test functions that a file defines itself."""
    if not path.is_file():
        return set()
    body = ast.parse(path.read_text()).body
    return {one.name for one in body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


def template_names() -> set[str]:
    """The templates' file names and their resources, parameters and outputs."""
    names = {template.name for template in TEMPLATES}
    for template in TEMPLATES:
        document = cfn_yaml.load(str(template))
        for part in ("Parameters", "Resources", "Outputs"):
            names |= set(document[part])
    return names


def tasks_and_dags() -> set[str]:
    """Names under ``@dag`` and ``@task``, and what is given as ``task_id``."""
    names = set()
    for folder in ("dags", "plugins/sagemaker_emr/task_groups"):
        for path in (PROJECT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and _is_authored(node):
                    names.add(node.name)
                if isinstance(node, ast.keyword) and node.arg == "task_id":
                    names |= {node.value.value} if isinstance(node.value, ast.Constant) else set()
    return names


def _is_authored(function: ast.FunctionDef) -> bool:
    return any(re.match(r"(dag|task)\b", ast.unparse(decorator)) for decorator in function.decorator_list)


def test_every_requirement_has_a_row() -> None:
    assert list(table()) == REQUIRED


@pytest.mark.parametrize("requirement", REQUIRED)
def test_what_meets_a_requirement_exists(requirement: str) -> None:
    met, _ = table()[requirement]
    files = {name for name in met if (PROJECT / name).is_file()}
    assert met
    assert set(met) - files - template_names() - tasks_and_dags() == set()


@pytest.mark.parametrize("requirement", REQUIRED)
def test_the_tests_that_prove_a_requirement_exist(requirement: str) -> None:
    _, proven = table()[requirement]
    assert proven
    for node_id in proven:
        path, _, name = node_id.partition("::")
        assert name in defined_in(PROJECT / path), node_id
