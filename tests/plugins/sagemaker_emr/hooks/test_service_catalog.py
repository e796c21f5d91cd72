from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from tests.plugins.sagemaker_emr.conftest import ScriptedAws, aws_error

SESSION = "arn:aws-cn:sts::123456789012:assumed-role/airflow/session"
ROLE = {"Path": "/data/", "RoleName": "airflow", "RoleId": "AROAEXAMPLEEXAMPLE", "CreateDate": 0}


def principal(aws: ScriptedAws, caller: str) -> str:
    aws.on("GetCallerIdentity", {"Arn": caller})
    return ServiceCatalogHook(aws_conn_id=None).caller_principal_arn()


def test_a_user_is_its_own_principal(aws: ScriptedAws) -> None:
    user = "arn:aws:iam::123456789012:user/airflow"
    assert principal(aws, user) == user


def test_a_session_counts_as_its_role_path_and_all(aws: ScriptedAws) -> None:
    arn = "arn:aws-cn:iam::123456789012:role/data/airflow"
    aws.on("GetRole", {"Role": {**ROLE, "Arn": arn}})
    assert principal(aws, SESSION) == arn
    assert aws.requests("GetRole") == [{"RoleName": "airflow"}]


def test_where_iam_may_not_be_asked_the_role_is_taken_to_have_no_path(
    aws: ScriptedAws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.on("GetRole", aws_error("AccessDenied"))
    assert principal(aws, SESSION) == "arn:aws-cn:iam::123456789012:role/airflow"
    assert "no path" in caplog.text


def test_root_can_not_be_a_principal(aws: ScriptedAws) -> None:
    with pytest.raises(InvalidInput, match="root"):
        principal(aws, "arn:aws:iam::123456789012:root")
