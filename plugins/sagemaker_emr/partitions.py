"""What differs between AWS partitions, in one table, each fact with its source.

Sources: region to partition and URL suffix: botocore's ``partitions.json``. Service principals: the CDK's
``region-info`` (elasticmapreduce) and the China Regions' EC2 trust policies; all others are
``<service>.amazonaws.com`` everywhere. Endpoint services: the CDK's ``aws-ec2/lib/vpc-endpoint.ts``, which
quotes DescribeVpcEndpointServices of the China Regions; which of them a VPC needs:
https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-and-internet-access.html. XGBoost image
accounts: the SageMaker Python SDK (``xgboost_images.json`` names the commit).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sagemaker_emr.exceptions import InvalidInput

DEFAULT_XGBOOST_VERSION = "3.0-5"


@dataclass(frozen=True)
class Partition:
    """One AWS partition.

    :param service_principals: those that are not ``<service>.amazonaws.com``.
    :param private_link_prefix: what the names of ``PREFIXED_ENDPOINT_SERVICES`` begin with.
    """

    name: str
    url_suffix: str
    service_principals: dict[str, str] = field(default_factory=dict)
    private_link_prefix: str = "com.amazonaws"


PARTITIONS = {
    partition.name: partition
    for partition in (
        Partition("aws", "amazonaws.com"),
        Partition(
            "aws-cn",
            "amazonaws.com.cn",
            {
                "ec2": "ec2.amazonaws.com.cn",
                "elasticmapreduce": "elasticmapreduce.amazonaws.com.cn",
            },
            "cn.com.amazonaws",
        ),
        Partition("aws-us-gov", "amazonaws.com"),
    )
}


ENDPOINT_SERVICES = {
    "s3": "data, scripts, templates and logs",
    "sagemaker.api": "Studio, training and endpoints",
    "sagemaker.runtime": "predictions",
    "studio": "Studio's own pages and apps",
    "elasticmapreduce": "finding and describing clusters",
    "sts": "credentials",
    "logs": "logs of Studio, jobs and endpoints",
    "servicecatalog": "launching clusters from Studio",
    "ecr.api": "images of Studio and jobs",
    "ecr.dkr": "images of Studio and jobs",
}
"""What Studio, EMR and the chain call, and what for: the endpoints that a VPC without a NAT gateway needs."""

PREFIXED_ENDPOINT_SERVICES = frozenset(
    {"ecr.api", "ecr.dkr", "sagemaker.api", "sagemaker.runtime", "servicecatalog", "sts"}
)
"""Those of them whose endpoint service is named otherwise in China."""


@cache
def partition_of(region: str) -> Partition:
    """The partition that a Region belongs to.

    :raises InvalidInput: no such Region, or one in a partition that this package does not know.
    """
    from botocore.exceptions import UnknownRegionError
    from botocore.session import Session

    try:
        name = Session().get_partition_for_region(region)
    except UnknownRegionError as error:
        raise InvalidInput(f"{region!r} is no AWS Region", reason=str(error)) from error
    if name not in PARTITIONS:
        raise InvalidInput(
            f"Region {region} can't be used", reason=f"partition {name}; known are {', '.join(PARTITIONS)}"
        )
    return PARTITIONS[name]


def service_principal(service: str, region: str) -> str:
    """The principal by which a role trusts a service: ``service_principal("ec2", "cn-north-1")``."""
    return partition_of(region).service_principals.get(service, f"{service}.amazonaws.com")


def endpoint_service(service: str, region: str) -> str:
    """The name of the endpoint service of an AWS service: ``endpoint_service("sts", "cn-north-1")``."""
    if service == "studio":
        return f"aws.sagemaker.{region}.studio"
    prefixed = service in PREFIXED_ENDPOINT_SERVICES
    prefix = partition_of(region).private_link_prefix if prefixed else "com.amazonaws"
    return f"{prefix}.{region}.{service}"


def service_of(endpoint_service_name: str, region: str) -> str:
    """``ecr.api`` of ``com.amazonaws.us-east-1.ecr.api``; a service that is none of ours too."""
    return endpoint_service_name.partition(f".{region}.")[2] or endpoint_service_name


def xgboost_image(region: str, version: str = DEFAULT_XGBOOST_VERSION) -> str:
    """The URI of SageMaker's XGBoost image, which trains and serves.

    :raises InvalidInput: the version is not in our table, or not offered in the Region.
    """
    images = _xgboost_images()
    accounts = images["accounts"].get(version)
    if accounts is None:
        known = ", ".join(images["accounts"])
        raise InvalidInput(f"XGBoost image version {version!r} is not known", reason=f"known are {known}")
    if region not in accounts:
        raise InvalidInput(
            f"There is no XGBoost {version} image in {region}",
            reason=f"offered in {', '.join(accounts)}",
            next_step="Train and deploy in one of these Regions.",
        )
    suffix = partition_of(region).url_suffix
    return f"{accounts[region]}.dkr.ecr.{region}.{suffix}/{images['repository']}:{version}"


@cache
def _xgboost_images() -> dict[str, Any]:
    images: dict[str, Any] = json.loads(Path(__file__).with_name("xgboost_images.json").read_text())
    return images
