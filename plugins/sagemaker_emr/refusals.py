"""What to do about AWS's refusals that no resource is the cause of: permissions, credentials, clocks.

Added to the message of botocore's own error, so it is told wherever that error ends up.
"""

from __future__ import annotations

from typing import Any

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationErrorException",
        "NotAuthorizedException",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
SIGNATURE_TIMES = ("signature expired", "signature not yet current")
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""


def next_step(code: str, message: str, operation: str = "") -> str | None:
    """What the reader can do about an error of AWS; None where that depends on the resource.

    :param operation: that AWS refused.
    """
    if code in DENIED and operation.startswith("AssumeRole"):
        return (
            "The role of the Airflow connection is gone, or does not trust whoever runs Airflow any more. "
            "Make it anew (include/cfn/airflow_roles.yaml), or correct the connection, then clear this task."
        )
    if code in DENIED:
        return (
            "Give the role of the Airflow connection back what it lacks (include/cfn/airflow_roles.yaml has "
            "what these DAGs need), then clear this task."
        )
    if code in CREDENTIALS:
        return "Renew the credentials of the Airflow connection, then clear this task."
    of_time = any(words in message.lower() for words in SIGNATURE_TIMES)
    if code in CLOCK or (code in SIGNATURE and of_time):
        return (
            "The clock of this worker or triggerer is off: AWS takes requests that are at most 5 minutes old "
            "(S3: 15). Synchronise it (chrony, NTP), then clear this task."
        )
    if code in SIGNATURE:
        return "The secret key of the Airflow connection is not that of its access key: correct it."
    return None


def tell_next_step(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Handles botocore's event ``after-call``: an error's message says what to do as well."""
    error = parsed.get("Error") if isinstance(parsed, dict) else None
    if error and (told := next_step(str(error.get("Code")), str(error.get("Message", "")), model.name)):
        error["Message"] = f"{error.get('Message', '')}\nNext step: {told}"
