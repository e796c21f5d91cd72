"""Rules: assertions on parameters, checked before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance]

BODY = """
Parameters:
  Size: {Type: String, Default: small}
  Place: {Type: String, Default: here}
Rules:
  LargeOnlyThere:
    RuleCondition: !Equals [!Ref Size, large]
    Assertions:
      - Assert: !And
          - !Contains [[there, yonder], !Ref Place]
          - !Not [!Equals [!Ref Place, yonder]]
        AssertDescription: Large ones are there only
Resources:
  Bucket: {Type: 'AWS::S3::Bucket'}
"""


def test_a_rule_whose_condition_does_not_hold_asserts_nothing(stacks: Any, data: str) -> None:
    assert stacks.create(data, BODY)["StackStatus"] == "CREATE_COMPLETE"


def test_an_assertion_that_holds_lets_the_stack_be_made(stacks: Any, data: str) -> None:
    values = {"Size": "large", "Place": "there"}
    assert stacks.create(data, BODY, parameters=values)["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize("place", ["here", "yonder"])
def test_an_assertion_that_fails_refuses_the_stack_with_its_description(
    stacks: Any, data: str, place: str
) -> None:
    with pytest.raises(ClientError, match="Large ones are there only"):
        stacks.create(data, BODY, parameters={"Size": "large", "Place": place})


def test_a_function_that_rules_do_not_know_is_refused(stacks: Any, data: str) -> None:
    with pytest.raises(ClientError, match="Fn::Length"):
        stacks.create(data, BODY.replace("!Equals [!Ref Size, large]", "!Length [1]"))
