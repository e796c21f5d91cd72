"""Where a presigned domain URL leads: a page that says who came in, in the place of Studio's interface.

The URL can be used until it expires. AWS then shows the console's sign-in page; here it is a plain 403.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html
"""

from __future__ import annotations

from html import escape
from typing import Any

from moto.sagemaker.models import sagemaker_backends

PREFIX = "/_local/studio/"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""


def page(path: str, token: str) -> tuple[int, str]:
    """Status and HTML for ``/_local/studio/<domain>/auth``."""
    domain_id = path.removeprefix(PREFIX).removesuffix("/auth")
    profile = _entering(token)
    if profile is None or profile.domain.id != domain_id:
        return 403, PAGE.format(
            title="SageMaker Studio",
            text="This address has expired or was never issued. Ask for a new one from Airflow.",
        )
    return 200, PAGE.format(
        title="SageMaker Studio",
        text=f"Domain {escape(domain_id)}, user profile {escape(profile.name)}. "
        "This is the embedded AWS: Studio's own user interface is not here.",
    )


def _entering(token: str) -> Any:
    for account in list(sagemaker_backends.values()):
        for backend in list(account.values()):
            if profile := backend.enter(token):
                return profile
    return None
