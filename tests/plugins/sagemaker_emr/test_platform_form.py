"""What the platform's form refuses before anything is made."""

from __future__ import annotations

import pytest

from sagemaker_emr import platform_form
from sagemaker_emr.exceptions import InvalidInput
from tests.airflow_names import AirflowException

FORM = {name: param.value for name, param in platform_form.PLATFORM.items()}


def test_the_form_as_it_opens_is_good():
    platform_form.check(FORM)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vpc_id": "vpc-0123456789abcdef0"}, "private subnet none"),
        ({"vpc_cidr": "10.42.0.1/16"}, "host bits"),
        ({"vpc_cidr": "10.400.0.0/16"}, "Octet"),
        ({"private_subnet_cidr": "10.43.0.0/20"}, "does not lie in the VPC"),
        ({"public_subnet_cidr": "10.42.16.0/24"}, "overlap"),
        ({"create_nat_gateway": False}, "neither a NAT gateway nor interface endpoints"),
        ({"create_nat_gateway": False, "create_interface_endpoints": True}, "no way to the internet"),
        ({"user_profiles": ["ada", "ada=arn:aws:iam::123456789012:role/ada"]}, "ada"),
    ],
)
def test_what_can_not_work_together_is_refused_with_the_reason(changes, reason):
    with pytest.raises(InvalidInput, match=reason):
        platform_form.check({**FORM, **changes})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vpc_id", "my-vpc"),
        ("vpc_cidr", "10.0.0.0/8"),
        ("bootstrap_wheels_uri", "https://example.com/wheels"),
        ("permissions", "admin"),
        ("user_profiles", ["-ada"]),
        ("user_profiles", ["ada", "ada"]),
    ],
)
def test_a_value_outside_the_form_is_rejected(name, value):
    with pytest.raises((AirflowException, ValueError)):
        platform_form.PLATFORM[name].resolve(value)


def test_without_nat_endpoints_and_wheels_will_do():
    choices = {
        "create_nat_gateway": False,
        "create_interface_endpoints": True,
        "bootstrap_wheels_uri": "s3://artifacts/wheels",
    }
    platform_form.check({**FORM, **choices})


def test_every_field_that_goes_to_a_template_is_a_parameter_of_it():
    from tests.include.cfn.test_templates import load

    for stack, fields in platform_form.STACK_PARAMETERS.items():
        assert set(fields) <= set(load(stack)["Parameters"])
        assert set(fields.values()) <= set(platform_form.PLATFORM)
