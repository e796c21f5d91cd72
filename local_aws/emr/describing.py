"""Clusters as EMR's API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moto.utilities.utils import get_partition

from local_aws.emr import releases
from local_aws.emr.cluster import Cluster

EC2_ATTRIBUTES = (
    "Ec2KeyName",
    "Ec2SubnetId",
    "EmrManagedMasterSecurityGroup",
    "EmrManagedSlaveSecurityGroup",
    "ServiceAccessSecurityGroup",
)
AS_ASKED = ("LogUri", "ReleaseLabel", "ServiceRole", "EbsRootVolumeSize", "ScaleDownBehavior")


def summary(cluster: Cluster) -> dict[str, Any]:
    """As ListClusters shows it: https://docs.aws.amazon.com/emr/latest/APIReference/API_ClusterSummary.html."""
    return {
        "Id": cluster.id,
        "Name": cluster.request["Name"],
        "Status": _status(cluster),
        "NormalizedInstanceHours": 0,
        "ClusterArn": cluster.arn,
    }


def cluster(cluster: Cluster) -> dict[str, Any]:
    """As DescribeCluster shows it: https://docs.aws.amazon.com/emr/latest/APIReference/API_Cluster.html."""
    request = cluster.request
    address = master_address(cluster)
    return {
        **summary(cluster),
        **{name: request[name] for name in AS_ASKED if name in request},
        "Ec2InstanceAttributes": _ec2_attributes(cluster),
        "InstanceCollectionType": "INSTANCE_GROUP",
        "AutoTerminate": not request["Instances"].get("KeepJobFlowAliveWhenNoSteps", False),
        "TerminationProtected": cluster.termination_protected,
        "UnhealthyNodeReplacement": False,
        "VisibleToAllUsers": cluster.visible,
        "Applications": _applications(cluster),
        "Tags": [{"Key": key, "Value": value} for key, value in cluster.tags.items()],
        "Configurations": request.get("Configurations", []),
        "StepConcurrencyLevel": 1,
        **({"MasterPublicDnsName": address} if address else {}),
    }


def master_address(cluster: Cluster) -> str | None:
    """Where Livy answers, None before the cluster has instances."""
    return str(cluster.address) if cluster.address and cluster.master_instance_id else None


def bootstrap_actions(cluster: Cluster) -> list[dict[str, Any]]:
    """As ListBootstrapActions shows them."""
    return [
        {
            "Name": action["Name"],
            "ScriptPath": action["ScriptBootstrapAction"]["Path"],
            "Args": action["ScriptBootstrapAction"].get("Args", []),
        }
        for action in cluster.request.get("BootstrapActions", [])
    ]


def block_public_access(account_id: str, region: str) -> dict[str, Any]:
    """The account's default: public rules are blocked but for SSH.

    https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-block-public-access.html
    """
    return {
        "BlockPublicAccessConfiguration": {
            "BlockPublicSecurityGroupRules": True,
            "PermittedPublicSecurityGroupRuleRanges": [{"MinRange": 22, "MaxRange": 22}],
        },
        "BlockPublicAccessConfigurationMetadata": {
            "CreationDateTime": datetime(2021, 1, 1),
            "CreatedByArn": f"arn:{get_partition(region)}:iam::{account_id}:root",
        },
    }


def _status(cluster: Cluster) -> dict[str, Any]:
    times = {
        "CreationDateTime": cluster.created,
        "ReadyDateTime": cluster.ready,
        "EndDateTime": cluster.ended,
    }
    return {
        "State": cluster.state,
        "StateChangeReason": cluster.reason,
        "Timeline": {name: when for name, when in times.items() if when is not None},
    }


def _ec2_attributes(cluster: Cluster) -> dict[str, Any]:
    instances = cluster.request["Instances"]
    zone = instances.get("Placement", {}).get("AvailabilityZone", f"{cluster.region}a")
    subnet = instances.get("Ec2SubnetId")
    return {
        **{name: instances[name] for name in EC2_ATTRIBUTES if name in instances},
        "RequestedEc2SubnetIds": [subnet] if subnet else [],
        "Ec2AvailabilityZone": zone,
        "RequestedEc2AvailabilityZones": [],
        "IamInstanceProfile": cluster.request["JobFlowRole"],
        "AdditionalMasterSecurityGroups": instances.get("AdditionalMasterSecurityGroups", []),
        "AdditionalSlaveSecurityGroups": instances.get("AdditionalSlaveSecurityGroups", []),
    }


def _applications(cluster: Cluster) -> list[dict[str, str]]:
    shown, versions = [], releases.versions()
    for application in cluster.request.get("Applications", []):
        version = versions[application["Name"]]
        shown.append({"Name": application["Name"], **({"Version": version} if version else {})})
    return shown
