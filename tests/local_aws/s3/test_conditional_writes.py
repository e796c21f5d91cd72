"""Writes that happen only if nothing, or exactly what was read, is there.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance(usd=0.01)]


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    return client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Callable[[str], str]) -> str:
    name = unique("writes")
    region = s3.meta.region_name
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
    return name


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_write_for_nothing_there_is_done_once(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="manifest", Body=b"first", IfNoneMatch="*")
    again = {"Bucket": bucket, "Key": "manifest", "Body": b"second", "IfNoneMatch": "*"}
    assert refusal(s3.put_object, **again) == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="manifest")["Body"].read() == b"first"


def test_a_write_over_what_was_read_is_done_once(s3: Any, bucket: str) -> None:
    read = s3.put_object(Bucket=bucket, Key="manifest", Body=b"first")["ETag"]
    s3.put_object(Bucket=bucket, Key="manifest", Body=b"second", IfMatch=read)
    again = {"Bucket": bucket, "Key": "manifest", "Body": b"third", "IfMatch": read}
    assert refusal(s3.put_object, **again) == ("PreconditionFailed", 412)


def test_a_write_over_what_is_gone_is_not_found(s3: Any, bucket: str) -> None:
    missing = {"Bucket": bucket, "Key": "manifest", "Body": b"first", "IfMatch": '"0"'}
    assert refusal(s3.put_object, **missing) == ("NoSuchKey", 404)


def test_a_bucket_with_something_in_it_is_not_deleted(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="manifest", Body=b"")
    assert refusal(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="manifest")
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.head_bucket, Bucket=bucket)[1] == 404
