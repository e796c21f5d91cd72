"""A platform's whole life in real Airflow, from the UI's forms: deployed, diagnosed, changed, destroyed.

In Amazon's own partition and in China's, whose user gives the connection another Region. The environment's
name is of its own, so nothing here touches what other tests run on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import yaml

from local_stack.airflow import AWS_ACCESS_KEY_ID
from tests.system.conftest import Stack, running_stack, stack_home

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

RUN_SECONDS = 400
"""A deadline for a run that hangs, many times what a run takes on a machine that is not busy."""

THINK_SECONDS = 6
"""What a person takes at least. Airflow may need five seconds to notice that the asking process has ended; an
answer before that makes its scheduler take the task for lost (see local_stack.airflow_pauses)."""

ENV = "life"
ENDED = ("success", "failed")
CUSTOM_ROLE, CUSTOM_POLICY = "AnasOwnRole", "everything"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    ],
}


@dataclass
class Life:
    """One environment, through Airflow's API and, for what is to be seen in the end, boto3."""

    stack: Stack
    partition: str

    def client(self, service: str) -> Any:
        settings = self.stack.settings
        return boto3.client(
            service,
            endpoint_url=settings.aws_url,
            region_name=settings.region,
            aws_access_key_id=AWS_ACCESS_KEY_ID,
            aws_secret_access_key="local",
        )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.stack.airflow._call(method, path, body)

    def form(self, dag_id: str) -> dict[str, Any]:
        """The form as the UI shows it, and sends it: every field with its value."""
        params = self.call("GET", f"/dags/{dag_id}/details")["params"]
        return {name: param["value"] for name, param in params.items()}

    def trigger(self, dag_id: str, **changes: Any) -> str:
        form = self.form(dag_id)
        assert set(changes) <= set(form)
        run_id: str = self.stack.airflow.trigger(dag_id, {**form, "environment": ENV, **changes})
        return run_id

    def run(self, dag_id: str, **changes: Any) -> str:
        """Trigger a DAG and wait for its success; the run."""
        run_id = self.trigger(dag_id, **changes)
        assert self.end_of(dag_id, run_id) == "success", self.states(dag_id, run_id)
        return run_id

    def end_of(self, dag_id: str, run_id: str) -> str:
        def ended() -> str | None:
            state: str = self.stack.airflow.run(dag_id, run_id)["state"]
            return state if state in ENDED else None

        state: str = self.stack.wait_until(ended, f"{dag_id} ended", RUN_SECONDS)
        return state

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        tasks = self.stack.airflow.tasks(dag_id, run_id)
        return {task["task_id"]: task["state"] for task in tasks}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        tasks = self.stack.airflow.tasks(dag_id, run_id)
        tries = next(task["try_number"] for task in tasks if task["task_id"] == task_id)
        return "\n".join(self.stack.airflow.log(dag_id, run_id, task_id, tries))

    def approve(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Wait for the question under *Required Actions*, and answer it; what was asked."""
        run = f"/dags/{dag_id}/dagRuns/{quote(run_id)}"
        find = f"{run}/hitlDetails?response_received=false"

        def asking() -> list[dict[str, Any]]:
            # An answer between the question and the task's pause is kept, but wakes nobody.
            waits = self.states(dag_id, run_id).get(task_id) == "awaiting_input"
            found: list[dict[str, Any]] = self.call("GET", find)["hitl_details"]
            return found if waits else []

        (asked,) = self.stack.wait_until(asking, f"{task_id} asks", RUN_SECONDS)
        time.sleep(THINK_SECONDS)
        path = f"{run}/taskInstances/{task_id}/-1/hitlDetails"
        self.call("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
        return f"{asked['subject']}\n{asked['body']}"

    def outputs(self, stack: str) -> dict[str, str]:
        name = f"sagemaker-emr-{ENV}-{stack}"
        (found,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def profiles(self) -> dict[str, str]:
        """Execution role by user profile."""
        sagemaker, domain = self.client("sagemaker"), self.outputs("studio")["DomainId"]
        found = sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]
        names = [profile["UserProfileName"] for profile in found]
        described = [sagemaker.describe_user_profile(DomainId=domain, UserProfileName=name) for name in names]
        return {one["UserProfileName"]: one["UserSettings"]["ExecutionRole"] for one in described}

    def check(self) -> dict[str, int]:
        """How many findings of each verdict check_platform has."""
        run_id = self.run("check_platform", fail_on_findings=True)
        counts: dict[str, int] = self.stack.airflow.xcom("check_platform", run_id, "check_platform")["counts"]
        return counts

    def own_role(self) -> str:
        """A role for one user, made by whoever runs the account."""
        iam = self.client("iam")
        made = iam.create_role(RoleName=CUSTOM_ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(
            RoleName=CUSTOM_ROLE, PolicyName=CUSTOM_POLICY, PolicyDocument=json.dumps(EVERYTHING)
        )
        return str(made["Role"]["Arn"])

    def add_a_bucket_that_no_template_has(self) -> str:
        """Update the storage stack as an older version of the project might have left it; the bucket."""
        cloudformation, name = self.client("cloudformation"), f"sagemaker-emr-{ENV}-storage"
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        head, resources = body.split("\nResources:\n", 1)
        old = yaml.safe_dump({"OldBucket": {"Type": "AWS::S3::Bucket"}})
        indented = "".join(f"  {line}\n" for line in old.splitlines())
        cloudformation.update_stack(
            StackName=name,
            TemplateBody=f"{head}\nResources:\n{indented}{resources}",
            Parameters=stack["Parameters"],
            Tags=stack["Tags"],
        )
        waiter = cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
        found = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId="OldBucket")
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def launch(self) -> None:
        """A product of the catalog, as somebody launches it by hand."""
        catalog = self.outputs("catalog")
        self.client("servicecatalog").provision_product(
            ProductId=catalog["ProductId"],
            ProvisioningArtifactName=catalog["ProvisioningArtifactName"],
            ProvisionedProductName="by-hand",
            ProvisionToken="by-hand",
        )

    def assert_nothing_left(self, vpc_id: str, domain_id: str) -> None:
        tag = [{"Key": "sagemaker-emr:environment", "Values": [ENV]}]
        listed = self.client("resourcegroupstaggingapi").get_resources(TagFilters=tag)
        arns = [one["ResourceARN"] for one in listed["ResourceTagMappingList"]]
        # The tagging API goes on listing what has ended, as on AWS.
        ended = ("natgateway/", "cluster/", "instance/", "vpc-endpoint/")
        assert [arn for arn in arns if not any(kind in arn for kind in ended)] == []
        cloudformation = self.client("cloudformation")
        assert [
            s["StackName"] for s in cloudformation.describe_stacks()["Stacks"] if ENV in s["StackName"]
        ] == []
        domains = self.client("sagemaker").list_domains()["Domains"]
        assert domain_id not in [domain["DomainId"] for domain in domains]
        systems = self.client("efs").describe_file_systems()["FileSystems"]
        assert [system for system in systems if domain_id in str(system["Tags"])] == []
        assert [b["Name"] for b in self.client("s3").list_buckets()["Buckets"] if ENV in b["Name"]] == []
        portfolios = self.client("servicecatalog").list_portfolios()["PortfolioDetails"]
        assert [portfolio for portfolio in portfolios if ENV in portfolio["DisplayName"]] == []
        in_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
        ec2 = self.client("ec2")
        assert ec2.describe_vpcs(Filters=in_vpc)["Vpcs"] == []
        assert ec2.describe_security_groups(Filters=in_vpc)["SecurityGroups"] == []
        assert ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"] == []
        roles = {role["RoleName"] for role in self.client("iam").list_roles()["Roles"]}
        assert [role for role in roles if role.startswith(f"sagemaker-emr-{ENV}-")] == []


@pytest.fixture(scope="module")
def aws(stack: Stack) -> Life:
    return Life(stack, "aws")


@pytest.fixture(scope="module")
def aws_cn() -> Iterator[Life]:
    """A stack whose connection has a Region of China: a China account is another account altogether."""
    with stack_home("china") as home:
        for made in running_stack(home, region="cn-north-1"):
            yield Life(made, "aws-cn")


def live(life: Life, **network: Any) -> None:
    """From nothing to nothing, by the forms alone."""
    life.run("deploy_platform", user_profiles=["ana", "ben"], **network)
    counts = life.check()
    assert counts["failed"] == 0
    assert counts["passed"] > 40
    arns = life.profiles()
    assert set(arns) == {"ana", "ben"}
    assert all(arn.startswith(f"arn:{life.partition}:iam::") for arn in arns.values())

    role = life.own_role()
    again = life.run("deploy_platform", user_profiles=[f"ana={role}", "cleo"], **network)
    assert life.profiles() == {"ana": role, "cleo": arns["ben"]}
    assert life.states("deploy_platform", again)["platform.deploy_network"] == "skipped"
    assert life.states("deploy_platform", again)["check_platform"] == "success"
    vpc_id, domain_id = life.outputs("network")["VpcId"], life.outputs("studio")["DomainId"]

    bucket = life.add_a_bucket_that_no_template_has()
    run_id = life.trigger("deploy_platform", user_profiles=[f"ana={role}", "cleo"], **network)
    assert "storage: Remove OldBucket (AWS::S3::Bucket)" in life.approve(
        "deploy_platform", run_id, "approve_plan"
    )
    assert life.end_of("deploy_platform", run_id) == "success", life.states("deploy_platform", run_id)
    assert bucket not in [found["Name"] for found in life.client("s3").list_buckets()["Buckets"]]

    life.launch()
    everything = {"delete_home_file_system": True, "delete_buckets": True}
    refused = life.trigger("destroy_platform", confirm=ENV, **everything)
    assert life.end_of("destroy_platform", refused) == "failed"
    assert "by-hand" in life.log("destroy_platform", refused, "end_clusters")
    assert life.states("destroy_platform", refused)["delete_profiles"] == "upstream_failed"

    destroyed = life.run("destroy_platform", confirm=ENV, end_clusters=True, **everything)
    left = life.stack.airflow.xcom("destroy_platform", destroyed, "report_what_is_left") or []
    assert all("belongs to the account" in line for line in left), left
    life.assert_nothing_left(vpc_id, domain_id)
    iam = life.client("iam")
    iam.delete_role_policy(RoleName=CUSTOM_ROLE, PolicyName=CUSTOM_POLICY)
    iam.delete_role(RoleName=CUSTOM_ROLE)


def test_a_platform_lives_and_goes_in_aws(aws: Life) -> None:
    live(aws)


def test_a_platform_lives_and_goes_in_china(aws_cn: Life) -> None:
    live(aws_cn, create_interface_endpoints=True)


def test_a_form_that_can_not_work_is_refused_and_nothing_is_made(aws: Life) -> None:
    """Overlapping ranges: each is well formed, so only the plan can tell."""
    run_id = aws.trigger("deploy_platform", environment="refused", public_subnet_cidr="10.42.16.0/24")
    assert aws.end_of("deploy_platform", run_id) == "failed"
    assert "The two subnets overlap" in aws.log("deploy_platform", run_id, "plan_platform")
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks if "refused" in stack["StackName"]] == []
