"""S3 as the product uses it: files under keys made from their content, and small JSON documents that
several may write at once, fenced by conditional puts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import staging
from sagemaker_emr.exceptions import STAGE_AGAIN, InvalidInput, SageMakerEmrError, StagedFileGone
from sagemaker_emr.hooks.base import ServiceHook

_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_CONDITION_FAILED = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``.

    :raises InvalidInput: it is no such address.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        raise InvalidInput(f"{uri!r} is no S3 address", reason="expected s3://bucket/key")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/")


def answered_at(response: Mapping[str, Any]) -> datetime:
    """When AWS answered, by its own clock; by ours where the answer does not say."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


class ArtifactsHook(ServiceHook):
    """Reads and writes what the product keeps in S3."""

    service = "s3"

    def put_by_content(self, bucket: str, prefix: str, path: Path) -> str:
        """Stage a file, or a folder as a ``tar.gz``; its ``s3://`` address."""
        if path.is_dir():
            return self.put_data_by_content(
                bucket, prefix, staging.pack_directory(path), staging.ARCHIVE_NAME
            )
        return self.put_data_by_content(bucket, prefix, path.read_bytes(), path.name)

    def put_data_by_content(self, bucket: str, prefix: str, data: bytes, name: str) -> str:
        """Upload data to the key made from it, unless it is there; its ``s3://`` address."""
        key = staging.content_key(prefix, data, name)
        uri = f"s3://{bucket}/{key}"
        if self.etag(uri) is None:
            self.conn.put_object(Bucket=bucket, Key=key, Body=data)
            self.log.info("Staged %s (%d bytes)", uri, len(data))
        return uri

    def etag(self, uri: str) -> str | None:
        """An object's ETag (HeadObject), or None where there is none."""
        bucket, key = split_uri(uri)
        try:
            etag: str = self.conn.head_object(Bucket=bucket, Key=key)["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND:
                return None
            raise
        return etag

    def check_staged(self, uris: Iterable[str], cause: SageMakerEmrError) -> None:
        """Look whether work failed since its code is gone; what can't be looked at is taken for there.

        :param cause: how the work failed.
        :raises StagedFileGone: naming what is gone, and how to bring it back.
        """
        try:
            gone = [uri for uri in uris if self.etag(uri) is None]
        except (BotoCoreError, ClientError) as error:
            self.log.warning("Whether its code is still in S3 can't be told: %s", error)
            return
        if gone:
            raise StagedFileGone(
                f"{', '.join(gone)} was staged, and is gone from S3: {cause.what}",
                reason=cause.reason,
                next_step=STAGE_AGAIN,
            )

    def get_json(self, uri: str) -> tuple[Any, str] | None:
        """A document and its ETag, or None where there is none."""
        found = self.get_json_or_time(uri)
        return None if isinstance(found, datetime) else found

    def get_json_or_time(self, uri: str) -> tuple[Any, str] | datetime:
        """A document and its ETag, or, where there is none, what S3's clock said then."""
        bucket, key = split_uri(uri)
        try:
            response = self.conn.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND:
                return answered_at(error.response)
            raise
        return json.loads(response["Body"].read()), response["ETag"]

    def put_json_if_absent(self, uri: str, value: Any) -> str | None:
        """Write a document that must not exist yet; its ETag, or None where another writer was first."""
        return self._put_json(uri, value, IfNoneMatch="*")

    def put_json_if_match(self, uri: str, value: Any, etag: str) -> str | None:
        """Replace the document read with this ETag; the new ETag, or None where it has changed since."""
        return self._put_json(uri, value, IfMatch=etag)

    def _put_json(self, uri: str, value: Any, **condition: str) -> str | None:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

        412 means the condition does not hold, 409 that another write to the key was under way; both leave
        it to the caller to read again. So does a deleted object under If-Match (404).
        """
        bucket, key = split_uri(uri)
        body = json.dumps(value, sort_keys=True).encode()
        try:
            response = self.conn.put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CONDITION_FAILED | _NOT_FOUND:
                return None
            raise
        etag: str = response["ETag"]
        return etag

    def keys(self, bucket: str, prefix: str, start_after: str = "") -> Iterator[str]:
        """The keys below a prefix in order (ListObjectsV2), a page at a time as they are read."""
        for entry in self.objects(bucket, prefix, start_after):
            yield entry["Key"]

    def objects(self, bucket: str, prefix: str, start_after: str = "") -> Iterator[Mapping[str, Any]]:
        """As :meth:`keys`, with each object's ``ETag`` (in quotes) and ``Size`` in bytes."""
        pages = self.conn.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, StartAfter=start_after
        )
        for page in pages:
            yield from page.get("Contents", [])
