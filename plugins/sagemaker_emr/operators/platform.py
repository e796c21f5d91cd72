"""The platform as a whole: what deploying it would change, before anything is changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError

from sagemaker_emr import change_sets, names, partitions, platform_form, staging
from sagemaker_emr.change_sets import Change
from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.cloud_formation import STACK_STATES, CloudFormationHook, StackDeployment, outputs_of
from sagemaker_emr.triggers.cloud_formation import CloudFormationChangeSetTrigger

PLAN_SECONDS = 300
REFUSALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html and, of wrong keys,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""

SETTLED = STACK_STATES.where(lambda state: state.deployment is StackDeployment.UPDATE)
EMPTY = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")
"""States of a stack that has no resource."""


class PlatformPlanOperator(AwsBaseOperator[CloudFormationHook]):
    """Plans all stacks of an environment at once: what the form asks for against what is there.

    Each stack that exists gets a change set, which is read and deleted.

    :param environment: the environment.
    :return: ``changes`` and ``losses`` as lines of text, ``unchanged`` (of the stacks), ``same_profiles``,
        ``private_link_prefix``, the profiles to deploy (``profiles``) and to remove (``removed_profiles``).
    :raises InvalidInput: the form can't work, alone or in this account; or there are no credentials.
    :raises PlatformNotReady: AWS refuses to be read.
    """

    aws_hook_class = CloudFormationHook
    template_fields: Sequence[str] = aws_template_fields("environment")

    def __init__(self, *, environment: str, multiple_outputs: bool = True, **kwargs: Any) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return self._plan_all(dict(context["params"]))
        except (NoRegionError, NoCredentialsError, PartialCredentialsError) as error:
            raise InvalidInput(
                f"Connection {self.aws_conn_id} does not suffice",
                reason=str(error),
                next_step="Give it a Region and credentials, or the worker a role. Nothing was changed.",
            ) from error
        except ClientError as error:
            if error.response["Error"]["Code"] not in REFUSALS:
                raise
            raise PlatformNotReady(
                f"AWS refuses {error.operation_name} to connection {self.aws_conn_id}",
                reason=str(error),
                next_step="include/cfn/airflow_roles.yaml has a role that may deploy. Nothing was changed.",
            ) from error

    def _plan_all(self, form: dict[str, Any]) -> dict[str, Any]:
        platform_form.check(form)
        prefix = partitions.partition_of(self.hook.conn_region_name).private_link_prefix
        stacks = {stack: self._describe(stack) for stack in platform_form.STACK_PARAMETERS}
        if not stacks["studio"]:
            self._refuse_foreign_domain()
        present = outputs_of(stacks["network"] or {}).get("PrivateSubnetId")
        if form["vpc_id"] and form["private_subnet_id"] != present:
            self._check_existing_network(form["vpc_id"], form["private_subnet_id"])
        changes = {stack: self._plan(stack, found, form, prefix) for stack, found in stacks.items()}
        if stacks["studio"] and _moves_to_another_vpc(stacks["network"], changes["network"], form):
            raise InvalidInput(
                f"Environment {self.environment} can't move to another VPC",
                reason="its Studio domain belongs to the VPC it was made in, with all that users keep there",
                next_step="Use another environment, or run destroy_platform for this one first. "
                "Nothing was changed.",
            )
        if stacks["studio"] and _is_replaced("PrivateSubnet", changes["network"]):
            raise InvalidInput(
                f"Environment {self.environment} can't get another private subnet",
                reason="Studio's file system has its mount target in the present one, which could not be "
                "deleted then and would hold the VPC for ever",
                next_step="Give the range it was deployed with, or use another environment. "
                "Nothing was changed.",
            )
        if self._product_changes(stacks):
            changes["catalog"].append(
                Change("Modify", "Product", "AWS::ServiceCatalog::CloudFormationProduct")
            )
        profiles, removed, same = self._profiles(form["user_profiles"])
        lines = [f"{stack}: {change}" for stack, planned in changes.items() for change in planned]
        losses = [f"{stack}: {c}" for stack, planned in changes.items() for c in planned if c.loses_data]
        new = [stack for stack, found in stacks.items() if not found]
        lines = [f"{stack}: a new stack" for stack in new] + lines
        for line in lines or ["Nothing to change but user profiles"]:
            self.log.info("  %s", line)
        self.log.info("User profiles to bring: %s; to remove: %s", profiles or "none", removed or "none")
        return {
            "changes": lines,
            "losses": losses,
            "unchanged": not lines,
            "same_profiles": same,
            "private_link_prefix": prefix,
            "profiles": profiles,
            "removed_profiles": removed,
        }

    def _describe(self, stack: str) -> dict[str, Any] | None:
        found = self.hook.describe_stack(names.stack_name(self.environment, stack))
        # The deployer brings a stack to rest before it changes it; what it will find then is not known yet.
        return found if found and found["StackStatus"] in SETTLED else None

    def _plan(
        self, stack: str, found: dict[str, Any] | None, form: Mapping[str, Any], prefix: str
    ) -> list[Change]:
        if not found:
            return []
        template = change_sets.template_argument(f"cfn/{stack}.yaml", None)
        given = {"Environment": self.environment, **platform_form.chosen(stack, form)}
        if stack == "network":
            given["PrivateLinkPrefix"] = prefix
        request = change_sets.request(
            found["StackName"],
            found,
            template=template,
            parameters=change_sets.effective_parameters(template["TemplateBody"], found, given, {}),
            tags={"sagemaker-emr:environment": self.environment},
            capabilities=["CAPABILITY_NAMED_IAM"],
        )
        if change_sets.is_current(found, request, lambda: self.hook.template_body(found["StackId"])):
            return []
        made = self.hook.create_change_set(**request)
        plan = CloudFormationChangeSetTrigger(
            change_set_id=made["Id"],
            deadline_at=time.time() + PLAN_SECONDS,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        result = plan.look_tolerantly() or plan.wait()
        changes = self.hook.changes(made["Id"]) if result["has_changes"] else []
        self.hook.conn.delete_change_set(ChangeSetName=made["Id"])
        return changes

    def _product_changes(self, stacks: Mapping[str, dict[str, Any] | None]) -> bool:
        """Whether the staged product template would be another than the catalog's."""
        storage, catalog = stacks["storage"], stacks["catalog"]
        if not storage or not catalog:
            return False
        bucket = outputs_of(storage)["ArtifactsBucket"]
        script = staging.include_path("bootstrap/installpylibs.sh")
        key = staging.content_key(staging.key_prefix(script), script.read_bytes(), script.name)
        template = staging.include_path("cfn/emr_product.yaml")
        values = {"environment": self.environment, "bootstrap_script": f"s3://{bucket}/{key}"}
        text = staging.fill_in(template.read_text(), values, template.name)
        staged = staging.content_key(staging.key_prefix(template), text.encode(), template.name)
        url = change_sets.parameters_of(catalog).get("ProductTemplateUrl", "")
        return not url.endswith(f"/{staged}")

    def _profiles(self, entries: list[str]) -> tuple[list[str], list[str], bool]:
        """Which profiles to bring to their stack, which are on the list no more, and whether all is so."""
        first = names.stack_name(self.environment, "profile-")
        tags = {"sagemaker-emr:environment": self.environment}
        existing = {name.removeprefix(first) for name in self.hook.stack_names(first, tags)}
        wanted = {platform_form.profile_of(entry)[0] for entry in entries}
        same = existing == wanted and all(self._has_its_role(first, entry) for entry in entries)
        return sorted(entries), sorted(existing - wanted), same

    def _has_its_role(self, first: str, entry: str) -> bool:
        name, role = platform_form.profile_of(entry)
        given = change_sets.parameters_of(self.hook.describe_stack(f"{first}{name}") or {})
        # A profile with a role of its own is the one whose stack admits that role to the portfolio.
        own = given.get("ExecutionRoleArn") if given.get("PortfolioId") else None
        return own == role

    def _refuse_foreign_domain(self) -> None:
        name = f"sagemaker-emr-{self.environment}"
        stack = self.hook.describe_stack(names.stack_name(self.environment, "studio"))
        # Being made, or half made or deleted: the domain may be its own, though it does not say so yet.
        if stack and stack["StackStatus"] not in EMPTY:
            return
        sagemaker = AwsHook(client_type="sagemaker", **self._hook_parameters).conn
        for page in sagemaker.get_paginator("list_domains").paginate():
            for domain in page["Domains"]:
                if domain["DomainName"] != name:
                    continue
                mode = sagemaker.describe_domain(DomainId=domain["DomainId"])["AppNetworkAccessType"]
                why = (
                    "it can't be joined to EMR"
                    if mode == "PublicInternetOnly"
                    else "no stack of ours made it"
                )
                raise InvalidInput(
                    f"A domain {name} exists already ({domain['DomainId']})",
                    reason=f"its network mode is {mode}: {why}",
                    next_step="Choose another environment name, or delete that domain.",
                )

    def _check_existing_network(self, vpc_id: str, subnet_id: str) -> None:
        ec2 = AwsHook(client_type="ec2", **self._hook_parameters).conn
        subnets = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["Subnets"]
        if not subnets or subnets[0]["VpcId"] != vpc_id:
            where = f"it is in {subnets[0]['VpcId']}" if subnets else "it does not exist"
            raise InvalidInput(f"Subnet {subnet_id} is not of VPC {vpc_id}", reason=where)
        for attribute in ("enableDnsSupport", "enableDnsHostnames"):
            answer = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)
            if not answer[attribute[0].upper() + attribute[1:]]["Value"]:
                raise InvalidInput(
                    f"VPC {vpc_id} can't hold Studio and EMR",
                    reason=f"its attribute {attribute} is off",
                    next_step="Turn it on (ec2 ModifyVpcAttribute).",
                )
        gateway = _internet_gateway(ec2, vpc_id, subnet_id)
        if gateway:
            raise InvalidInput(
                f"Subnet {subnet_id} is a public one",
                reason=f"its routes lead to the internet gateway {gateway}",
                next_step="Give a private subnet, whose routes lead to a NAT gateway or to endpoints.",
            )


def _internet_gateway(ec2: Any, vpc_id: str, subnet_id: str) -> str | None:
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"]
    own = [t for t in tables if any(a.get("SubnetId") == subnet_id for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    routes = [route for table in (own or main) for route in table["Routes"]]
    gateways = [route["GatewayId"] for route in routes if route.get("GatewayId", "").startswith("igw-")]
    return gateways[0] if gateways else None


def _moves_to_another_vpc(
    network: dict[str, Any] | None, changes: list[Change], form: Mapping[str, Any]
) -> bool:
    """A domain can't move: another VPC is another domain."""
    if network and form["vpc_id"] and outputs_of(network).get("VpcId") != form["vpc_id"]:
        return True
    return _is_replaced("Vpc", changes)


def _is_replaced(logical_id: str, changes: list[Change]) -> bool:
    return any(change.logical_id == logical_id and change.action != "Modify" for change in changes)
