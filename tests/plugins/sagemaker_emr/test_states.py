"""Every table of states against the enumeration in botocore's model: no state left out, none made up."""

from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import UnknownState
from sagemaker_emr.hooks.cloud_formation import STACK_STATES
from sagemaker_emr.hooks.emr import CLUSTER_STATES
from sagemaker_emr.hooks.sagemaker import ENDPOINT_STATES, PROJECT_STATES, TRAINING_JOB_STATES
from sagemaker_emr.hooks.sagemaker_studio import (
    APP_STATES,
    DOMAIN_STATES,
    SPACE_STATES,
    USER_PROFILE_STATES,
)
from sagemaker_emr.hooks.service_catalog import PRODUCT_STATES, RECORD_STATES
from tests.plugins.sagemaker_emr.aws_enums import enum

TABLES = [
    STACK_STATES,
    PRODUCT_STATES,
    RECORD_STATES,
    CLUSTER_STATES,
    DOMAIN_STATES,
    USER_PROFILE_STATES,
    SPACE_STATES,
    APP_STATES,
    PROJECT_STATES,
    TRAINING_JOB_STATES,
    ENDPOINT_STATES,
]

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.shape)


@each_table
def test_a_table_has_each_state_of_botocores_model_and_no_other(table):
    assert table.states == set(enum(table.service, table.shape))


@each_table
def test_a_state_that_is_in_no_table_is_an_error_that_says_what_to_do(table):
    with pytest.raises(UnknownState, match="'Paused'") as raised:
        table.of("Paused", "the-name")
    assert "the-name" in raised.value.what
    assert table.shape in raised.value.next_step
