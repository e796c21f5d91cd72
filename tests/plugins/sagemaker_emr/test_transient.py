"""What may pass by itself: botocore's own lists, for errors as botocore raises them."""

from __future__ import annotations

import pytest
import requests
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.retries.standard import ThrottledRetryableChecker

from sagemaker_emr.transient import is_throttling, is_transient
from tests.plugins.sagemaker_emr.conftest import aws_error


@pytest.mark.parametrize("code", ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
def test_what_botocore_takes_for_throttling_is_throttling(code):
    assert is_transient(aws_error(code))
    assert is_throttling(aws_error(code).response)


@pytest.mark.parametrize(
    "error",
    [
        aws_error("InternalFailure", status=500),
        aws_error("InternalServerException", status=500),
        aws_error("ServiceUnavailable", status=503),
        aws_error("500", status=500),
        aws_error("RequestTimeout"),
        aws_error("429", status=429),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        ConnectionClosedError(endpoint_url="http://nowhere"),
        ReadTimeoutError(endpoint_url="http://nowhere"),
        ConnectionResetError("peer"),
        requests.ConnectionError("refused"),
        requests.Timeout("slow"),
    ],
    ids=str,
)
def test_a_servers_fault_and_a_lost_connection_may_pass(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ValidationException"),
        aws_error("AccessDenied", status=403),
        aws_error("NotImplemented", status=501),
        NoCredentialsError(),
        ValueError("no"),
    ],
    ids=str,
)
def test_what_the_same_call_meets_again_does_not(error):
    assert not is_transient(error)
