from __future__ import annotations

import pytest

from sagemaker_emr import staging
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.operators.s3 import S3StageFilesOperator

pytestmark = pytest.mark.local_aws

FILES = {"bootstrap_script": "bootstrap/installpylibs.sh", "product_template": "cfn/emr_product.yaml"}


def operator(**kwargs):
    return S3StageFilesOperator(
        task_id="stage", bucket="artifacts", aws_conn_id=None, **{"files": FILES, **kwargs}
    )


def test_a_template_is_staged_with_the_address_of_what_was_staged_before(bucket, local_aws, run_task):
    staged = run_task(lambda: operator(substitutions={"environment": "dev"}))
    key = staged["product_template"].removeprefix("s3://artifacts/")
    text = local_aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert f'Default: "{staged["bootstrap_script"]}"' in text
    assert 'Default: "dev"' in text
    assert staged["product_template_url"] == f"https://artifacts.s3.us-east-1.amazonaws.com/{key}"
    assert staged["bootstrap_script_sha256"] == staging.content_hash(
        (staging.INCLUDE / "bootstrap" / "installpylibs.sh").read_bytes()
    )


def test_a_template_without_its_values_is_refused(bucket, run_task):
    with pytest.raises(InvalidInput, match=r"emr_product\.yaml"):
        run_task(operator)


def test_staging_again_gives_the_same_addresses(bucket, run_task):
    def make():
        return operator(files={}, directories={"training_code": "training"})

    staged = run_task(make)
    assert staged["training_code"].startswith("s3://artifacts/code/training/")
    assert run_task(make) == staged


def test_its_outputs_are_single_xcoms():
    assert operator().multiple_outputs
