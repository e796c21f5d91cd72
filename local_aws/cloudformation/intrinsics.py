"""Intrinsic functions, pseudo parameters and conditions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.utilities.utils import get_partition

from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.template import SUB_NAMES, Template

NO_VALUE = object()


class Unknown:
    """A value that only execution will tell, such as the id of a resource still to be made."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def pseudo_parameters(
    account_id: str, region: str, stack_id: str, stack_name: str, notification_arns: list[str]
) -> dict[str, Any]:
    """The pseudo parameters of a stack."""
    return {
        "AWS::AccountId": account_id,
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::NotificationARNs": notification_arns,
        "AWS::URLSuffix": "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com",
        "AWS::Partition": get_partition(region),
        "AWS::NoValue": NO_VALUE,
    }


class Evaluator:
    """Resolves the values of one template with one set of parameters.

    :param template: the parsed template.
    :param values: parameters and pseudo parameters by name.
    :param reference: gives what ``Ref`` of a resource is.
    :param attribute: gives what ``Fn::GetAtt`` of a resource's attribute is.
    :param imported: gives the value of an export, for ``Fn::ImportValue``.
    """

    def __init__(
        self,
        template: Template,
        values: Mapping[str, Any],
        *,
        reference: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
        imported: Callable[[str], Any],
    ) -> None:
        self.template = template
        self.values = values
        self._reference = reference
        self._attribute = attribute
        self._imported = imported
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::ImportValue": lambda name: self._whole(name, self._imported),
            "Fn::GetAZs": self._get_azs,
            "Fn::Base64": lambda v: self._whole(v, lambda s: base64.b64encode(str(s).encode()).decode()),
            "Fn::ToJsonString": lambda v: self._whole(v, json.dumps),
            "Fn::Length": lambda v: self._whole(v, len),
        }

    def resolve(self, value: Any) -> Any:
        """The value with all functions resolved and ``AWS::NoValue`` left out.

        :raises ValidationError: a function is unknown or can't be resolved.
        """
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name in self._functions:
                return self._functions[name](argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                raise ValidationError(f"Template error: the function {name} is not played by local_aws.")
        resolved = {key: self.resolve(inner) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not NO_VALUE}

    def condition(self, name: str | None) -> bool:
        """Whether a named condition holds; no name holds."""
        if name is None:
            return True
        conditions = self.template.get("Conditions", {})
        if name not in conditions:
            raise ValidationError(f"Template format error: Unresolved condition dependency {name}")
        return self._holds(conditions[name])

    def _holds(self, expression: Any) -> bool:
        if not isinstance(expression, dict) or len(expression) != 1:
            raise ValidationError("Template format error: Every Condition must be a single function.")
        (function, argument), *_ = expression.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Equals":
            left, right = (_as_text(self.resolve(side)) for side in argument)
            return bool(left == right)
        if function == "Fn::Not":
            return not self._holds(argument[0])
        if function in ("Fn::And", "Fn::Or"):
            return (all if function == "Fn::And" else any)(self._holds(part) for part in argument)
        raise ValidationError(f"Template format error: {function} is not a condition function.")

    def _whole(self, argument: Any, function: Callable[[Any], Any]) -> Any:
        value = self.resolve(argument)
        return value if has_unknown(value) else function(value)

    def _ref(self, name: str) -> Any:
        return self.values[name] if name in self.values else self._reference(name)

    def _get_att(self, argument: Any) -> Any:
        logical_id, name = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._whole(name, lambda attribute: self._attribute(logical_id, attribute))

    def _sub(self, argument: Any) -> Any:
        text, names = (argument, {}) if isinstance(argument, str) else argument
        values: dict[str, Any] = {}
        for name in SUB_NAMES.findall(text):
            if name in names:
                values[name] = self.resolve(names[name])
            else:
                values[name] = self._get_att(name) if "." in name else self._ref(name)
        unknown = next((value for value in values.values() if isinstance(value, Unknown)), None)
        if unknown:
            return unknown
        return SUB_NAMES.sub(lambda found: _as_text(values[found[1]]), text).replace("${!", "${")

    def _join(self, argument: Any) -> Any:
        separator, items = argument
        return self._whole(items, lambda values: separator.join(map(_as_text, values)))

    def _split(self, argument: Any) -> Any:
        separator, text = argument
        return self._whole(text, lambda value: str(value).split(separator))

    def _select(self, argument: Any) -> Any:
        index, items = self.resolve(argument[0]), self.resolve(argument[1])
        if isinstance(items, Unknown):
            return items
        try:
            return items[int(index)]
        except IndexError:
            raise ValidationError(
                f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            ) from None

    def _if(self, argument: Any) -> Any:
        name, when_true, when_false = argument
        return self.resolve(when_true if self.condition(name) else when_false)

    def _find_in_map(self, argument: Any) -> Any:
        found: Any = self.template.get("Mappings", {})
        path = [_as_text(self.resolve(part)) for part in argument]
        for step in path:
            if step not in found:
                raise ValidationError(f"Template error: Unable to get mapping for {'::'.join(path)}")
            found = found[step]
        return found

    def _get_azs(self, argument: Any) -> list[str]:
        from local_aws.internal import client

        region = self.resolve(argument) or self.values["AWS::Region"]
        zones = client("ec2", region).describe_availability_zones()["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in zones)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def has_unknown(value: Any) -> bool:
    """Whether a value, or a part of it, is only known on execution."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)
