"""The templates behind provisioning artifacts: reading them from S3, and what they ask for."""

from __future__ import annotations

from typing import Any

from local_aws.cloudformation import template as cloudformation_template
from local_aws.cloudformation import template_url
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.servicecatalog.exceptions import InvalidParameters

_CONSTRAINTS = (
    "AllowedPattern",
    "ConstraintDescription",
    "MaxLength",
    "MinLength",
    "MaxValue",
    "MinValue",
)


def read(url: str, region_name: str) -> str:
    """The text of a template in S3.

    :raises InvalidParameters: nothing readable is there.
    """
    try:
        return template_url.read(url, region_name)
    except ValidationError as error:
        raise InvalidParameters(f"Unable to read the template at {url}: {error.message}") from None


def parse(text: str) -> dict[str, Any]:
    """A CloudFormation template as a dictionary, short intrinsic functions spelt out.

    :raises InvalidParameters: the text is no template.
    """
    try:
        return cloudformation_template.parse(text)
    except ValidationError as error:
        raise InvalidParameters(
            f"Invalid templateBody. Please make sure that your template is valid. {error.message}"
        ) from None


def parameters(template: dict[str, Any]) -> list[dict[str, Any]]:
    """What the template asks for, as ``ProvisioningArtifactParameter`` structures."""
    return [_parameter(key, declared) for key, declared in (template.get("Parameters") or {}).items()]


def _parameter(key: str, declared: dict[str, Any]) -> dict[str, Any]:
    constraints: dict[str, Any] = {
        name: str(declared[name]) for name in _CONSTRAINTS if declared.get(name) is not None
    }
    constraints["AllowedValues"] = [str(value) for value in declared.get("AllowedValues", [])]
    described: dict[str, Any] = {
        "ParameterKey": key,
        "ParameterType": declared["Type"],
        "IsNoEcho": str(declared.get("NoEcho", False)).lower() == "true",
        "ParameterConstraints": constraints,
    }
    if declared.get("Default") is not None:
        described["DefaultValue"] = str(declared["Default"])
    if declared.get("Description"):
        described["Description"] = declared["Description"]
    return described


def output_keys(template: dict[str, Any]) -> list[dict[str, str]]:
    """The template's outputs, as ``ProvisioningArtifactOutput`` structures."""
    return [
        {"Key": key, "Description": str(output.get("Description", ""))}
        for key, output in (template.get("Outputs") or {}).items()
    ]


def resolved(value: Any, given: dict[str, str], template: dict[str, Any]) -> str | None:
    """A property's value if it is text or a parameter, None if it is known only once the stack runs."""
    if isinstance(value, dict) and set(value) == {"Ref"}:
        declared = (template.get("Parameters") or {}).get(value["Ref"])
        if declared is None:
            return None
        told = given.get(value["Ref"], declared.get("Default"))
        return None if told is None else str(told)
    return value if isinstance(value, str) else None
