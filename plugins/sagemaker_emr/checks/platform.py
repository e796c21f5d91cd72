"""One environment as AWS shows it: read when first asked for, and once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.checks.finding import Finding
from sagemaker_emr.hooks.cloud_formation import USABLE_STATUSES, outputs_of
from sagemaker_emr.names import stack_name

STACKS = ("storage", "network", "studio", "catalog")


class NotKnown(Exception):
    """Something a check needs can't be read; the reason says what is missing."""


@dataclass(frozen=True)
class Demand:
    """The instances that runs will ask for; checked against quotas."""

    master_instance_type: str = "m5.xlarge"
    core_instance_type: str = "m5.xlarge"
    core_instance_count: int = 2
    training_instance_type: str = "ml.m5.xlarge"
    endpoint_instance_type: str = "ml.m5.large"
    endpoint_instance_count: int = 1

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Demand:
        """From a form's fields, which templates render to text; a field left out has its default."""
        given = {name: value for name, value in fields.items() if value not in (None, "")}
        counts = {name: int(value) for name, value in given.items() if name.endswith("_count")}
        return cls(**{**given, **counts})


@dataclass
class Platform:
    """A lazily read snapshot of an environment.

    :param connect: gives a boto3 client for a service's name.
    :param drift: by concern, the finished drift detection (``DescribeStackDriftDetectionStatus``), or the
        reason there is none.
    """

    environment: str
    connect: Callable[[str], Any]
    region: str
    partition: str
    demand: Demand = field(default_factory=Demand)
    drift: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _roles: dict[str, dict[str, Any] | None] = field(default_factory=dict, repr=False)
    _resource_lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        """A boto3 client; one a service."""
        if service not in self._clients:
            self._clients[service] = self.connect(service)
        return self._clients[service]

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
        """All items of a paginated list."""
        pages = self.client(service).get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page[key]]

    @cached_property
    def caller_arn(self) -> str:
        """Who Airflow is."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def account_id(self) -> str:
        """The account's number."""
        return self.caller_arn.split(":")[4]

    # -- stacks

    @cached_property
    def stacks(self) -> dict[str, dict[str, Any] | None]:
        """Each concern's stack as DescribeStacks shows it, None where there is none."""
        return {concern: self._stack(concern) for concern in STACKS}

    def _stack(self, concern: str) -> dict[str, Any] | None:
        try:
            found = self.client("cloudformation").describe_stacks(
                StackName=stack_name(self.environment, concern)
            )
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        return dict(found["Stacks"][0])

    def output(self, concern: str, *names: str) -> str:
        """An output of a stack; the first of the names that it has.

        :raises NotKnown: the stack, or the output, is not there.
        """
        stack, full = self.stacks[concern], stack_name(self.environment, concern)
        if stack is None:
            raise NotKnown(f"stack {full} does not exist")
        outputs = outputs_of(stack)
        for name in names:
            if outputs.get(name):
                return outputs[name]
        state = "" if stack["StackStatus"] in USABLE_STATUSES else f" and is {stack['StackStatus']}"
        raise NotKnown(f"stack {full} has no output {' or '.join(names)}{state}")

    def parameter(self, concern: str, name: str) -> str:
        """A parameter that a stack was deployed with, empty where it has none."""
        parameters = (self.stacks[concern] or {}).get("Parameters", [])
        return next((str(p["ParameterValue"]) for p in parameters if p["ParameterKey"] == name), "")

    def resources(self, concern: str, resource_type: str) -> list[dict[str, Any]]:
        """A stack's resources of one type, as it made them, whether they still exist or not."""
        if self.stacks[concern] is None:
            raise NotKnown(f"stack {stack_name(self.environment, concern)} does not exist")
        return [r for r in self.stack_resources(concern) if r["ResourceType"] == resource_type]

    def stack_resources(self, concern: str) -> list[dict[str, Any]]:
        """All resources of a stack that exists."""
        cache = self._resource_lists
        if concern not in cache:
            name = stack_name(self.environment, concern)
            key = "StackResourceSummaries"
            cache[concern] = self.pages("cloudformation", "list_stack_resources", key, StackName=name)
        return cache[concern]

    # -- Studio

    @cached_property
    def domain_id(self) -> str:
        """The Studio domain."""
        return self.output("studio", "DomainId")

    @cached_property
    def domain(self) -> dict[str, Any]:
        """DescribeDomain.

        :raises NotKnown: it was deleted.
        """
        try:
            described = self.client("sagemaker").describe_domain(DomainId=self.domain_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            raise NotKnown(f"domain {self.domain_id} does not exist any more") from error
        return dict(described)

    @cached_property
    def user_profiles(self) -> list[dict[str, Any]]:
        """The domain's profiles as DescribeUserProfile shows them."""
        found = self.pages("sagemaker", "list_user_profiles", "UserProfiles", DomainIdEquals=self.domain_id)
        describe = self.client("sagemaker").describe_user_profile
        return [
            dict(describe(DomainId=self.domain_id, UserProfileName=one["UserProfileName"])) for one in found
        ]

    @property
    def profile_roles(self) -> list[str]:
        """The roles that user profiles have of their own."""
        roles = {one.get("UserSettings", {}).get("ExecutionRole") for one in self.user_profiles}
        return sorted(role for role in roles if role and role != self.execution_role_arn)

    @cached_property
    def execution_role_arn(self) -> str:
        """Studio's execution role."""
        return self.output("studio", "ExecutionRoleArn")

    # -- network

    @cached_property
    def vpc_id(self) -> str:
        """The VPC that Studio and EMR share."""
        return self.output("network", "VpcId")

    @cached_property
    def private_subnet_ids(self) -> tuple[str, ...]:
        """The private subnets; EMR takes the first."""
        return tuple(self.output("network", "PrivateSubnetIds", "PrivateSubnetId").split(","))

    @cached_property
    def subnets(self) -> dict[str, dict[str, Any]]:
        """The VPC's subnets by id."""
        return {s["SubnetId"]: s for s in self._in_vpc("describe_subnets", "Subnets")}

    @cached_property
    def private_cidrs(self) -> list[str]:
        """The private subnets' address ranges.

        :raises NotKnown: one of them was deleted.
        """
        for subnet_id in self.private_subnet_ids:
            if subnet_id not in self.subnets:
                raise NotKnown(f"subnet {subnet_id} does not exist any more")
        return [self.subnets[subnet_id]["CidrBlock"] for subnet_id in self.private_subnet_ids]

    @cached_property
    def route_tables(self) -> list[dict[str, Any]]:
        """The VPC's route tables."""
        return self._in_vpc("describe_route_tables", "RouteTables")

    @cached_property
    def endpoints(self) -> list[dict[str, Any]]:
        """The VPC's endpoints, but deleted ones."""
        found = self._in_vpc("describe_vpc_endpoints", "VpcEndpoints")
        return [one for one in found if one["State"].lower() not in ("deleted", "deleting")]

    @cached_property
    def nat_gateways(self) -> dict[str, dict[str, Any]]:
        """The VPC's NAT gateways by id."""
        found = self.pages(
            "ec2",
            "describe_nat_gateways",
            "NatGateways",
            Filter=[{"Name": "vpc-id", "Values": [self.vpc_id]}],
        )
        return {one["NatGatewayId"]: one for one in found}

    @cached_property
    def security_groups(self) -> dict[str, dict[str, Any]]:
        """The VPC's security groups by id."""
        return {g["GroupId"]: g for g in self._in_vpc("describe_security_groups", "SecurityGroups")}

    @cached_property
    def network_interfaces(self) -> list[dict[str, Any]]:
        """The VPC's network interfaces."""
        return self._in_vpc("describe_network_interfaces", "NetworkInterfaces")

    def _in_vpc(self, operation: str, key: str) -> list[dict[str, Any]]:
        filters = [{"Name": "vpc-id", "Values": [self.vpc_id]}]
        return self.pages("ec2", operation, key, Filters=filters)

    def route_table_of(self, subnet_id: str) -> dict[str, Any]:
        """The table that routes a subnet's traffic: its own, or the VPC's main one.

        :raises NotKnown: neither is there.
        """
        own = main = None
        for table in self.route_tables:
            for association in table.get("Associations", []):
                if association.get("SubnetId") == subnet_id:
                    own = table
                elif association.get("Main"):
                    main = table
        if own is None and main is None:
            raise NotKnown(f"no route table found for subnet {subnet_id}")
        return own or main or {}

    def security_group(self, output_name: str) -> dict[str, Any]:
        """A group of the network stack by the name of its output.

        :raises NotKnown: it was deleted.
        """
        group_id = self.output("network", output_name)
        if group_id not in self.security_groups:
            raise NotKnown(f"security group {group_id} ({output_name}) does not exist any more")
        return self.security_groups[group_id]

    # -- catalog

    @cached_property
    def product_id(self) -> str:
        """The EMR product."""
        return self.output("catalog", "ProductId")

    @cached_property
    def portfolio_id(self) -> str:
        """The portfolio that holds it."""
        return self.output("catalog", "PortfolioId")

    @cached_property
    def product(self) -> dict[str, Any]:
        """DescribeProductAsAdmin."""
        return dict(self.client("servicecatalog").describe_product_as_admin(Id=self.product_id))

    @cached_property
    def portfolio_ids(self) -> list[str]:
        """The portfolios that the product is in."""
        found = self.pages(
            "servicecatalog", "list_portfolios_for_product", "PortfolioDetails", ProductId=self.product_id
        )
        return [one["Id"] for one in found]

    @cached_property
    def principals(self) -> list[str]:
        """Whom the portfolio admits."""
        found = self.pages(
            "servicecatalog", "list_principals_for_portfolio", "Principals", PortfolioId=self.portfolio_id
        )
        return [one["PrincipalARN"] for one in found]

    @cached_property
    def launch_roles(self) -> list[str]:
        """The roles of the product's LAUNCH constraints in the portfolio."""
        listed = self.pages(
            "servicecatalog",
            "list_constraints_for_portfolio",
            "ConstraintDetails",
            PortfolioId=self.portfolio_id,
            ProductId=self.product_id,
        )
        describe = self.client("servicecatalog").describe_constraint
        parameters = [
            json.loads(describe(Id=one["ConstraintId"])["ConstraintParameters"])
            for one in listed
            if one["Type"] == "LAUNCH"
        ]
        prefix = f"arn:{self.partition}:iam::{self.account_id}:role/"
        return [one.get("RoleArn") or prefix + one["LocalRoleName"] for one in parameters]

    @cached_property
    def artifact(self) -> dict[str, Any]:
        """The product's newest active version, with its template's address and parameters.

        :raises NotKnown: it has none.
        """
        catalog = self.client("servicecatalog")
        listed = catalog.list_provisioning_artifacts(ProductId=self.product_id)
        active = [one for one in listed["ProvisioningArtifactDetails"] if one.get("Active", True)]
        if not active:
            raise NotKnown(f"product {self.product_id} has no active version")
        newest = max(active, key=lambda one: one["CreatedTime"])
        return dict(
            catalog.describe_provisioning_artifact(
                ProductId=self.product_id,
                ProvisioningArtifactId=newest["Id"],
                IncludeProvisioningArtifactParameters=True,
            )
        )

    @cached_property
    def template_url(self) -> str:
        """Where the product's template was staged."""
        info = self.artifact.get("Info", {})
        url = info.get("TemplateUrl") or info.get("LoadTemplateFromURL")
        if not url:
            raise NotKnown(f"Service Catalog does not tell the template's address of {self.product_id}")
        return str(url)

    # -- account

    @cached_property
    def public_access_block(self) -> dict[str, Any]:
        """EMR's GetBlockPublicAccessConfiguration."""
        answer = self.client("emr").get_block_public_access_configuration()
        return dict(answer["BlockPublicAccessConfiguration"])

    def role(self, name_or_arn: str) -> dict[str, Any] | None:
        """GetRole, None where there is none."""
        name = name_or_arn.rpartition("/")[2]
        if name not in self._roles:
            try:
                self._roles[name] = dict(self.client("iam").get_role(RoleName=name)["Role"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchEntity":
                    raise
                self._roles[name] = None
        return self._roles[name]
