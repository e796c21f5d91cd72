"""S3 as SageMaker reads and writes it: from inside, so not counted among the API's requests.

What a training job does, it does with its execution role, whose policies are evaluated at each access: a role
that is revoked while the job runs counts. What the container does by itself is not restrained.
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from local_aws import persistence
from local_aws.sagemaker.roles import may


class Denied(Exception):
    """The execution role's policies don't allow an access; the text says which, as S3 does."""


class Objects:
    """The objects an account keeps in the partition of a Region.

    :param role_arn: the execution role that is used; None for what SageMaker checks of its own accord.
    """

    def __init__(self, account_id: str, region: str, role_arn: str | None = None) -> None:
        self._account_id, self._region, self._role_arn = account_id, region, role_arn
        self._partition = get_partition(region)
        self._backend: Any = s3_backends[account_id][self._partition]

    def _check(self, action: str, resource: str) -> None:
        arn = f"arn:{self._partition}:s3:::{resource}"
        if self._role_arn and not may(self._role_arn, self._account_id, self._region, action, arn):
            raise Denied(
                f"AccessDenied (403): role {self._role_arn} is not authorized to perform: {action} on "
                f"resource: {arn}"
            )

    def read(self, uri: str) -> bytes | None:
        """An object's bytes, or None if there is none or no such bucket.

        :raises Denied: the role may not read it.
        """
        bucket, key = split_uri(uri)
        self._check("s3:GetObject", f"{bucket}/{key}")
        try:
            found = self._backend.get_object(bucket, key)
        except MissingBucket:
            return None
        return bytes(found.value) if found is not None else None

    def exists(self, uri: str) -> bool:
        """Whether there is an object of this name."""
        bucket, key = split_uri(uri)
        try:
            return self._backend.get_object(bucket, key) is not None
        except MissingBucket:
            return False

    def under(self, uri: str) -> list[str]:
        """The URIs of all objects whose key starts with a prefix; folder markers are left out.

        :raises Denied: the role may not list the bucket.
        """
        bucket, prefix = split_uri(uri)
        self._check("s3:ListBucket", bucket)
        try:
            keys = list(self._backend.get_bucket(bucket).keys)
        except MissingBucket:
            return []
        matching = [key for key in keys if key.startswith(prefix) and not key.endswith("/")]
        return [f"s3://{bucket}/{key}" for key in sorted(matching) if self.exists(f"s3://{bucket}/{key}")]

    def write(self, uri: str, content: bytes) -> None:
        """Put an object.

        :raises MissingBucket: there is no such bucket.
        :raises Denied: the role may not write there.
        """
        bucket, key = split_uri(uri)
        self._check("s3:PutObject", f"{bucket}/{key}")
        with persistence.change():
            self._backend.put_object(bucket, key, content)


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, parts.path.removeprefix("/")


def pack(folder: Path, archive: Path) -> None:
    """A gzipped tar of what a folder holds, as SageMaker makes model.tar.gz."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for entry in sorted(folder.iterdir()):
            tar.add(entry, arcname=entry.name)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a gzipped tar; members that would land outside of the folder are refused.

    :raises tarfile.TarError: not a gzipped tar, or an unsafe member.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "r:gz") as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:  # Debian 12's Python 3.11.2 is older than https://peps.python.org/pep-0706/
            tar.extractall(folder, [_checked(member, folder) for member in tar])  # noqa: S202


def _checked(member: tarfile.TarInfo, folder: Path) -> tarfile.TarInfo:
    """A file or folder inside of a folder; anything else is refused.

    :raises tarfile.TarError: it is something else.
    """
    inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
    if not inside or not (member.isreg() or member.isdir()):
        raise tarfile.ExtractError(f"{member.name!r} is not a file or folder inside of the archive's")
    member.mode &= 0o755
    return member
