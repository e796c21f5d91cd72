"""VPCs, subnets, gateways and routes.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel

from local_aws.cloudformation.api_resource import ApiResource
from local_aws.ec2.resource import Ec2Resource, boolean

ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
)


class Vpc(Ec2Resource, CloudFormationModel):
    """AWS::EC2::VPC."""

    resource_type = "AWS::EC2::VPC"
    tag_type = "vpc"
    dns_properties = ("EnableDnsSupport", "EnableDnsHostnames")
    supported_properties = frozenset({"CidrBlock", "InstanceTenancy", "Tags", *dns_properties})
    fixed_properties = frozenset({"InstanceTenancy"})

    def create(self) -> None:
        """CreateVpc, ModifyVpcAttribute."""
        made = self.api.create_vpc(
            **self.picked("CidrBlock", "InstanceTenancy"), **self.tag_specifications()
        )["Vpc"]
        self.physical_resource_id = made["VpcId"]
        self._set_dns({})
        self.attributes = {
            "VpcId": made["VpcId"],
            "CidrBlock": made["CidrBlock"],
            "CidrBlockAssociations": [a["AssociationId"] for a in made["CidrBlockAssociationSet"]],
            "DefaultSecurityGroup": self._only("security_groups", "SecurityGroups", "group-name")["GroupId"],
            "DefaultNetworkAcl": self._only("network_acls", "NetworkAcls", "default")["NetworkAclId"],
        }

    def _only(self, what: str, key: str, filter_name: str) -> Any:
        value = "default" if filter_name == "group-name" else "true"
        filters = [
            {"Name": "vpc-id", "Values": [self.physical_resource_id]},
            {"Name": filter_name, "Values": [value]},
        ]
        return getattr(self.api, f"describe_{what}")(Filters=filters)[key][0]

    def _set_dns(self, old: Mapping[str, Any]) -> None:
        for name in self.dns_properties:
            if name in self.properties and self.properties[name] != old.get(name):
                value = {"Value": boolean(self.properties[name])}
                self.api.modify_vpc_attribute(VpcId=self.physical_resource_id, **{name: value})

    def change(self, old: Mapping[str, Any]) -> None:
        """ModifyVpcAttribute and tags."""
        super().change(old)
        self._set_dns(old)

    def remove(self) -> None:
        """DeleteVpc."""
        self.api.delete_vpc(VpcId=self.physical_resource_id)


class Subnet(Ec2Resource, CloudFormationModel):
    """AWS::EC2::Subnet."""

    resource_type = "AWS::EC2::Subnet"
    tag_type = "subnet"
    supported_properties = frozenset(
        {"AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "Tags", "VpcId"}
    )

    def create(self) -> None:
        """CreateSubnet, ModifySubnetAttribute."""
        made = self.api.create_subnet(
            **self.picked("VpcId", "CidrBlock", "AvailabilityZone"), **self.tag_specifications()
        )["Subnet"]
        self.physical_resource_id = made["SubnetId"]
        self.attributes = {
            "AvailabilityZone": made["AvailabilityZone"],
            "AvailabilityZoneId": made["AvailabilityZoneId"],
            "CidrBlock": made["CidrBlock"],
            "SubnetId": made["SubnetId"],
            "VpcId": made["VpcId"],
        }
        self._set_public({})

    def _set_public(self, old: Mapping[str, Any]) -> None:
        wanted = boolean(self.properties.get("MapPublicIpOnLaunch", False))
        if wanted != boolean(old.get("MapPublicIpOnLaunch", False)):
            self.api.modify_subnet_attribute(
                SubnetId=self.physical_resource_id, MapPublicIpOnLaunch={"Value": wanted}
            )

    def change(self, old: Mapping[str, Any]) -> None:
        """ModifySubnetAttribute and tags."""
        super().change(old)
        self._set_public(old)

    def remove(self) -> None:
        """DeleteSubnet."""
        self.api.delete_subnet(SubnetId=self.physical_resource_id)


class InternetGateway(Ec2Resource, CloudFormationModel):
    """AWS::EC2::InternetGateway."""

    resource_type = "AWS::EC2::InternetGateway"
    tag_type = "internet-gateway"
    supported_properties = frozenset({"Tags"})

    def create(self) -> None:
        """CreateInternetGateway."""
        made = self.api.create_internet_gateway(**self.tag_specifications())["InternetGateway"]
        self.physical_resource_id = made["InternetGatewayId"]

    def remove(self) -> None:
        """DeleteInternetGateway."""
        self.api.delete_internet_gateway(InternetGatewayId=self.physical_resource_id)


class VpcGatewayAttachment(ApiResource, CloudFormationModel):
    """AWS::EC2::VPCGatewayAttachment of an internet gateway."""

    resource_type = "AWS::EC2::VPCGatewayAttachment"
    service = "ec2"
    supported_properties = frozenset({"InternetGatewayId", "VpcId"})

    def create(self) -> None:
        """AttachInternetGateway."""
        self.api.attach_internet_gateway(**self.picked("InternetGatewayId", "VpcId"))
        self.physical_resource_id = f"IGW|{self.properties['VpcId']}"
        self.attributes = {"AttachmentType": "IGW"}

    def remove(self) -> None:
        """DetachInternetGateway."""
        self.api.detach_internet_gateway(**self.picked("InternetGatewayId", "VpcId"))


class ElasticIp(Ec2Resource, CloudFormationModel):
    """AWS::EC2::EIP of a VPC; ``Ref`` gives the address."""

    resource_type = "AWS::EC2::EIP"
    tag_type = "elastic-ip"
    supported_properties = frozenset({"Domain", "Tags"})
    fixed_properties = frozenset({"Domain"})

    def create(self) -> None:
        """AllocateAddress."""
        made = self.api.allocate_address(
            Domain=self.properties.get("Domain", "vpc"), **self.tag_specifications()
        )
        self.physical_resource_id = made["PublicIp"]
        self.attributes = {"AllocationId": made["AllocationId"], "PublicIp": made["PublicIp"]}

    @property
    def tagged_id(self) -> str:
        """The allocation's id."""
        return str(self.attributes["AllocationId"])

    def remove(self) -> None:
        """ReleaseAddress."""
        self.api.release_address(AllocationId=self.attributes["AllocationId"])


