"""A cluster's logs in S3, where EMR archives them.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html#emr-manage-view-web-log-files-s3
"""

from __future__ import annotations

import gzip
from pathlib import Path

from local_aws import internal

LIVY_KEY = "applications/livy/livy-livy-server.out.gz"


def upload(log_uri: str, cluster_id: str, instance_id: str, node: Path, region: str) -> None:
    """Copy the node's logs to ``<LogUri>/<cluster>/node/<instance>/``.

    :raises botocore.exceptions.ClientError: no such bucket, for example.
    """
    bucket, _, prefix = log_uri.split("://", 1)[1].partition("/")
    folder = f"{prefix.rstrip('/')}/{cluster_id}/node/{instance_id}".lstrip("/")
    s3 = internal.client("s3", region)
    for path, key in _logs(node):
        s3.put_object(Bucket=bucket, Key=f"{folder}/{key}", Body=gzip.compress(path.read_bytes()))


def _logs(node: Path) -> list[tuple[Path, str]]:
    found = [
        (path, f"bootstrap-actions/{path.parent.name}/stdout.gz")
        for path in node.glob("bootstrap-actions/*/output.log")
    ]
    named = {"livy.log": LIVY_KEY, "provisioning.log": "provision-node/reports/provisioning.log.gz"}
    return [*found, *((node / name, key) for name, key in named.items() if (node / name).exists())]
