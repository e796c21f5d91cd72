"""Templates in S3: by the bucket's address on AWS, or on this server.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (TemplateURL)
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from local_aws.cloudformation.exceptions import ValidationError
from local_aws.internal import client
from local_aws.settings import ENDPOINT_VARIABLE

VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?")
PATH_HOST = re.compile(r"s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")


def read(url: str, region: str) -> str:
    """The template at a URL.

    :raises ValidationError: not an S3 address, or nothing readable there.
    """
    bucket, key = _bucket_and_key(url)
    try:
        body: bytes = client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        raise ValidationError(
            f"S3 error: {error.response['Error']['Message']}\nFor more information check "
            "http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
        ) from None
    return body.decode()


def _bucket_and_key(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path.lstrip("/"))
    virtual = VIRTUAL_HOST.fullmatch(host)
    if virtual and path:
        return virtual["bucket"], path
    if (PATH_HOST.fullmatch(host) or _is_here(host)) and "/" in path:
        bucket, key = path.split("/", 1)
        return bucket, key
    raise ValidationError("TemplateURL must be a supported URL.")


def _is_here(host: str) -> bool:
    """Whether a host name means this server."""
    if host in ("localhost", urlsplit(os.environ.get(ENDPOINT_VARIABLE, "")).hostname):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
