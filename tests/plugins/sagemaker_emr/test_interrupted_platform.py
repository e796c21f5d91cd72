"""Interrupted at every stack, up and down, and run again: the same platform, and the same nothing."""

from __future__ import annotations

from functools import partial

import pytest
from airflow.sdk.exceptions import TaskDeferred

from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
)
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.operators.sagemaker_domain import (
    SageMakerDeployUserProfileOperator,
    SageMakerEmptyDomainOperator,
    SageMakerRemoveDomainLeftoversOperator,
)
from sagemaker_emr.operators.teardown import (
    CloudFormationDeleteStacksOperator,
    DeleteBucketsOperator,
    ReportLeftoversOperator,
)

pytestmark = pytest.mark.local_aws

ENV = "dev"
HERE = {"environment": ENV, "aws_conn_id": None}
WAITING = {"aws_conn_id": None, "deferrable": True}
FILES = {"bootstrap_script": "bootstrap/installpylibs.sh", "product_template": "cfn/emr_product.yaml"}
STACKS = ["catalog", "network", "profile-ada", "storage", "studio"]


class Interrupted:
    """Runs each task twice: until it waits, when its run is killed, and once more from the start.

    A kill stops no stack operation (no trigger of these overrides ``stop``), so it is there to be found.
    """

    def __init__(self, run_task, context):
        self.run_task, self.context = run_task, context
        self.count = 0

    def __call__(self, make):
        try:
            make().execute(self.context)
        except TaskDeferred as deferred:
            self.count += 1
            deferred.trigger.stop()
        return self.run_task(make)

    def deploy(self, stack, **parameters):
        return self(
            partial(
                CloudFormationDeployStackOperator,
                task_id="deploy",
                stack_name=stack_name(ENV, stack),
                template=f"cfn/{stack}.yaml",
                parameters={"Environment": ENV, **parameters},
                tags={"sagemaker-emr:environment": ENV},
                **WAITING,
            )
        )

    def delete(self, stack):
        name = stack_name(ENV, stack)
        self(
            partial(
                CloudFormationDeleteStackOperator,
                task_id="delete",
                stack_name=name,
                timeout_seconds=120,
                **WAITING,
            )
        )


def up(tasks):
    storage, network = tasks.deploy("storage"), tasks.deploy("network")
    staged = tasks(
        partial(
            S3StageFilesOperator,
            task_id="stage",
            bucket=storage["ArtifactsBucket"],
            files=FILES,
            substitutions={"environment": ENV},
            aws_conn_id=None,
        )
    )
    wanted = ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")
    studio = tasks.deploy("studio", **storage, **{name: network[name] for name in wanted})
    catalog = tasks.deploy(
        "catalog",
        ProductTemplateUrl=staged["product_template_url"],
        ProductVersion="one",
        ArtifactsBucket=storage["ArtifactsBucket"],
        ExecutionRoleArn=studio["ExecutionRoleArn"],
        AirflowPrincipalArn="arn:aws:iam::123456789012:role/airflow",
        CreateEmrDefaultRoles="true",
    )
    tasks(
        partial(
            SageMakerDeployUserProfileOperator,
            task_id="profile",
            profile="ada",
            platform={**studio, **catalog},
            tags={"sagemaker-emr:environment": ENV},
            environment=ENV,
            **WAITING,
        )
    )


def down(tasks):
    tasks(partial(SageMakerEmptyDomainOperator, task_id="empty", environment=ENV, **WAITING))
    prefix = stack_name(ENV, "profile-")
    tasks(
        partial(
            CloudFormationDeleteStacksOperator,
            task_id="profiles",
            environment=ENV,
            prefix=prefix,
            **WAITING,
        )
    )
    tasks.delete("catalog")
    tasks.delete("studio")
    leftovers = partial(SageMakerRemoveDomainLeftoversOperator, task_id="leftovers", delete_file_system=True)
    tasks(partial(leftovers, environment=ENV, **WAITING))
    tasks.delete("network")
    tasks.delete("storage")
    tasks(partial(DeleteBucketsOperator, task_id="buckets", delete=True, **HERE))


def test_a_platform_interrupted_at_every_stack_ends_as_if_it_had_not_been(run_task, context, local_aws):
    tasks = Interrupted(run_task, context)
    up(tasks)
    assert tasks.count >= len(STACKS) - 1
    stacks = local_aws("cloudformation").describe_stacks()["Stacks"]
    assert sorted(stack["StackName"] for stack in stacks) == [stack_name(ENV, name) for name in STACKS]
    assert {stack["StackStatus"] for stack in stacks} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert len(local_aws("sagemaker").list_domains()["Domains"]) == 1
    assert len(local_aws("sagemaker").list_user_profiles()["UserProfiles"]) == 1
    assert len(local_aws("servicecatalog").list_portfolios()["PortfolioDetails"]) == 1

    before = tasks.count
    down(tasks)
    assert tasks.count > before
    left = ReportLeftoversOperator(task_id="report", **HERE).execute(context)
    assert all("belongs to the account" in line for line in left), left
    assert local_aws("cloudformation").describe_stacks()["Stacks"] == []
