"""Which parameters a stack is deployed with, and when there is nothing to do."""

from __future__ import annotations

from sagemaker_emr import change_sets

BODY = """
Parameters:
  Version: {Type: String}
  PreviousVersion: {Type: String, Default: none}
  Size: {Type: String, Default: small}
Resources:
  Bucket: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Sub 'b-${Size}'}}
"""
CARRY = {"PreviousVersion": "Version"}


def stack(**parameters):
    return {
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/data/1",
        "StackStatus": "UPDATE_COMPLETE",
        "Tags": [],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    }


def test_what_is_left_out_keeps_what_the_stack_has():
    had = stack(Version="1", Size="large", Gone="x")
    assert change_sets.effective_parameters(BODY, had, {"Version": "1"}, {}) == {
        "Version": "1",
        "Size": "large",
    }


def test_a_new_stack_gets_what_is_given():
    assert change_sets.effective_parameters(BODY, None, {"Version": "1"}, CARRY) == {"Version": "1"}


def test_the_version_before_is_carried_over_when_it_changes_and_kept_when_not():
    had = stack(Version="2", PreviousVersion="1")
    changed = change_sets.effective_parameters(BODY, had, {"Version": "3"}, CARRY)
    assert changed == {"Version": "3", "PreviousVersion": "2"}
    same = change_sets.effective_parameters(BODY, had, {"Version": "2"}, CARRY)
    assert same == {"Version": "2", "PreviousVersion": "1"}


def current(had, body=BODY, **given):
    request = change_sets.request(
        "data", had, template={"TemplateBody": BODY}, parameters=given, tags={}, capabilities=[]
    )
    return change_sets.is_current(had, request, lambda: body)


def test_a_stack_is_current_only_if_template_parameters_tags_and_state_say_so():
    had = stack(Version="1")
    assert current(had, Version="1")
    assert not current(had, Version="2")
    assert not current(had, body="another", Version="1")
    assert not current({**had, "StackStatus": "UPDATE_ROLLBACK_COMPLETE"}, Version="1")
    assert not current({**had, "Tags": [{"Key": "a", "Value": "b"}]}, Version="1")
