"""The account that the tests are run against: who agreed to it, and clients that keep to the agreement.

Every client of a run sends only what ``prices`` has a row for, adds the run's tag to what it makes, insists
on the run's prefix in its name, and stops a test that would cost more than it said.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.conformance import prices

TAG = "sagemaker-emr-conformance"
"""Key of the tag on all that a run makes; its value is the run."""
RUN_VARIABLE = "CONFORMANCE_RUN"
PREFIX = "conformance-"
DEFAULT_MAX_MINUTES = 60


class Refused(Exception):
    """The run may not be, or may not go on; the message says why and what to do."""


@dataclass(frozen=True)
class Consent:
    """What whoever pays has agreed to."""

    account: str
    region: str
    max_usd: float
    max_minutes: float

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Consent:
        """Read it.

        :raises Refused: something is missing or malformed; all of it is named.
        """
        wanted = {
            "CONFORMANCE_ACCOUNT": ("the account's 12 digits", r"\d{12}"),
            "CONFORMANCE_REGION": ("a Region, such as us-east-1", r"[a-z]{2}(-[a-z]+)+-\d"),
            "CONFORMANCE_MAX_USD": ("the most it may cost, such as 5", r"\d+(\.\d+)?"),
            "CONFORMANCE_MAX_MINUTES": ("the longest it may take", r"[1-9]\d*(\.\d+)?|0?\.\d+"),
        }
        given = {"CONFORMANCE_MAX_MINUTES": str(DEFAULT_MAX_MINUTES), **environ}
        wrong = [
            f"  {name}: {what}"
            for name, (what, pattern) in wanted.items()
            if not re.fullmatch(pattern, given.get(name, ""))
        ]
        if wrong:
            raise Refused(
                "\n".join(["make conformance calls a real AWS account, which costs money; set", *wrong])
            )
        account, region, max_usd, max_minutes = (given[name] for name in wanted)
        return cls(account, region, float(max_usd), float(max_minutes))


@dataclass
class Meter:
    """What was called for the test that runs, and what that cost at most."""

    test: str = ""
    limit_usd: float = math.inf
    usd: float = 0.0
    calls: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def count(self, service: str, operation: str) -> None:
        """Note a call before it is sent.

        :raises Refused: the test would cost more than it declared.
        """
        cost = prices.usd(service)
        if self.usd + cost > self.limit_usd:
            raise Refused(
                f"{self.test} would cost more than the {self.limit_usd} USD it declares: "
                f"{len(self.calls)} calls; make it call less, or declare more"
            )
        self.usd += cost
        self.calls.append((service, operation))


class Account:
    """One run in one account.

    :param run: six hexadecimal digits that are in every name and tag; empty for what all runs left behind.
    """

    def __init__(self, consent: Consent, run: str) -> None:
        self.consent = consent
        self.run = run
        self.prefix = f"{PREFIX}{run}-" if run else PREFIX
        self.meter = Meter()
        self._plain: dict[str, Any] = {}

    @classmethod
    def opened(cls, environ: Mapping[str, str], run: str) -> Account:
        """The account that was agreed to.

        :raises Refused: no consent, no credentials, or credentials of another account or of its root user.
        """
        account = cls(Consent.of(environ), run)
        try:
            identity = account.plain_client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise Refused(
                f"Whose account it is can't be told: {error}; configure boto3's credentials"
            ) from error
        if identity["Account"] != account.consent.account:
            raise Refused(
                f"These credentials are of account {identity['Account']}, the consent is for "
                f"{account.consent.account}; choose the profile, or correct CONFORMANCE_ACCOUNT"
            )
        if identity["Arn"].endswith(":root"):
            raise Refused("These are the credentials of the root user; use a role or a user")
        return account

    def plain_client(self, service: str) -> Any:
        """A client that nothing is counted or refused on: for identity and for cleaning up."""
        if service not in self._plain:
            self._plain[service] = self._new_client(service)
        return self._plain[service]

    def _new_client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=self.consent.region,
            config=Config(retries={"mode": "standard", "max_attempts": 5}),
        )

    def client(self, service: str) -> Any:
        """A client for tests, within what was agreed to."""
        made = self._new_client(service)
        made.meta.events.register("provide-client-params.*.*", self._keep_within)
        return made

    def _keep_within(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        service, operation = model.service_model.service_name, model.name
        try:
            given = self._permitted(service, operation, params)
            self.meter.count(service, operation)
        except Refused:
            self.meter.refused.append((service, operation))
            raise
        return given

    def _permitted(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        write = prices.WRITES.get(service, {}).get(operation)
        if write is None:
            if prices.READS.fullmatch(operation):
                return params
            raise Refused(
                f"{service} {operation} changes something and is not in tests/conformance/prices.py: not sent"
            )
        named = params.get(write.name, "") if write.name else self.prefix
        if self.prefix not in str(named):
            raise Refused(f"{service} {operation}: {write.name} {named!r} lacks {self.prefix}: not sent")
        if not write.tags:
            return params
        return {**params, write.tags: [*params.get(write.tags, []), *self._tags(write)]}

    def _tags(self, write: prices.Write) -> list[dict[str, Any]]:
        tag = {"Key": TAG, "Value": self.run}
        if write.resource_type:
            return [{"ResourceType": write.resource_type, "Tags": [tag]}]
        return [tag]


def poll_seconds(local: float) -> float:
    """How long to wait between two looks: AWS throttles what the embedded AWS answers at once."""
    if RUN_VARIABLE not in os.environ:
        return local
    return float(os.environ.get("CONFORMANCE_POLL_SECONDS", "5"))


def limit_seconds(local: float) -> float:
    """How long something may take; the embedded AWS's clock is faster."""
    return local if RUN_VARIABLE not in os.environ else 15 * 60
