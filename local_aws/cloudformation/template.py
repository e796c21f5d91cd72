"""Reading templates: YAML with the short forms of functions, references, order of creation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from local_aws.cloudformation.exceptions import ValidationError

Template = dict[str, Any]

SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
        "Transform",
    }
)
RESOURCE_ATTRIBUTES = frozenset(
    {
        "Condition",
        "DeletionPolicy",
        "DependsOn",
        "Metadata",
        "Properties",
        "Type",
        "UpdateReplacePolicy",
    }
)
SUB_NAMES = re.compile(r"\$\{([^!}][^}]*)\}")


class _Loader(yaml.SafeLoader):
    """YAML without dates: CloudFormation reads ``2012-10-17`` as a string."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise ValidationError(f"Template format error: duplicate key [{', '.join(twice)}]{node.start_mark}")
    mapping: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_Loader.add_multi_constructor("!", _function)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse(body: str) -> Template:
    """The template as a dictionary, functions in their long form. JSON is YAML.

    :raises ValidationError: it is no YAML, or no template.
    """
    try:
        template = yaml.load(body, Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValidationError(f"Template format error: YAML not well-formed. {error}") from None
    if not isinstance(template, dict):
        raise ValidationError("Template format error: unsupported structure.")
    unknown = sorted(set(map(str, template)) - SECTIONS)
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    if "Transform" in template:
        raise ValidationError("Template format error: Transform is not played by local_aws.")
    if not template.get("Resources"):
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    _check_shapes(template)
    return template


def _check_shapes(template: Template) -> None:
    for section in ("Parameters", "Mappings", "Conditions", "Resources", "Outputs", "Rules"):
        if section in template and not isinstance(template[section], dict):
            raise ValidationError(f"Template format error: [/{section}] must be a map.")
    for logical_id, resource in template["Resources"].items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise ValidationError(
                f"Template format error: [/Resources/{logical_id}] Every Resources object must contain "
                "a Type member."
            )
        if not re.fullmatch(r"[A-Za-z0-9]{1,255}", str(logical_id)):
            raise ValidationError(f"Template format error: Resource name {logical_id} is non alphanumeric.")
        unknown = sorted(set(resource) - RESOURCE_ATTRIBUTES)
        if unknown:
            raise ValidationError(
                f"Invalid template resource property '{unknown[0]}' (resource {logical_id})"
            )


def references(value: Any) -> Iterator[str]:
    """Names that ``Ref``, ``Fn::GetAtt``, ``Fn::Sub`` and ``DependsOn`` inside a value point to."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _references_of(key, inner)


def _references_of(key: str, inner: Any) -> Iterator[str]:
    if key == "Ref" and isinstance(inner, str):
        yield inner
    elif key == "Fn::GetAtt":
        parts = inner.split(".", 1) if isinstance(inner, str) else inner
        yield parts[0]
        yield from references(parts[1:])
    elif key == "Fn::Sub":
        text, names = (inner, {}) if isinstance(inner, str) else inner
        yield from (name.split(".")[0] for name in SUB_NAMES.findall(text) if name not in names)
        yield from references(names)
    elif key == "DependsOn":
        yield from [inner] if isinstance(inner, str) else inner
    else:
        yield from references(inner)


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Logical ids, each after those it refers to.

    :raises ValidationError: resources refer to one another in a circle.
    """
    graph = {
        logical_id: sorted(
            {name for name in references(resource) if name in resources and name != logical_id}
        )
        for logical_id, resource in resources.items()
    }
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = ", ".join(sorted(set(error.args[1])))
        raise ValidationError(f"Circular dependency between resources: [{circle}]") from None
