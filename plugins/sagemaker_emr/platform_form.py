"""The platform's form: its fields, what in them can't work together, and which stack each goes to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.forms import text_field

PROFILE_PATTERN = (
    r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}(=arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+)?(?!\n)$"
)
CIDR_PATTERN = r"^(\d{1,3}\.){3}\d{1,3}/(1[6-9]|2[0-8])(?!\n)$"
CIDR_RULE = "An IPv4 range such as 10.42.0.0/16, of a size from /16 to /28."

PROFILE_RULE = "Names are 1 to 63 letters, digits and hyphens; no hyphen first or last."

FIRST_PROFILE = "data-scientist"

STACK_PARAMETERS: dict[str, dict[str, str]] = {
    "storage": {},
    "network": {
        "VpcId": "vpc_id",
        "PrivateSubnetId": "private_subnet_id",
        "VpcCidr": "vpc_cidr",
        "PublicSubnetCidr": "public_subnet_cidr",
        "PrivateSubnetCidr": "private_subnet_cidr",
        "CreateNatGateway": "create_nat_gateway",
        "CreateInterfaceEndpoints": "create_interface_endpoints",
        "BootstrapWheelsUri": "bootstrap_wheels_uri",
    },
    "studio": {"Permissions": "permissions"},
    "catalog": {"Permissions": "permissions"},
}
"""Template parameter to form field, by stack."""

PLATFORM: dict[str, Any] = {
    "permissions": Param(
        "scoped",
        type="string",
        enum=["scoped", "reference"],
        values_display={
            "scoped": "scoped: the least that this project's runs need",
            "reference": "reference: the broad managed policies of the reference article",
        },
        title="Permissions",
        description="Of Studio's execution role and of the catalog's launch role.",
        section="Platform",
    ),
    "allow_replacement": Param(
        False,
        type="boolean",
        title="Allow replacement",
        description="Accept a plan that replaces or deletes the domain, its file system or a bucket. "
        "What they hold is lost. Without it such a plan waits for an approval, or fails where Airflow can't "
        "ask for one.",
        section="Platform",
    ),
    "check": Param(
        "auto",
        type="string",
        enum=["auto", "always", "never"],
        values_display={
            "auto": "auto: when something was changed",
            "always": "always: also where nothing was changed",
            "never": "never",
        },
        title="Check at the end",
        description="Diagnose the platform as check_platform does, and fail the run where something will not "
        "work. Drift and the account's own limits are reported only.",
        section="Platform",
    ),
    "vpc_id": text_field(
        "",
        allowed="Begins with vpc-, or nothing.",
        examples=["vpc-0a1b2c3d4e5f60718"],
        pattern=r"^(vpc-[0-9a-f]{8,17})?(?!\n)$",
        title="Existing VPC",
        description="With DNS support and DNS hostnames on. Empty: a new one is created.",
        section="Network",
    ),
    "private_subnet_id": text_field(
        "",
        allowed="Begins with subnet-, or nothing.",
        examples=["subnet-0a1b2c3d4e5f60718"],
        pattern=r"^(subnet-[0-9a-f]{8,17})?(?!\n)$",
        title="Existing private subnet",
        description="Of that VPC; Studio and EMR share it. Empty: a new one is created.",
        section="Network",
    ),
    "vpc_cidr": text_field(
        "10.42.0.0/16",
        pattern=CIDR_PATTERN,
        allowed=CIDR_RULE,
        examples=["10.42.0.0/16"],
        title="Range of a new VPC",
        description="Free of addresses that must be reached from it.",
        section="Network",
    ),
    "public_subnet_cidr": text_field(
        "10.42.0.0/24",
        pattern=CIDR_PATTERN,
        allowed=CIDR_RULE,
        examples=["10.42.0.0/24"],
        title="Range of a new public subnet",
        description="Holds only the NAT gateway.",
        section="Network",
    ),
    "private_subnet_cidr": text_field(
        "10.42.16.0/20",
        pattern=CIDR_PATTERN,
        allowed=CIDR_RULE,
        examples=["10.42.16.0/20"],
        title="Range of a new private subnet",
        description="Of the VPC's range; Studio and EMR share it.",
        section="Network",
    ),
    "create_nat_gateway": Param(
        True,
        type="boolean",
        title="NAT gateway",
        description="For a new VPC. Without one nothing in it can be installed from the internet.",
        section="Network",
    ),
    "create_interface_endpoints": Param(
        False,
        type="boolean",
        title="Interface endpoints",
        description="For the services that Studio and EMR call; paid by the hour each.",
        section="Network",
    ),
    "bootstrap_wheels_uri": text_field(
        "",
        allowed="s3://, a bucket and a folder, or nothing.",
        examples=["s3://my-bucket/wheels"],
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=+@-]+)+)?(?!\n)$",
        title="Python wheels for clusters",
        description="A folder of wheels in S3; needed without a NAT gateway.",
        section="Network",
    ),
    "user_profiles": Param(
        [FIRST_PROFILE],
        type="array",
        items={"type": "string", "pattern": PROFILE_PATTERN, "allowed": PROFILE_RULE},
        allowed=PROFILE_RULE,
        uniqueItems=True,
        maxItems=200,
        title="User profiles",
        description="One a line: its name, or NAME=ROLE-ARN for a user with a role of its own. A profile "
        f"taken off the list is removed, with its apps and spaces. {PROFILE_RULE}",
        section="Studio",
    ),
}


def stack_choices() -> dict[str, dict[str, str]]:
    """What the form says of each stack's parameters, as templates for a DAG that has it."""
    return {
        stack: {
            parameter: f"{{{{ params.{name} | lower if params.{name} is boolean else params.{name} }}}}"
            for parameter, name in fields.items()
        }
        for stack, fields in STACK_PARAMETERS.items()
    }


