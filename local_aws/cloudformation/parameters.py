"""Parameters of a template: declared, given, checked, converted.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.template import Template

LIST_TYPES = re.compile(r"CommaDelimitedList|List<.+>")
KNOWN_TYPES = re.compile(r"String|Number|CommaDelimitedList|List<(Number|AWS::EC2::[\w:]+)>|AWS::EC2::[\w:]+")


def given_values(entries: list[dict[str, Any]], previous: Mapping[str, str] | None = None) -> dict[str, str]:
    """Parameters as given to an API call, ``UsePreviousValue`` filled in.

    :raises ValidationError: a previous value is asked for that does not exist.
    """
    values = {}
    for entry in entries:
        key = entry["ParameterKey"]
        use_previous = str(entry.get("UsePreviousValue", "")).lower() == "true"
        if not use_previous:
            values[key] = str(entry.get("ParameterValue", ""))
        elif entry.get("ParameterValue"):
            raise ValidationError(
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and "
                "non empty value for a parameter"
            )
        elif previous is None or key not in previous:
            raise ValidationError(
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a "
                "parameter key not in the previous template"
            )
        else:
            values[key] = previous[key]
    return values


def effective_values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Every declared parameter's value as text, defaults filled in, checked.

    :raises ValidationError: undeclared, missing or forbidden values, as AWS words it.
    """
    declared = template.get("Parameters") or {}
    undeclared = [name for name in given if name not in declared]
    if undeclared:
        raise ValidationError(f"Parameters: [{', '.join(undeclared)}] do not exist in the template")
    missing = [name for name, slot in declared.items() if name not in given and "Default" not in slot]
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    values = {name: given.get(name, _text(slot.get("Default"))) for name, slot in declared.items()}
    for name, slot in declared.items():
        _check(name, slot, values[name])
    return values


def typed_values(template: Template, values: Mapping[str, str]) -> dict[str, Any]:
    """Values as ``Ref`` gives them: lists split, the rest text."""
    declared = template.get("Parameters") or {}
    return {
        name: [part.strip() for part in value.split(",")] if _is_list(declared[name]) else value
        for name, value in values.items()
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_list(slot: Mapping[str, Any]) -> bool:
    return LIST_TYPES.fullmatch(slot["Type"]) is not None


def _check(name: str, slot: Mapping[str, Any], value: str) -> None:
    if not KNOWN_TYPES.fullmatch(str(slot.get("Type"))):
        raise ValidationError(f"Template format error: Unrecognized parameter type: {slot.get('Type')}")
    for part in [part.strip() for part in value.split(",")] if _is_list(slot) else [value]:
        _check_part(name, slot, part)


def _check_part(name: str, slot: Mapping[str, Any], value: str) -> None:
    hint = slot.get("ConstraintDescription")

    def refuse(constraint: str) -> ValidationError:
        detail = f"failed to satisfy constraint: {hint}" if hint else constraint
        return ValidationError(f"Parameter {name} {detail}")

    if "AllowedValues" in slot and value not in map(_text, slot["AllowedValues"]):
        if hint:
            raise refuse("")
        raise ValidationError(f"Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in slot and not re.fullmatch(slot["AllowedPattern"], value):
        raise refuse(f"must match pattern {slot['AllowedPattern']}")
    if "MinLength" in slot and len(value) < int(slot["MinLength"]):
        raise refuse(f"must contain at least {slot['MinLength']} characters")
    if "MaxLength" in slot and len(value) > int(slot["MaxLength"]):
        raise refuse(f"must contain at most {slot['MaxLength']} characters")
    if "Number" in slot["Type"]:
        _check_number(name, slot, value, refuse)


def _check_number(name: str, slot: Mapping[str, Any], value: str, refuse: Any) -> None:
    try:
        number = float(value)
    except ValueError:
        raise ValidationError(f"Parameter '{name}' must be a number.") from None
    if "MinValue" in slot and number < float(slot["MinValue"]):
        raise refuse(f"must be a number not less than {slot['MinValue']}")
    if "MaxValue" in slot and number > float(slot["MaxValue"]):
        raise refuse(f"must be a number not greater than {slot['MaxValue']}")
