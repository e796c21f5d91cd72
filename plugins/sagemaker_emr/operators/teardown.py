"""What taking a platform down needs beside deleting its stacks. Each finds nothing to do when run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr import leftovers
from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.hooks.base import AwsHook, ask_to_delete
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.hooks.resource_groups_tagging import ResourceGroupsTaggingHook
from sagemaker_emr.hooks.sagemaker import is_missing
from sagemaker_emr.hooks.sagemaker_domain import GROUP_NAMES, DomainLeftoversHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.operators.cloud_formation import CloudFormationDeleteStackOperator
from sagemaker_emr.triggers.service_catalog import ServiceCatalogProductTerminatedTrigger

ENVIRONMENT_TAG = "sagemaker-emr:environment"
PRODUCTS_TIMEOUT_SECONDS = 3600
EMR_GROUPS = frozenset({"EmrMasterSecurityGroup", "EmrCoreSecurityGroup", "EmrServiceAccessSecurityGroup"})
RULE_TYPES = frozenset({"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"})


class ServiceCatalogEndProductsOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Makes sure that nothing launched from an environment's product lives: a catalog in use can't go.

    :param terminate: end them; else their existence is refused.
    :raises PlatformNotReady: naming the products that live.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields("environment", "terminate")

    def __init__(
        self,
        *,
        environment: str,
        terminate: bool | str = False,
        timeout_seconds: float = PRODUCTS_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment
        self.terminate = terminate

    def execute(self, context: Context) -> Any:
        living = self._living()
        if not living:
            return None
        if str(self.terminate).lower() != "true":
            raise PlatformNotReady(
                f"Products of environment {self.environment} are provisioned",
                reason=", ".join(f"{product['Name']} ({product['Status']})" for product in living),
                next_step="End them, or run destroy_platform with 'End clusters'.",
            )
        self.log.info("Ending %s", ", ".join(product["Name"] for product in living))
        trigger = ServiceCatalogProductTerminatedTrigger(
            product_name=living[0]["Name"],
            record_id=self.hook.provisioning_record_id(living[0]),
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        return self.execute(context)

    def _living(self) -> list[dict[str, Any]]:
        stacks = CloudFormationHook(**self._hook_parameters)
        product_type = "AWS::ServiceCatalog::CloudFormationProduct"
        product_ids = stacks.physical_ids(stack_name(self.environment, "catalog"), product_type)
        found = self.hook.all_provisioned_products()
        return [product for product in found if product["ProductId"] in product_ids]


class SageMakerDeleteEndpointsOperator(AwsBaseOperator[AwsHook]):
    """Deletes the endpoints of an environment, their configurations and models: what carries its tag."""

    aws_hook_class = AwsHook
    template_fields: Sequence[str] = aws_template_fields("environment")

    def __init__(self, *, environment: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {**super()._hook_parameters, "client_type": "sagemaker"}

    def execute(self, context: Context) -> list[str]:
        deleted: list[str] = []
        for noun in ("Endpoint", "EndpointConfig", "Model"):
            deleted += self._delete(noun)
        self.log.info("Deleted: %s", ", ".join(deleted) or "nothing")
        return deleted

    def _delete(self, noun: str) -> list[str]:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in noun)
        prefix = f"sagemaker-emr-{self.environment}-"
        conn = self.hook.conn
        pages = conn.get_paginator(f"list{snake}s").paginate(NameContains=prefix)
        deleted = []
        for found in [found for page in pages for found in page[f"{noun}s"]]:
            tags = {t["Key"]: t["Value"] for t in conn.list_tags(ResourceArn=found[f"{noun}Arn"])["Tags"]}
            if tags.get(ENVIRONMENT_TAG) == self.environment and found.get("EndpointStatus") != "Deleting":
                try:
                    getattr(conn, f"delete{snake}")(**{f"{noun}Name": found[f"{noun}Name"]})
                except ClientError as error:
                    if not is_missing(error):  # as where the answer to a first try was lost
                        raise
                deleted.append(found[f"{noun}Name"])
        return deleted


class CloudFormationDeleteStacksOperator(CloudFormationDeleteStackOperator):
    """Deletes the stacks of an environment whose names begin with a prefix, one after the other."""

    template_fields: Sequence[str] = aws_template_fields("stack_name", "environment", "prefix")

    def __init__(self, *, environment: str, prefix: str, **kwargs: Any) -> None:
        super().__init__(stack_name="", **kwargs)
        self.environment = environment
        self.prefix = prefix

    def execute(self, context: Context) -> Any:
        names = self.hook.stack_names(self.prefix, {ENVIRONMENT_TAG: self.environment})
        if not names:
            self.log.info("No stack begins with %s", self.prefix)
            return None
        self.stack_name = names[0]
        return self._delete(context)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        self.stack_name = result["stack_id"].split("/")[1]
        if result["then"] == "deleted":
            super().complete(context, result)
        return self.execute(context)


class RevokeRulesOfEmrOperator(AwsBaseOperator[DomainLeftoversHook]):
    """Revokes the rules that EMR wrote into the platform's groups; they would hold the network stack."""

    aws_hook_class = DomainLeftoversHook
    template_fields: Sequence[str] = aws_template_fields("environment")

    def __init__(self, *, environment: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment

    def execute(self, context: Context) -> list[str]:
        stacks = CloudFormationHook(**self._hook_parameters)
        stack = stacks.describe_stack(stack_name(self.environment, "network"))
        if stack is None:
            return []
        alive = [
            resource
            for resource in stacks.resources(stack["StackId"])
            if resource["ResourceStatus"] != "DELETE_COMPLETE"
        ]
        groups = [r["PhysicalResourceId"] for r in alive if r["LogicalResourceId"] in EMR_GROUPS]
        rules = [r["PhysicalResourceId"] for r in alive if r["ResourceType"] in RULE_TYPES]
        revoked: list[str] = self.hook.revoke_rules_of_emr(groups, rules)
        self.log.info("Revoked: %s", "; ".join(revoked) or "nothing")
        return revoked


class DeleteBucketsOperator(AwsBaseOperator[CloudFormationHook]):
    """Empties and deletes an environment's buckets when asked; the storage stack itself retains them.

    :return: the buckets kept.
    """

    aws_hook_class = CloudFormationHook
    template_fields: Sequence[str] = aws_template_fields("environment", "delete")

    def __init__(self, *, environment: str, delete: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.delete = delete

    def execute(self, context: Context) -> list[str]:
        name = stack_name(self.environment, "storage")
        s3 = AwsHook(**{**self._hook_parameters, "client_type": "s3"}).conn
        buckets = sorted(set(self.hook.physical_ids(name, "AWS::S3::Bucket")))
        existing = [bucket for bucket in buckets if _exists(s3, bucket)]
        if str(self.delete).lower() != "true":
            return existing
        for bucket in existing:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                held = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                keys = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in held]
                if keys:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            ask_to_delete(s3.delete_bucket, Bucket=bucket)
            self.log.info("Deleted bucket %s with all it held", bucket)
        return []


def _exists(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def confirm(environment: str, typed: str) -> None:
    """Whether the form's second environment name is the first: nobody destroys by a slip.

    :raises InvalidInput: it is not.
    """
    if typed != environment:
        raise InvalidInput(
            f"Destroying environment {environment} is not confirmed",
            reason=f"'Confirm' says {typed or 'nothing'}",
            next_step=f"Type {environment} into 'Confirm'. Nothing was changed.",
        )


class ReportLeftoversOperator(AwsBaseOperator[CloudFormationHook]):
    """Sweeps what carries an environment's tag and what its domains left, and says what is left, and why.

    :return: a line each; empty when nothing is left.
    :raises PlatformNotReady: stacks are left, which is not meant.
    """

    aws_hook_class = CloudFormationHook
    template_fields: Sequence[str] = aws_template_fields("environment")

    def __init__(self, *, environment: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment

    def execute(self, context: Context) -> list[str]:
        sweep = ResourceGroupsTaggingHook(**self._hook_parameters)
        left = [
            *leftovers.tagged(sweep.tagged(ENVIRONMENT_TAG, self.environment), self._client),
            *self._of_domains(),
            *self._roles(),
        ]
        for line in left:
            self.log.info("Left: %s", line)
        stacks = self.hook.stack_names(stack_name(self.environment, ""), {ENVIRONMENT_TAG: self.environment})
        if stacks:
            raise PlatformNotReady(
                f"Stacks of environment {self.environment} are left",
                reason=", ".join(stacks),
                next_step="Run destroy_platform again; the failed deletion's reason is in its log.",
            )
        if not left:
            self.log.info("Nothing of environment %s is left", self.environment)
        return left

    def _client(self, service: str) -> Any:
        return AwsHook(**{**self._hook_parameters, "client_type": service}).conn

    def _of_domains(self) -> list[str]:
        hook = DomainLeftoversHook(**self._hook_parameters)
        domains = self.hook.physical_ids(stack_name(self.environment, "studio"), "AWS::SageMaker::Domain")
        return [
            line
            for domain in sorted(set(domains))
            for line in leftovers.of_domain(
                domain, hook.file_systems(domain), GROUP_NAMES.format(domain), self._client
            )
        ]

    def _roles(self) -> list[str]:
        made = self.hook.physical_ids(stack_name(self.environment, "catalog"), "AWS::IAM::Role")
        return leftovers.emr_default_roles(set(made), self._client)
