from __future__ import annotations

import re

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.partitions import _xgboost_images, partition_of, service_principal, xgboost_image


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("us-east-1", "aws", "amazonaws.com"),
        ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_a_region_has_its_partition(region: str, partition: str, suffix: str) -> None:
    assert partition_of(region).name == partition
    assert partition_of(region).url_suffix == suffix


@pytest.mark.parametrize("region", ["atlantis-1", "us-iso-east-1"])
def test_a_region_outside_the_known_partitions_is_refused(region: str) -> None:
    with pytest.raises(InvalidInput, match=region):
        partition_of(region)


@pytest.mark.parametrize(
    ("service", "region", "principal"),
    [
        ("ec2", "eu-west-1", "ec2.amazonaws.com"),
        ("ec2", "cn-north-1", "ec2.amazonaws.com.cn"),
        ("elasticmapreduce", "cn-north-1", "elasticmapreduce.amazonaws.com.cn"),
        ("elasticmapreduce", "us-gov-west-1", "elasticmapreduce.amazonaws.com"),
        ("sagemaker", "cn-north-1", "sagemaker.amazonaws.com"),
    ],
)
def test_only_some_principals_differ_in_china(service: str, region: str, principal: str) -> None:
    assert service_principal(service, region) == principal


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        ("us-east-1", "683313688378.dkr.ecr.us-east-1.amazonaws.com"),
        ("cn-north-1", "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "414596584902.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_image_comes_from_the_regions_own_account(region: str, registry: str) -> None:
    assert xgboost_image(region) == f"{registry}/sagemaker-xgboost:3.0-5"


def test_every_region_of_the_table_gives_an_image() -> None:
    for region in _xgboost_images()["accounts"]["3.0-5"]:
        assert re.match(r"\d{12}\.dkr\.ecr\.", xgboost_image(region))


@pytest.mark.parametrize(("region", "version"), [("mx-central-1", "3.0-5"), ("us-east-1", "9.9-9")])
def test_an_image_that_does_not_exist_is_refused(region: str, version: str) -> None:
    with pytest.raises(InvalidInput, match="XGBoost"):
        xgboost_image(region, version)
