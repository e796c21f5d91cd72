"""The version of the sample's Spark job."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from jinja2 import Template

from sagemaker_emr.flights import SPARK_MODULES, code_hash, current_code_hash
from sagemaker_emr.operators.s3 import S3StageFilesOperator


@pytest.mark.local_aws
def test_the_version_is_the_same_before_and_after_the_files_are_staged(bucket):
    stage = S3StageFilesOperator(
        task_id="stage_code",
        bucket=bucket,
        files={module: f"spark/{module}.py" for module in SPARK_MODULES},
        aws_conn_id=None,
    )
    staged = stage.execute({})
    ti = SimpleNamespace(xcom_pull=lambda task_id, key: staged[key])
    assert Template(code_hash(staged_by="stage_code")).render(ti=ti) == current_code_hash()
