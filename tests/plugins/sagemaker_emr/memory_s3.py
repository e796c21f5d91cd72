"""S3 in memory behind scripted AWS answers: objects with ETags, conditional puts, listing."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from tests.plugins.sagemaker_emr.conftest import ScriptedAws, aws_error


class MemoryS3:
    """Plays GetObject, HeadObject, PutObject and ListObjectsV2 over a dictionary of ``s3://`` addresses."""

    def __init__(self, aws: ScriptedAws) -> None:
        self.objects: dict[str, bytes] = {}
        aws.on("GetObject", self._get).on("HeadObject", self._head)
        aws.on("PutObject", self._put).on("ListObjectsV2", self._list)

    def put(self, uri: str, body: bytes | str) -> str:
        """Put an object; its ETag, without quotes."""
        self.objects[uri] = body.encode() if isinstance(body, str) else body
        return self._etag(uri).strip('"')

    def get(self, uri: str) -> bytes:
        return self.objects[uri]

    def _etag(self, uri: str) -> str:
        return f'"{hashlib.md5(self.objects[uri], usedforsecurity=False).hexdigest()}"'

    def _find(self, request: dict[str, Any], code: str) -> tuple[str, bytes]:
        uri = f"s3://{request['Bucket']}/{request['Key']}"
        if uri not in self.objects:
            raise aws_error(code, status=404)
        return uri, self.objects[uri]

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        uri, body = self._find(request, "NoSuchKey")
        return {"Body": io.BytesIO(body), "ETag": self._etag(uri), "ContentLength": len(body)}

    def _head(self, request: dict[str, Any]) -> dict[str, Any]:
        uri, body = self._find(request, "404")
        return {"ETag": self._etag(uri), "ContentLength": len(body)}

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        uri = f"s3://{request['Bucket']}/{request['Key']}"
        if request.get("IfNoneMatch") == "*" and uri in self.objects:
            raise aws_error("PreconditionFailed", status=412)
        if "IfMatch" in request and (uri not in self.objects or self._etag(uri) != request["IfMatch"]):
            raise aws_error("PreconditionFailed", status=412)
        self.objects[uri] = request["Body"]
        return {"ETag": self._etag(uri)}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        bucket = f"s3://{request['Bucket']}/"
        keys = sorted(uri.removeprefix(bucket) for uri in self.objects if uri.startswith(bucket))
        return {"Contents": [{"Key": key} for key in keys if key.startswith(request["Prefix"])]}
