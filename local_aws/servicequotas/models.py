"""The quotas of an account that has had some of them raised, as accounts that run clusters have.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
"""

from __future__ import annotations

from typing import Any

from moto.servicequotas import models as moto_models
from moto.servicequotas.exceptions import NoSuchResource
from moto.utilities.utils import get_partition

STANDARD_VCPUS = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
SERVICE_NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "sagemaker": "Amazon SageMaker",
}
QUOTAS: dict[str, dict[str, tuple[str, float]]] = {
    "ec2": {"L-1216C47A": (STANDARD_VCPUS, 64)},
    # On AWS the codes of these are others; quotas of instance types are found by name.
    "sagemaker": {
        "L-LOCAL001": ("ml.m5.large for training job usage", 4),
        "L-LOCAL002": ("ml.m5.xlarge for training job usage", 4),
        "L-LOCAL003": ("ml.m5.2xlarge for training job usage", 1),
        "L-LOCAL004": ("ml.m5.large for endpoint usage", 4),
        "L-LOCAL005": ("ml.m5.xlarge for endpoint usage", 2),
    },
}


class ServiceQuotasBackend(moto_models.ServiceQuotasBackend):
    """moto's quotas of VPC, and ours."""

    def quotas(self, service_code: str) -> list[dict[str, Any]]:
        """The applied quotas of a service.

        :raises NoSuchResource: none of the service are known.
        """
        if service_code not in QUOTAS:
            listed: list[dict[str, Any]] = self.list_aws_default_service_quotas(service_code)
            return listed
        prefix = f"arn:{get_partition(self.region_name)}:servicequotas:{self.region_name}:{self.account_id}"
        return [
            {
                "ServiceCode": service_code,
                "ServiceName": SERVICE_NAMES[service_code],
                "QuotaArn": f"{prefix}:{service_code}/{code}",
                "QuotaCode": code,
                "QuotaName": name,
                "Value": value,
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
            for code, (name, value) in QUOTAS[service_code].items()
        ]

    def get_service_quota(self, service_code: str, quota_code: str) -> dict[str, Any]:
        """One applied quota.

        :raises NoSuchResource: it is not known.
        """
        for quota in self.quotas(service_code):
            if quota["QuotaCode"] == quota_code:
                return quota
        raise NoSuchResource


moto_models.servicequotas_backends.backend = ServiceQuotasBackend
