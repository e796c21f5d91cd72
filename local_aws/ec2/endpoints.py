"""VPC endpoints.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpcendpoint.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel

from local_aws.ec2.resource import Ec2Resource, boolean

LISTS = {
    "RouteTableIds": ("AddRouteTableIds", "RemoveRouteTableIds"),
    "SubnetIds": ("AddSubnetIds", "RemoveSubnetIds"),
    "SecurityGroupIds": ("AddSecurityGroupIds", "RemoveSecurityGroupIds"),
}


class VpcEndpoint(Ec2Resource, CloudFormationModel):
    """AWS::EC2::VPCEndpoint, gateway or interface."""

    resource_type = "AWS::EC2::VPCEndpoint"
    tag_type = "vpc-endpoint"
    supported_properties = frozenset(
        {"PolicyDocument", "PrivateDnsEnabled", "ServiceName", "Tags", "VpcEndpointType", "VpcId", *LISTS}
    )
    fixed_properties = frozenset({"PrivateDnsEnabled"})

    def create(self) -> None:
        """CreateVpcEndpoint."""
        arguments = self.picked("VpcId", "ServiceName", "VpcEndpointType", *LISTS)
        if "PrivateDnsEnabled" in self.properties:
            arguments["PrivateDnsEnabled"] = boolean(self.properties["PrivateDnsEnabled"])
        if "PolicyDocument" in self.properties:
            arguments["PolicyDocument"] = self._policy()
        made = self.api.create_vpc_endpoint(**arguments, **self.tag_specifications())["VpcEndpoint"]
        self.physical_resource_id = made["VpcEndpointId"]
        self.attributes = {
            "Id": made["VpcEndpointId"],
            "CreationTimestamp": made["CreationTimestamp"].isoformat(),
            "DnsEntries": [f"{e['HostedZoneId']}:{e['DnsName']}" for e in made.get("DnsEntries", [])],
            "NetworkInterfaceIds": made.get("NetworkInterfaceIds", []),
        }

    def _policy(self) -> str:
        document = self.properties["PolicyDocument"]
        return document if isinstance(document, str) else json.dumps(document)

    def change(self, old: Mapping[str, Any]) -> None:
        """ModifyVpcEndpoint and tags."""
        super().change(old)
        arguments: dict[str, Any] = {}
        for name, (add, remove) in LISTS.items():
            before, after = old.get(name, []), self.properties.get(name, [])
            arguments[add] = [item for item in after if item not in before]
            arguments[remove] = [item for item in before if item not in after]
        if self.properties.get("PolicyDocument") != old.get("PolicyDocument"):
            arguments["PolicyDocument"] = self._policy()
        arguments = {key: value for key, value in arguments.items() if value}
        if arguments:
            self.api.modify_vpc_endpoint(VpcEndpointId=self.physical_resource_id, **arguments)

    def remove(self) -> None:
        """DeleteVpcEndpoints."""
        self.api.delete_vpc_endpoints(VpcEndpointIds=[self.physical_resource_id])
