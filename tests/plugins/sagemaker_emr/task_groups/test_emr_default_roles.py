"""R4: EMR's default roles are created where an account lacks them, and used as they are where it has them."""

from __future__ import annotations

import json

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.staging import include_path
from sagemaker_emr.task_groups.platform import EMR_DEFAULT_ROLES, read_account
from tests.local_aws.conftest import client, make_client

__all__ = ["client", "make_client"]

pytestmark = pytest.mark.local_aws
DELAY = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture
def aws(client, local_aws):
    """Clients of an empty account, which the hooks talk to as well."""
    return client


def create_emr_default_roles():
    account = read_account.function("catalog", "arn:aws:iam::123456789012:role/airflow")
    return account["create_emr_default_roles"]


HEAD = """
Parameters: {CreateEmrDefaultRoles: {Type: String, Default: 'true'}}
Conditions: {CreateEmrDefaultRoles: !Equals [!Ref CreateEmrDefaultRoles, 'true']}
Resources:
"""


def roles_alone():
    """The catalog's template with nothing in it but EMR's default roles."""
    template = include_path("cfn/catalog.yaml").read_text()
    return HEAD + template[template.index("  EmrServiceRole:") : template.index("  LaunchRole:")]


def deploy(aws):
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(
        StackName="catalog", TemplateBody=roles_alone(), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="catalog", WaiterConfig=DELAY)


def test_an_account_that_never_ran_emr_gets_them(aws):
    assert create_emr_default_roles() == "true"


def test_the_stack_that_made_them_goes_on_declaring_them(aws):
    deploy(aws)
    assert create_emr_default_roles() == "true"


def test_roles_of_somebody_else_are_used_and_stay_when_the_stack_goes(aws):
    deploy(aws)
    cloudformation = aws("cloudformation")
    stack_id = cloudformation.describe_stacks(StackName="catalog")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="catalog")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=DELAY)
    for role in EMR_DEFAULT_ROLES:
        assert aws("iam").get_role(RoleName=role)["Role"]["RoleName"] == role
    assert create_emr_default_roles() == "false"


def test_a_part_of_them_is_named_with_what_completes_them(aws):
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    aws("iam").create_role(RoleName=EMR_DEFAULT_ROLES[0], AssumeRolePolicyDocument=trust)
    with pytest.raises(InvalidInput, match="EMR_EC2_DefaultRole"):
        create_emr_default_roles()
