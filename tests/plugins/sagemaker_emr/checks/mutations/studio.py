"""What can be wrong with Studio."""

from __future__ import annotations

from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation


def _update_domain(p, **changes):
    sagemaker, key = p.client("sagemaker"), {"DomainId": p.outputs["DomainId"]}
    sagemaker.update_domain(**key, **changes)
    p.until(lambda: sagemaker.describe_domain(**key), lambda found: found["Status"] == "InService")


@mutation("network_mode", "--app-network-access-type VpcOnly")
def public_internet(p):
    _update_domain(p, AppNetworkAccessType="PublicInternetOnly")
    yield p.outputs["DomainId"]
    _update_domain(p, AppNetworkAccessType="VpcOnly")


@mutation("same_subnet", "--subnet-ids")
def another_subnet(p):
    ec2, ours = p.client("ec2"), p.outputs["PrivateSubnetId"]
    zone = ec2.describe_subnets(SubnetIds=[ours])["Subnets"][0]["AvailabilityZone"]
    made = ec2.create_subnet(VpcId=p.outputs["VpcId"], CidrBlock="10.42.200.0/24", AvailabilityZone=zone)
    other = made["Subnet"]["SubnetId"]
    _update_domain(p, SubnetIds=[other])
    yield p.outputs["DomainId"]
    _update_domain(p, SubnetIds=[ours])
    ec2.delete_subnet(SubnetId=other)


@mutation("studio_security_group", "SecurityGroups")
def other_security_group(p):
    domain = p.client("sagemaker").describe_domain(DomainId=p.outputs["DomainId"])
    settings = domain["DefaultUserSettings"]

    def attach(name):
        _update_domain(p, DefaultUserSettings={**settings, "SecurityGroups": [p.outputs[name]]})

    attach("AirflowSecurityGroupId")
    yield p.outputs["DomainId"]
    attach("StudioSecurityGroupId")


@mutation("user_profiles", "deploy_platform")
def profile_deleted(p):
    sagemaker, name = p.client("sagemaker"), p.outputs["UserProfileName"]
    key = {"DomainId": p.outputs["DomainId"], "UserProfileName": name}
    settings = sagemaker.describe_user_profile(**key)["UserSettings"]
    profiles = sagemaker.get_paginator("list_user_profiles")

    def names():
        pages = profiles.paginate(DomainIdEquals=p.outputs["DomainId"])
        return {one["UserProfileName"]: one["Status"] for page in pages for one in page["UserProfiles"]}

    sagemaker.delete_user_profile(**key)
    p.until(names, lambda found: name not in found)
    yield name
    sagemaker.create_user_profile(**key, UserSettings=settings)
    p.until(names, lambda found: found.get(name) == "InService")


@mutation("file_system", "create-mount-target")
def mount_target_deleted(p):
    efs = p.client("efs")
    domain = p.client("sagemaker").describe_domain(DomainId=p.outputs["DomainId"])
    file_system = domain["HomeEfsFileSystemId"]
    target = efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"][0]
    groups = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])
    efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    yield file_system
    efs.create_mount_target(
        FileSystemId=file_system, SubnetId=target["SubnetId"], SecurityGroups=groups["SecurityGroups"]
    )


@mutation("network_mode", "deploy_platform")
def domain_failed(p):
    status = {"Status": "Failed", "FailureReason": "no"}
    with p.answering("DescribeDomain", lambda answer: answer.update(status)):
        yield p.outputs["DomainId"]


@mutation("user_profiles", "deploy_platform")
def profile_failed(p):
    status = {"Status": "Failed", "FailureReason": "no"}
    with p.answering("DescribeUserProfile", lambda answer: answer.update(status)):
        yield p.outputs["UserProfileName"]


@mutation("studio_security_group", "UpdateUserProfile")
def profile_with_another_security_group(p):
    def alter(answer):
        answer["UserSettings"]["SecurityGroups"] = [p.outputs["AirflowSecurityGroupId"]]

    with p.answering("DescribeUserProfile", alter):
        yield p.outputs["UserProfileName"]


@mutation("same_subnet", "launch it again")
def live_cluster_in_another_subnet(p):
    ec2, emr = p.client("ec2"), p.client("emr")
    made = ec2.create_subnet(VpcId=p.outputs["VpcId"], CidrBlock="10.42.201.0/24")
    other = made["Subnet"]["SubnetId"]
    groups = [
        {"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": 1} for role in ("MASTER", "CORE")
    ]
    cluster = emr.run_job_flow(
        Name="by hand",
        ReleaseLabel="emr-7.8.0",
        Applications=[{"Name": "Spark"}],
        ServiceRole="EMR_DefaultRole",
        JobFlowRole="EMR_EC2_DefaultRole",
        Instances={"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True, "Ec2SubnetId": other},
        Tags=[{"Key": "sagemaker-emr:environment", "Value": p.environment}],
    )["JobFlowId"]
    yield cluster
    emr.terminate_job_flows(JobFlowIds=[cluster])
    p.until(
        lambda: emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"],
        lambda state: state.startswith("TERMINATED"),
    )
    ec2.delete_subnet(SubnetId=other)
