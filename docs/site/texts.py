"""The texts of the package's checks and errors, read from its code.

What a text names at run time is in capitals: ``f"{group_id} has no rule"`` reads ``GROUP_ID has no rule``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "plugins" / "sagemaker_emr"
BASE = "SageMakerEmrError"
UNKNOWN = "…"


@dataclass(frozen=True)
class Check:
    """A check of the platform, with what it says where it fails.

    :param fixes: cause and fix, each pair once.
    """

    name: str
    title: str
    symptom: str
    fixes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Message:
    """One place where an error is made."""

    what: str
    reason: str
    next_step: str


@dataclass(frozen=True)
class Error:
    """A class of errors, with all that it says.

    :param retried: whether Airflow tries the task again.
    """

    name: str
    described: str
    retried: bool
    messages: tuple[Message, ...]


def checks() -> list[Check]:
    """Every check, in the order of its file and place."""
    files = sorted((PACKAGE / "checks" / "diagnosis").glob("*.py"))
    return [found for path in files for found in _checks_of(_parsed(path))]


def errors() -> list[Error]:
    """Every class of the tree that is made somewhere, in the order of the tree's file."""
    tree = _parsed(PACKAGE / "exceptions.py")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    messages: dict[str, list[Message]] = {name: [] for name in classes}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
                messages[node.func.id] += _message(node)
    return [
        Error(name, ast.get_docstring(node) or "", "NotRetryable" not in _bases(name, classes), tuple(said))
        for name, node in classes.items()
        if (said := list(dict.fromkeys(messages[name])))
    ]


def _message(call: ast.Call) -> list[Message]:
    """What an error says; nothing where it is handed on."""
    if not call.args or (what := told(call.args[0])) == UNKNOWN:
        return []
    said = {one.arg: told(one.value) for one in call.keywords}
    return [Message(what, said.get("reason", ""), said.get("next_step", ""))]


def _bases(name: str, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    found = {name}
    for base in classes[name].bases if name in classes else ():
        found |= _bases(ast.unparse(base), classes)
    return found


def _checks_of(tree: ast.Module) -> Iterator[Check]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in functions.values():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "check":
                symptom = next(told(one.value) for one in decorator.keywords if one.arg == "symptom")
                fixes = dict.fromkeys(_fixes(function, functions, set()))
                yield Check(function.name, told(decorator.args[0]), symptom, tuple(fixes))


def _fixes(
    function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef], seen: set[str]
) -> Iterator[tuple[str, str]]:
    """What a check says, itself or in the functions of its file that it calls."""
    seen.add(function.name)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        if name == "failed":
            said = {one.arg: told(one.value) for one in node.keywords}
            yield said["cause"], said["fix"]
        elif name in functions and name not in seen:
            yield from _fixes(functions[name], functions, seen)


def told(node: ast.expr) -> str:
    """The text that an expression makes, as far as the code alone tells; otherwise ``…``."""
    if isinstance(node, ast.Constant):
        return "" if node.value is None else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part) for part in node.values)
    if isinstance(node, ast.Name):
        return constants().get(node.id, UNKNOWN)
    if isinstance(node, ast.IfExp):
        return told(node.body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return told(node.left) + told(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        return told(node.args[0].elt) if isinstance(node.args[0], ast.GeneratorExp) else UNKNOWN
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "rstrip":
        return told(node.func.value)
    return UNKNOWN


def _part(node: ast.expr) -> str:
    if not isinstance(node, ast.FormattedValue):
        return told(node)
    value = node.value
    if isinstance(value, ast.Name):
        return constants().get(value.id) or value.id.strip("_").upper()
    if isinstance(value, ast.Attribute):
        return value.attr.strip("_").upper()
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
        key = str(value.slice.value)
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).upper() if key[:1].isalpha() else UNKNOWN
    if isinstance(value, ast.IfExp) and isinstance(value.body, (ast.Constant, ast.JoinedStr)):
        return told(value.body)
    if isinstance(value, ast.BoolOp | ast.IfExp):
        return _part(ast.FormattedValue(value.values[0] if isinstance(value, ast.BoolOp) else value.body))
    if isinstance(value, ast.Call):
        return _call(value)
    return UNKNOWN


def _call(call: ast.Call) -> str:
    """The subject of a call that only formats it: ``', '.join(missing)``, ``name.capitalize()``."""
    if isinstance(call.func, ast.Attribute):
        if call.func.attr == "join" and isinstance(call.args[0], ast.Name):
            return call.args[0].id.upper()
        if call.func.attr in ("capitalize", "lower", "rstrip") or call.func.attr == "get":
            subject = call.args[0] if call.func.attr == "get" else call.func.value
            if isinstance(subject, ast.Constant):
                return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(subject.value)).upper()
            return _part(ast.FormattedValue(subject))
    return UNKNOWN


@cache
def constants() -> dict[str, str]:
    """The package's constants by name, as far as a name has one value everywhere."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in _parsed(path).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id.isupper():
                        found.setdefault(target.id, set()).add(str(node.value.value))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())
