"""What EC2 refuses to delete because something else depends on it; moto deletes it all the same.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
"""

from __future__ import annotations

from typing import Any

from moto.ec2 import models as moto_models
from moto.ec2.exceptions import DependencyViolationError

RULES = ("ip-permission.group-id", "egress.ip-permission.group-id")


class DependencyChecks(moto_models.EC2Backend):
    """moto's EC2, with ``DependencyViolation`` for groups, subnets and VPCs in use."""

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        """DeleteSecurityGroup, refused while an interface has the group or another group's rule names it."""
        group = self.get_security_group_by_name_or_id(group_id or name)
        if group is not None:
            named_by = [
                g for rule in RULES for g in self.describe_security_groups(filters={rule: [group.id]})
            ]
            if self._interfaces("group-id", group.id) or any(other.id != group.id for other in named_by):
                raise DependencyViolationError(f"resource {group.id} has a dependent object")
        super().delete_security_group(name, group_id)

    def delete_subnet(self, subnet_id: str) -> Any:
        """DeleteSubnet, refused while network interfaces are in it."""
        if self._interfaces("subnet-id", subnet_id):
            raise DependencyViolationError(
                f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
            )
        return super().delete_subnet(subnet_id)

    def delete_vpc(self, vpc_id: str) -> Any:
        """DeleteVpc, refused while there are interfaces, gateways or groups beside the default one."""
        groups = self.describe_security_groups(filters={"vpc-id": [vpc_id]})
        gateways = self.describe_internet_gateways(filters={"attachment.vpc-id": [vpc_id]})
        own_groups = [group for group in groups if group.name != "default"]
        if own_groups or gateways or self._interfaces("vpc-id", vpc_id):
            raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
        return super().delete_vpc(vpc_id)

    def delete_nat_gateway(self, nat_gateway_id: str) -> Any:
        """DeleteNatGateway; its network interface goes with it, which moto leaves behind."""
        gateway = super().delete_nat_gateway(nat_gateway_id)
        for address in gateway.nat_gateway_addresses:
            self.enis.pop(address["networkInterfaceId"], None)
        return gateway

    def _interfaces(self, name: str, value: str) -> list[Any]:
        found: list[Any] = self.get_all_network_interfaces(filters={name: [value]})
        return found
