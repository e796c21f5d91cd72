"""EC2's resource types, for CloudFormation."""

from __future__ import annotations

from local_aws.ec2 import endpoints, network, security_groups

__all__ = ["endpoints", "network", "security_groups"]
