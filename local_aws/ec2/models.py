"""EC2's resource types, for CloudFormation, and what moto's tagging API does not list of EC2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.ec2 import models as moto_models

from local_aws.ec2 import endpoints, network, security_groups
from local_aws.ec2.deletion import DependencyChecks

__all__ = ["EC2Backend", "endpoints", "network", "security_groups"]


class EC2Backend(DependencyChecks):
    """moto's EC2. A deleted NAT gateway stays listed with its tags, as it does on AWS for about an hour.

    https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html
    """

    def run_instances(self, *arguments: Any, **options: Any) -> Any:
        """moto's, with a primary network interface that goes with its instance unless it was told to stay.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network-interface-attachments.html
        """
        reservation = super().run_instances(*arguments, **options)
        if not options.get("nics"):
            for instance in reservation.instances:
                for interface in instance.nics.values():
                    interface.delete_on_termination = True
        return reservation

    def describe_vpc_endpoints(self, vpc_end_point_ids: list[str], filters: Any = None) -> list[Any]:
        """moto's, with the filter ``vpc-endpoint-id`` that it lacks."""
        others = dict(filters or {})
        wanted = others.pop("vpc-endpoint-id", None)
        found: list[Any] = super().describe_vpc_endpoints(vpc_end_point_ids, others)
        return [endpoint for endpoint in found if wanted is None or endpoint.id in wanted]

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """What the Resource Groups Tagging API lists: moto knows no endpoints and no elastic addresses."""
        yield from super().iter_tagged_resources()
        others = {
            "vpc-endpoint": list(self.vpc_end_points),
            "elastic-ip": [address.allocation_id for address in self.addresses if address.allocation_id],
        }
        for kind, ids in others.items():
            for found in ids:
                arn = f"arn:{self.partition}:ec2:{self.region_name}:{self.account_id}:{kind}/{found}"
                yield TaggedResource(arn, dict(self.tags.get(found, {})), f"ec2:{kind}")


moto_models.ec2_backends.backend = EC2Backend
