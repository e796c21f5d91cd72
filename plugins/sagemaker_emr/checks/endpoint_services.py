"""The services that Studio, EMR and the chain call, by the end of their endpoint's name.

The names' beginnings differ by partition (``com.amazonaws.<region>.sts``, ``cn.com.amazonaws.<region>.…``,
``aws.sagemaker.<region>.studio``), their ends do not:
https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagemaker_emr.checks.platform import Platform

NEEDED_WITHOUT_NAT = {
    "s3": "data, scripts, templates and logs",
    "sagemaker.api": "Studio, training and endpoints",
    "sagemaker.runtime": "predictions",
    "elasticmapreduce": "finding and describing clusters",
    "servicecatalog": "launching clusters from Studio",
    "sts": "credentials",
    "logs": "logs of Studio, jobs and endpoints",
    "ecr.api": "images of Studio and jobs",
    "ecr.dkr": "images of Studio and jobs",
}


def service_of(endpoint_service_name: str, region: str) -> str:
    """``ecr.api`` of ``com.amazonaws.us-east-1.ecr.api``."""
    return endpoint_service_name.partition(f".{region}.")[2] or endpoint_service_name


def missing_endpoints(platform: Platform) -> list[str]:
    """The needed services that the VPC has no endpoint for."""
    found = {service_of(one["ServiceName"], platform.region) for one in platform.endpoints}
    return [service for service in NEEDED_WITHOUT_NAT if service not in found]
