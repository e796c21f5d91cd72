"""GetCallerIdentity: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""

from __future__ import annotations

import boto3
import pytest

pytestmark = pytest.mark.local_aws


@pytest.mark.parametrize(("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn")])
def test_the_local_access_key_belongs_to_a_user_that_iam_knows(client, endpoint_url, region, partition):
    client("iam")
    sts = boto3.client(
        "sts",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id="AKIALOCALSTACK000001",
        aws_secret_access_key="local",
    )
    arn = sts.get_caller_identity()["Arn"]
    assert arn == f"arn:{partition}:iam::123456789012:user/local"
    assert client("iam", region).get_user(UserName="local")["User"]["Arn"] == arn
