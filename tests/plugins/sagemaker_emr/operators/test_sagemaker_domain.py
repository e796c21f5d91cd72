"""User profiles as stacks of their own, and a domain taken apart, on the embedded AWS."""

from __future__ import annotations

import pytest

from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
)
from sagemaker_emr.operators.sagemaker_domain import (
    SageMakerDeleteUserProfileOperator,
    SageMakerDeployFirstUserProfileOperator,
    SageMakerDeployUserProfileOperator,
    SageMakerEmptyDomainOperator,
    SageMakerRemoveDomainLeftoversOperator,
)

pytestmark = pytest.mark.local_aws

TAGS = {"sagemaker-emr:environment": "dev"}
HERE = {"environment": "dev", "aws_conn_id": None}


class Studio:
    def __init__(self, local_aws, run_task):
        self.client, self.run_task = local_aws, run_task
        network = self.deploy("network")
        needs = {name: network[name] for name in ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")}
        buckets = dict.fromkeys(("RawBucket", "FeaturesBucket", "ArtifactsBucket"), "data")
        self.vpc_id = network["VpcId"]
        self.outputs = {**self.deploy("studio", **needs, **buckets), "PortfolioId": "port-1"}
        self.sagemaker = local_aws("sagemaker")

    def deploy(self, stack, **parameters):
        return self.run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=f"sagemaker-emr-dev-{stack}",
                template=f"cfn/{stack}.yaml",
                parameters={"Environment": "dev", **parameters},
                tags=TAGS,
                deferrable=False,
                aws_conn_id=None,
            )
        )

    def add(self, profile, deferrable=True):
        return self.run_task(
            lambda: SageMakerDeployUserProfileOperator(
                task_id="add",
                profile=profile,
                platform=self.outputs,
                tags=TAGS,
                deferrable=deferrable,
                **HERE,
            )
        )

    def remove(self, profile, deferrable=True):
        return self.run_task(
            lambda: SageMakerDeleteUserProfileOperator(
                task_id="remove",
                profile=profile,
                domain_id=self.outputs["DomainId"],
                deferrable=deferrable,
                **HERE,
            )
        )

    def work_as(self, profile):
        """A private space of the profile with JupyterLab in it."""
        space = {"DomainId": self.outputs["DomainId"], "SpaceName": f"{profile}-lab"}
        self.sagemaker.create_space(
            **space,
            OwnershipSettings={"OwnerUserProfileName": profile},
            SpaceSharingSettings={"SharingType": "Private"},
            SpaceSettings={"AppType": "JupyterLab"},
        )
        self.sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")

    def profiles(self):
        found = self.sagemaker.list_user_profiles(DomainIdEquals=self.outputs["DomainId"])["UserProfiles"]
        return sorted(profile["UserProfileName"] for profile in found)


@pytest.fixture
def studio(local_aws, run_task):
    return Studio(local_aws, run_task)


def test_profiles_come_and_go_without_touching_another(studio):
    for profile in ("ada", "grace"):
        assert studio.add(profile) == {"UserProfileName": profile}
    key = {"DomainId": studio.outputs["DomainId"], "UserProfileName": "grace"}
    before = studio.sagemaker.describe_user_profile(**key)
    studio.work_as("ada")
    studio.work_as("grace")
    studio.remove("ada")
    assert studio.profiles() == ["grace"]
    spaces = studio.sagemaker.list_spaces(DomainIdEquals=key["DomainId"])["Spaces"]
    assert [space["SpaceName"] for space in spaces] == ["grace-lab"]
    after = studio.sagemaker.describe_user_profile(**key)
    assert after["LastModifiedTime"] == before["LastModifiedTime"]


def test_only_a_domain_without_profiles_gets_a_first_one(studio, run_task):
    def first():
        return run_task(
            lambda: SageMakerDeployFirstUserProfileOperator(
                task_id="first",
                profile="data-scientist",
                platform=studio.outputs,
                tags=TAGS,
                deferrable=True,
                **HERE,
            )
        )

    assert first() == {"UserProfileName": "data-scientist"}
    studio.add("ada")
    studio.remove("data-scientist")
    assert first() is None
    assert studio.profiles() == ["ada"]


def test_a_domain_in_use_goes_from_the_inside_out_and_leaves_nothing(studio, run_task, local_aws):
    studio.add("ada", deferrable=False)
    studio.work_as("ada")

    def empty():
        return run_task(lambda: SageMakerEmptyDomainOperator(task_id="empty", deferrable=True, **HERE))

    def clear(delete):
        return run_task(
            lambda: SageMakerRemoveDomainLeftoversOperator(
                task_id="clear", delete_file_system=delete, deferrable=False, **HERE
            )
        )

    def delete(stack):
        run_task(
            lambda: CloudFormationDeleteStackOperator(
                task_id="delete",
                stack_name=f"sagemaker-emr-dev-{stack}",
                deferrable=False,
                timeout_seconds=60,
                aws_conn_id=None,
            )
        )

    empty()
    assert studio.profiles() == []
    assert clear(delete="False") == []
    delete("profile-ada")
    delete("studio")
    empty()
    efs = local_aws("efs")
    system = efs.describe_file_systems()["FileSystems"][0]["FileSystemId"]
    assert clear(delete="False") == [system]
    assert efs.describe_mount_targets(FileSystemId=system)["MountTargets"] == []
    for _ in range(2):
        assert clear(delete="True") == []
    assert efs.describe_file_systems()["FileSystems"] == []
    delete("network")
    assert studio.vpc_id not in [vpc["VpcId"] for vpc in local_aws("ec2").describe_vpcs()["Vpcs"]]
