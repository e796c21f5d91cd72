"""Uploads that were begun: listed with their age and by the page, and gone once aborted or completed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws]

CLOCKS_DIFFER = timedelta(minutes=15)
"""More, and AWS refuses the request itself."""


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    return client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Callable[[str], str]) -> str:
    name = unique("uploads")
    s3.create_bucket(Bucket=name)
    return name


def begin(s3: Any, bucket: str, key: str) -> str:
    upload: str = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    return upload


def listed(s3: Any, bucket: str, **how: Any) -> list[tuple[str, str]]:
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, **how)
    return [(one["Key"], one["UploadId"]) for page in pages for one in page.get("Uploads", [])]


def test_an_upload_tells_when_it_began(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, "features/part-0")
    [found] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (found["Key"], found["UploadId"]) == ("features/part-0", upload)
    assert abs(datetime.now(UTC) - found["Initiated"]) < CLOCKS_DIFFER


def test_what_was_aborted_or_completed_is_listed_no_more(s3: Any, bucket: str) -> None:
    aborted, done = begin(s3, bucket, "a"), begin(s3, bucket, "b")
    s3.abort_multipart_upload(Bucket=bucket, Key="a", UploadId=aborted)
    part = {"Bucket": bucket, "Key": "b", "UploadId": done}
    etag = s3.upload_part(**part, PartNumber=1, Body=b"x")["ETag"]
    assert listed(s3, bucket) == [("b", done)]
    s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]})
    assert listed(s3, bucket) == []
    with pytest.raises(ClientError) as raised:
        s3.abort_multipart_upload(Bucket=bucket, Key="a", UploadId="none")
    assert raised.value.response["Error"]["Code"] == "NoSuchUpload"


def test_uploads_are_listed_by_the_page_each_once(s3: Any, bucket: str) -> None:
    begun = sorted((key, begin(s3, bucket, key)) for key in ("a", "a", "a", "b/1", "b/2"))
    page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2)
    assert (page["IsTruncated"], len(page["Uploads"]), page["NextKeyMarker"]) == (True, 2, "a")
    assert sorted(listed(s3, bucket, PaginationConfig={"PageSize": 2})) == begun
    assert sorted(listed(s3, bucket, Prefix="b/")) == begun[3:]
