"""The page of the CloudFormation templates: their parameters and outputs, from the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from docs.site.markdown import cell, table

TEMPLATES = Path(__file__).resolve().parents[2] / "include" / "cfn"
LIMITS = {
    "AllowedPattern": "`{}`",
    "AllowedValues": "{}",
    "MinLength": "at least {} characters",
    "MaxLength": "at most {} characters",
    "MinValue": "at least {}",
    "MaxValue": "at most {}",
}


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's short functions for what they stand before."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _function)


def page(folder: Path = TEMPLATES) -> str:
    """Markdown: a section a template."""
    return "\n".join(_section(path) for path in sorted(folder.glob("*.yaml")))


def read(path: Path) -> Mapping[str, Any]:
    """A template's document."""
    document: Mapping[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506
    return document


def _section(path: Path) -> str:
    document = read(path)
    parameters = [
        (f"`{name}`", _takes(one), _default(one), cell(one.get("Description", "")))
        for name, one in document.get("Parameters", {}).items()
    ]
    outputs = [
        (f"`{name}`", cell(one.get("Description", ""))) for name, one in document.get("Outputs", {}).items()
    ]
    parts = [f"## {path.name}\n", f"{document['Description']}\n"]
    if parameters:
        parts.append(table(("parameter", "takes", "default", ""), parameters))
    if outputs:
        parts.append(table(("output", ""), outputs))
    return "\n".join(parts)


def _takes(parameter: Mapping[str, Any]) -> str:
    limits = []
    for name, words in LIMITS.items():
        if name in parameter:
            value = parameter[name]
            told = ", ".join(f"`{one}`" for one in value) if isinstance(value, list) else str(value)
            limits.append(words.format(cell(told)))
    return "; ".join([f"{parameter['Type']}", *limits])


def _default(parameter: Mapping[str, Any]) -> str:
    value = parameter.get("Default")
    return "" if value in (None, "") else f"`{cell(str(value))}`"