def chosen(stack: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the values of one form."""
    return {parameter: form[name] for parameter, name in STACK_PARAMETERS[stack].items()}


def profile_of(entry: str) -> tuple[str, str | None]:
    """Name and own role of an entry of ``user_profiles``."""
    name, _, role = entry.partition("=")
    return name, role or None


def check(form: Mapping[str, Any]) -> None:
    """Refuse what can't work, before anything is made.

    :raises InvalidInput: with the reason and what to choose instead.
    """
    _check_profiles(form["user_profiles"])
    if bool(form["vpc_id"]) != bool(form["private_subnet_id"]):
        raise InvalidInput(
            "Half of an existing network is given",
            reason=f"VPC {form['vpc_id'] or 'none'}, private subnet {form['private_subnet_id'] or 'none'}",
            next_step="Give both, or neither for a new VPC.",
        )
    if not form["vpc_id"]:
        _check_new_network(form)


def _check_profiles(entries: list[str]) -> None:
    names = [profile_of(entry)[0] for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput("A user profile is listed twice", reason=", ".join(twice))


def _check_new_network(form: Mapping[str, Any]) -> None:
    ranges = {}
    for name in ("vpc_cidr", "public_subnet_cidr", "private_subnet_cidr"):
        try:
            ranges[name] = ipaddress.IPv4Network(form[name])
        except ValueError as error:
            raise InvalidInput(f"{name} {form[name]} is no address range", reason=str(error)) from error
    vpc, public, private = ranges.values()
    for name in ("public_subnet_cidr", "private_subnet_cidr"):
        if not ranges[name].subnet_of(vpc):
            raise InvalidInput(f"{name} {ranges[name]} does not lie in the VPC", reason=f"which is {vpc}")
    if public.overlaps(private):
        raise InvalidInput("The two subnets overlap", reason=f"{public} and {private}")
    if form["create_nat_gateway"]:
        return
    if not form["create_interface_endpoints"]:
        raise InvalidInput(
            "The new VPC would reach no AWS service but S3",
            reason="neither a NAT gateway nor interface endpoints are chosen",
            next_step="Choose one of them, or both.",
        )
    if not form["bootstrap_wheels_uri"]:
        raise InvalidInput(
            "Clusters could not install their Python libraries",
            reason="without a NAT gateway there is no way to the internet",
            next_step="Stage wheels in S3 and give their folder, or choose a NAT gateway.",
        )
