"""Rules: what a template asserts of its parameters before anything is made.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.template import Template


def check(template: Template, values: Mapping[str, str]) -> None:
    """Check every rule whose condition holds.

    :raises ValidationError: an assertion does not hold; or a function that rules do not know is used.
    """
    for name, rule in (template.get("Rules") or {}).items():
        if "RuleCondition" in rule and not _holds(rule["RuleCondition"], values):
            continue
        for assertion in rule["Assertions"]:
            if not _holds(assertion["Assert"], values):
                described = assertion.get("AssertDescription", "")
                raise ValidationError(f"Template validation error: Rule {name} failed: {described}")


def _holds(expression: Any, values: Mapping[str, str]) -> bool:
    if not isinstance(expression, dict) or len(expression) != 1:
        raise ValidationError(f"Template format error: {expression} is no single function of a rule.")
    function, argument = next(iter(expression.items()))
    if function == "Fn::Equals":
        left, right = (_text(side, values) for side in argument)
        return left == right
    if function == "Fn::Not":
        return not _holds(argument[0], values)
    if function == "Fn::Contains":
        return _text(argument[1], values) in argument[0]
    if function in ("Fn::And", "Fn::Or"):
        return (all if function == "Fn::And" else any)(_holds(part, values) for part in argument)
    raise ValidationError(f"Template format error: local_aws does not play {function} in Rules.")


def _text(value: Any, values: Mapping[str, str]) -> str:
    if isinstance(value, dict):
        if set(value) != {"Ref"} or value["Ref"] not in values:
            raise ValidationError(f"Template format error: local_aws does not play {value} in Rules.")
        return values[value["Ref"]]
    return str(value).lower() if isinstance(value, bool) else str(value)
