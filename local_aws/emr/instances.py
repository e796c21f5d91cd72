"""Instance groups and their instances.

https://docs.aws.amazon.com/emr/latest/APIReference/API_InstanceGroup.html
https://docs.aws.amazon.com/emr/latest/APIReference/API_Instance.html
"""

from __future__ import annotations

import random
import string
from typing import Any

from moto.core.utils import utcnow

from local_aws.emr import capacity

NAMES = {"MASTER": "Master", "CORE": "Core", "TASK": "Task"}


def _id(prefix: str) -> str:
    return prefix + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))


class InstanceGroup:
    """One instance group of a cluster; its instances are real in the emulated EC2.

    :param asked: RunJobFlow's InstanceGroupConfig.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self.id = _id("ig-")
        self.asked = asked
        self.role: str = asked["InstanceRole"]
        self.state = "PROVISIONING"
        self.instances: list[dict[str, str]] = []
        self._created = utcnow()
        self._ready: Any = None
        self._ended: Any = None

    def run(self, region: str, cluster_id: str, instances: dict[str, Any], tags: dict[str, str]) -> None:
        """Start the EC2 instances, with the cluster's tags and EMR's own.

        :raises local_aws.emr.exceptions.StartFailed: EC2 refuses.
        """
        own = {
            "aws:elasticmapreduce:job-flow-id": cluster_id,
            "aws:elasticmapreduce:instance-group-role": self.role,
        }
        for started in capacity.run(region, instances, self.asked, {**tags, **own}):
            self.instances.append(
                {
                    "Id": _id("ci-"),
                    "Ec2InstanceId": started["InstanceId"],
                    "PrivateDnsName": started["PrivateDnsName"],
                    "PrivateIpAddress": started["PrivateIpAddress"],
                }
            )

    def to(self, state: str) -> None:
        """Enter a state; an ended group stays ended."""
        if self.state == "TERMINATED":
            return
        self.state = state
        if state == "RUNNING":
            self._ready = utcnow()
        if state == "TERMINATED":
            self._ended = utcnow()

    def describe(self) -> dict[str, Any]:
        """As ListInstanceGroups shows it."""
        running = len(self.instances) if self.state == "RUNNING" else 0
        shown = {
            "Id": self.id,
            "Name": self.asked.get("Name", NAMES[self.role]),
            "Market": self.asked.get("Market", "ON_DEMAND"),
            "InstanceGroupType": self.role,
            "InstanceType": self.asked["InstanceType"],
            "RequestedInstanceCount": self.asked["InstanceCount"],
            "RunningInstanceCount": running,
            "Status": self._status(self.state),
            "Configurations": [],
            "EbsBlockDevices": [],
            "ShrinkPolicy": {},
        }
        return shown | ({"BidPrice": self.asked["BidPrice"]} if "BidPrice" in self.asked else {})

    def describe_instances(self, master_address: str | None) -> list[dict[str, Any]]:
        """As ListInstances shows them; the master is where Livy answers.

        :param master_address: the cluster's loopback address, once it has one.
        """
        return [
            {
                **instance,
                **self._where(master_address),
                "Status": self._status(self.state),
                "InstanceGroupId": self.id,
                "Market": self.asked.get("Market", "ON_DEMAND"),
                "InstanceType": self.asked["InstanceType"],
                "EbsVolumes": [],
            }
            for instance in self.instances
        ]

    def _where(self, master_address: str | None) -> dict[str, str]:
        if self.role != "MASTER" or master_address is None:
            return {}
        return {"PrivateDnsName": master_address, "PrivateIpAddress": master_address}

    def _status(self, state: str) -> dict[str, Any]:
        times = {"CreationDateTime": self._created, "ReadyDateTime": self._ready, "EndDateTime": self._ended}
        return {
            "State": state,
            "StateChangeReason": {},
            "Timeline": {name: when for name, when in times.items() if when is not None},
        }