class NatGateway(Ec2Resource, CloudFormationModel):
    """AWS::EC2::NatGateway."""

    resource_type = "AWS::EC2::NatGateway"
    tag_type = "natgateway"
    supported_properties = frozenset({"AllocationId", "ConnectivityType", "SubnetId", "Tags"})

    def create(self) -> None:
        """CreateNatGateway."""
        made = self.api.create_nat_gateway(
            **self.picked("SubnetId", "AllocationId", "ConnectivityType"), **self.tag_specifications()
        )["NatGateway"]
        self.physical_resource_id = made["NatGatewayId"]
        self.attributes = {"NatGatewayId": made["NatGatewayId"]}

    def is_created(self) -> bool:
        """Whether it is available."""
        return self._state() == "available"

    def _state(self) -> str:
        found = self.api.describe_nat_gateways(NatGatewayIds=[self.physical_resource_id])["NatGateways"]
        return str(found[0]["State"]) if found else "deleted"

    def remove(self) -> None:
        """DeleteNatGateway."""
        self.api.delete_nat_gateway(NatGatewayId=self.physical_resource_id)

    def is_deleted(self) -> bool:
        """Whether it is gone."""
        return self._state() == "deleted"


class RouteTable(Ec2Resource, CloudFormationModel):
    """AWS::EC2::RouteTable."""

    resource_type = "AWS::EC2::RouteTable"
    tag_type = "route-table"
    supported_properties = frozenset({"Tags", "VpcId"})

    def create(self) -> None:
        """CreateRouteTable."""
        made = self.api.create_route_table(**self.picked("VpcId"), **self.tag_specifications())["RouteTable"]
        self.physical_resource_id = made["RouteTableId"]

    def remove(self) -> None:
        """DeleteRouteTable."""
        self.api.delete_route_table(RouteTableId=self.physical_resource_id)


class Route(ApiResource, CloudFormationModel):
    """AWS::EC2::Route."""

    resource_type = "AWS::EC2::Route"
    service = "ec2"
    supported_properties = frozenset({"DestinationCidrBlock", "RouteTableId", *ROUTE_TARGETS})

    def create(self) -> None:
        """CreateRoute."""
        self.api.create_route(**self._arguments())
        self.physical_resource_id = (
            f"{self.properties['RouteTableId']}|{self.properties['DestinationCidrBlock']}"
        )
        self.attributes = {"CidrBlock": self.properties["DestinationCidrBlock"]}

    def change(self, old: Mapping[str, Any]) -> None:
        """ReplaceRoute."""
        self.api.replace_route(**self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return self.picked("RouteTableId", "DestinationCidrBlock", *ROUTE_TARGETS)

    def remove(self) -> None:
        """DeleteRoute."""
        self.api.delete_route(**self.picked("RouteTableId", "DestinationCidrBlock"))


class SubnetRouteTableAssociation(ApiResource, CloudFormationModel):
    """AWS::EC2::SubnetRouteTableAssociation."""

    resource_type = "AWS::EC2::SubnetRouteTableAssociation"
    service = "ec2"
    supported_properties = frozenset({"RouteTableId", "SubnetId"})

    def create(self) -> None:
        """AssociateRouteTable."""
        made = self.api.associate_route_table(**self.picked("RouteTableId", "SubnetId"))
        self.physical_resource_id = made["AssociationId"]

    def remove(self) -> None:
        """DisassociateRouteTable."""
        self.api.disassociate_route_table(AssociationId=self.physical_resource_id)
