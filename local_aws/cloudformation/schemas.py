"""The resource types' own schemas, which cfn-lint carries for every Region.

Importing cfn-lint takes seconds, so it happens in the background after the start (``preload``).
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema

from local_aws.cloudformation.exceptions import ResourceFailed

CHECKED = frozenset({"additionalProperties", "required", "type", "enum"})
_importing = threading.Lock()

# The schemas' patterns are Java's, some of which Python can't compile; the services check them themselves.
_Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft7Validator, {"pattern": lambda *_: iter(())}
)


def preload() -> threading.Thread:
    """Import cfn-lint in the background."""
    thread = threading.Thread(target=_manager, name="schemas", daemon=True)
    thread.start()
    return thread


def _manager() -> Any:
    with _importing:
        from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

        return PROVIDER_SCHEMA_MANAGER


@cache
def schema(region: str, resource_type: str) -> Mapping[str, Any] | None:
    """The schema of a type, None where the Region has no such type."""
    from cfnlint.schema import ResourceNotFoundError

    try:
        found: Mapping[str, Any] = _manager().get_resource_schema(region, resource_type).schema
    except ResourceNotFoundError:
        return None
    return found


def _names(region: str, resource_type: str, keyword: str) -> frozenset[str]:
    found = schema(region, resource_type) or {}
    return frozenset(pointer.split("/")[2] for pointer in found.get(keyword, []))


def create_only(region: str, resource_type: str) -> frozenset[str]:
    """Properties whose change replaces the resource."""
    found = schema(region, resource_type) or {}
    pointers = [pointer.split("/") for pointer in found.get("createOnlyProperties", [])]
    return frozenset(parts[2] for parts in pointers if len(parts) == 3)


def identifier(region: str, resource_type: str) -> frozenset[str]:
    """Names of the properties that identify a resource."""
    return _names(region, resource_type, "primaryIdentifier")


def attributes(region: str, resource_type: str) -> frozenset[str]:
    """What ``Fn::GetAtt`` may ask for, as dotted names."""
    found = schema(region, resource_type) or {}
    return frozenset(".".join(pointer.split("/")[2:]) for pointer in found.get("readOnlyProperties", []))


def permissions(region: str, resource_type: str, verb: str) -> list[str]:
    """IAM actions that the type's handler for create, update or delete may need."""
    found = schema(region, resource_type) or {}
    needed: list[str] = found.get("handlers", {}).get(verb, {}).get("permissions", [])
    return needed


def taggable(region: str, resource_type: str) -> bool:
    """Whether stack tags go to the resource through its ``Tags`` property, a list of keys and values."""
    found = schema(region, resource_type) or {}
    tagging = found.get("tagging", {})
    if (
        tagging.get("taggable") is False
        or tagging.get("tagProperty", "/properties/Tags") != "/properties/Tags"
    ):
        return False
    tags = found.get("properties", {}).get("Tags")
    return tags is not None and "$ref" not in tags and tags.get("type", "array") == "array"


def validate(region: str, logical_id: str, resource_type: str, properties: Mapping[str, Any]) -> None:
    """Check resolved properties.

    Scalars of another type pass, since CloudFormation converts them; read-only properties do not.

    :raises ResourceFailed: unknown, missing or ill-typed properties, in CloudFormation's words.
    """
    found = schema(region, resource_type)
    if found is None:
        return
    wrong = list(_wrong(_writable(region, resource_type, found), properties))
    if wrong:
        raise ResourceFailed(
            f"Properties validation failed for resource {logical_id} with message:\n" + "\n".join(wrong)
        )


def _writable(region: str, resource_type: str, found: Mapping[str, Any]) -> dict[str, Any]:
    read_only = {name for name in attributes(region, resource_type) if "." not in name}
    writable = copy.copy(dict(found))
    writable["properties"] = {k: v for k, v in found["properties"].items() if k not in read_only}
    return writable


def _wrong(checked: dict[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    for error in _Validator(checked).iter_errors(properties):
        if error.validator not in CHECKED:
            continue
        place = "#" + "".join(f"/{part}" for part in error.absolute_path)
        if error.validator == "type":
            if isinstance(error.instance, (dict, list)):
                kind = type(error.instance).__name__
                yield f"{place}: expected type: {error.validator_value}, found: {kind}"
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (f"{place}: required key [{name}] not found" for name in missing)
        elif error.validator == "additionalProperties":
            extra = sorted(set(error.instance) - set(error.schema.get("properties", {})))
            yield from (f"{place}: extraneous key [{name}] is not permitted" for name in extra)
        else:
            yield f"{place}: {error.instance} is not a valid enum value"
