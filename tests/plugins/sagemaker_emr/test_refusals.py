"""AWS's refusals as botocore reads them from the wire, with what to do about them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import SageMakerHook
from sagemaker_emr.triggers.sagemaker_training import SageMakerTrainingJobEndedTrigger

SKEWED = "The difference between the request time and the current time is too large."
EXPIRED = (
    "Signature expired: 20130214T120000Z is now earlier than 20130214T120500Z (20130214T121000Z - 5 min.)"
)
WRONG_KEY = "The request signature we calculated does not match the signature you provided."
CLOCK, SECRET = "The clock of this worker or triggerer is off", "The secret key of the Airflow connection"


class Refusing(HTTPServer):
    """Answers every request with one error, in JSON or, to S3, in XML."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.code = self.text = ""


class Refusal(BaseHTTPRequestHandler):
    server: Refusing

    def do_GET(self) -> None:
        self.answer(f"<Error><Code>{self.server.code}</Code><Message>{self.server.text}</Message></Error>")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(json.dumps({"__type": self.server.code, "message": self.server.text}))

    def answer(self, text: str) -> None:
        self.send_response(403)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def aws(monkeypatch):
    with Refusing() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        ("InvalidSignatureException", EXPIRED, CLOCK),
        ("SignatureDoesNotMatch", WRONG_KEY, SECRET),
        ("ExpiredTokenException", "The security token included in the request is expired", "Renew the cred"),
        ("AccessDeniedException", "User: x is not authorized to perform: y", "Give the role of the Airflow"),
    ],
)
def test_a_refusal_says_what_to_do(aws, code, text, told):
    aws.code, aws.text = code, text
    with pytest.raises(ClientError) as raised:
        SageMakerHook(aws_conn_id=None).find_training_job("job")
    assert raised.value.response["Error"]["Code"] == code
    assert text in str(raised.value)
    assert f"Next step: {told}" in str(raised.value)


def test_a_clock_that_is_off_is_named_by_s3_too(aws):
    aws.code, aws.text = "RequestTimeTooSkewed", SKEWED
    with pytest.raises(ClientError, match=rf"RequestTimeTooSkewed(.|\n)*{CLOCK}"):
        ArtifactsHook(aws_conn_id=None).get_json("s3://artifacts/claims/x.json")


def test_a_wait_on_a_machine_whose_clock_is_off_ends_and_says_so(aws):
    aws.code, aws.text = "InvalidSignatureException", EXPIRED
    trigger = SageMakerTrainingJobEndedTrigger(job_name="job", deadline_at=2e9, aws_conn_id=None)
    with pytest.raises(SageMakerEmrError) as raised:
        trigger.wait()
    assert raised.value.what == "AWS refused a call while waiting for training job job to end"
    assert CLOCK in str(raised.value)


def test_an_error_that_has_another_cause_is_told_as_aws_tells_it(aws):
    aws.code, aws.text = "ValidationException", "1 validation error detected"
    with pytest.raises(ClientError) as raised:
        SageMakerHook(aws_conn_id=None).find_training_job("job")
    assert "Next step" not in str(raised.value)
