"""S3's API where moto's lacks something: multipart uploads that were begun and neither completed nor aborted.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

from __future__ import annotations

from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.s3.responses import S3Response as MotoS3Response

from local_aws.errors import NotImplementedByLocalAws

MOST_UPLOADS = 1000


class S3Response(MotoS3Response):
    """moto's operations, ListMultipartUploads with the time of each upload's beginning, and by the page."""

    def list_multipart_uploads(self) -> TYPE_RESPONSE:
        """In the order of keys, and of one key in the order of upload ids.

        AWS orders a key's uploads by their time; what the id stands for in ``upload-id-marker`` is opaque.
        """
        if "delimiter" in self.querystring:
            raise NotImplementedByLocalAws("The embedded AWS does not play ListMultipartUploads' Delimiter.")
        prefix, most = self._given("prefix", ""), int(self._given("max-uploads", str(MOST_UPLOADS)))
        marker = self._given("key-marker", ""), self._given("upload-id-marker", "")
        found = self.backend.list_multipart_uploads(self.bucket_name).values()
        left = sorted(
            (one for one in found if one.key_name.startswith(prefix) and _is_after(one, *marker)),
            key=lambda one: (one.key_name, one.id),
        )
        page, more = left[:most], len(left) > most
        result = {
            "Bucket": self.bucket_name,
            "KeyMarker": marker[0],
            "UploadIdMarker": marker[1],
            "Prefix": prefix,
            "MaxUploads": most,
            "IsTruncated": more,
            "Uploads": [_describe(one) for one in page],
            **({"NextKeyMarker": page[-1].key_name, "NextUploadIdMarker": page[-1].id} if more else {}),
        }
        self.data["Action"] = "ListMultipartUploads"
        answer: TYPE_RESPONSE = self.serialized(ActionResult(result))
        return answer

    def _given(self, name: str, default: str) -> str:
        value: str = self.querystring.get(name, [default])[0]
        return value


def _is_after(upload: Any, key_marker: str, id_marker: str) -> bool:
    """Without an id marker only the uploads of later keys."""
    if id_marker:
        return bool((upload.key_name, upload.id) > (key_marker, id_marker))
    return bool(upload.key_name > key_marker)


def _describe(upload: Any) -> dict[str, Any]:
    """A ``MultipartUpload`` structure."""
    return {
        "Key": upload.key_name,
        "UploadId": upload.id,
        "Initiated": upload.initiated,
        "StorageClass": upload.storage or "STANDARD",
        "ChecksumAlgorithm": upload.metadata.get("x-amz-checksum-algorithm"),
        "ChecksumType": upload.metadata.get("x-amz-checksum-type"),
    }
