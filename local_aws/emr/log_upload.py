"""A cluster's logs in S3, where EMR archives them.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html#emr-manage-view-web-log-files-s3
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from local_aws import internal

LIVY_KEY = "applications/livy/livy-livy-server.out.gz"


def upload(log_uri: str, cluster_id: str, instance_id: str, node: Path, region: str) -> None:
    """Copy the node's logs to ``<LogUri>/<cluster>/node/<instance>/``.

    :raises botocore.exceptions.ClientError: no such bucket, for example.
    """
    upload_files(_logs(node), f"{cluster_folder(log_uri, cluster_id)}/node/{instance_id}", region)


def cluster_folder(log_uri: str, cluster_id: str) -> str:
    """The URI of the folder with a cluster's logs."""
    bucket, _, prefix = log_uri.split("://", 1)[1].partition("/")
    return "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), cluster_id) if part)


def upload_files(files: Iterable[tuple[Path, str]], folder: str, region: str) -> None:
    """Copy files, compressed, to their names below a folder of S3.

    :raises botocore.exceptions.ClientError: no such bucket, for example.
    """
    bucket, _, prefix = folder.split("://", 1)[1].partition("/")
    s3 = internal.client("s3", region)
    for path, name in files:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=gzip.compress(path.read_bytes()))


def _logs(node: Path) -> list[tuple[Path, str]]:
    found = [
        (path, f"bootstrap-actions/{path.parent.name}/stdout.gz")
        for path in node.glob("bootstrap-actions/*/output.log")
    ]
    named = {"livy.log": LIVY_KEY, "provisioning.log": "provision-node/reports/provisioning.log.gz"}
    return [*found, *((node / name, key) for name, key in named.items() if (node / name).exists())]
