"""What may be asked for, checked as far as botocore's models know it: a rule that can't match is refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal

import botocore.session
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

PROBLEMS_TOLD = 5


class BadRules(Exception):
    """Rules that can't be used; the message names each field and what is allowed."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Rule(_Strict):
    service: str = "*"
    operation: str = "*"
    user_agent: str = "*"
    nth: PositiveInt | None = None
    every: PositiveInt | None = None
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    times: PositiveInt | None = None

    @model_validator(mode="after")
    def _can_match(self) -> _Rule:
        if sum(choice is not None for choice in (self.nth, self.every, self.probability)) > 1:
            raise ValueError("only one of nth, every and probability is allowed")
        services = [name for name in _services() if fnmatchcase(name, self.service)]
        if not services:
            raise ValueError(
                f"service {self.service!r} is none of botocore's{_near(self.service, _services())}"
            )
        if self.service in services:
            known = _operations(self.service)
            if not any(fnmatchcase(name, self.operation) for name in known):
                raise ValueError(
                    f"operation {self.operation!r} is none of {self.service}'s{_near(self.operation, known)}"
                )
        return self


class ErrorRule(_Rule):
    """An error of the service's."""

    kind: Literal["error"]
    code: Annotated[str, Field(min_length=1)]
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    message: str = "A fault that was asked for at /_local/faults"


class ThrottlingRule(_Rule):
    """The service's own throttling error."""

    kind: Literal["throttling"]


class LatencyRule(_Rule):
    """A delay: fixed, or drawn."""

    kind: Literal["latency"]
    seconds: PositiveFloat | None = None
    median: PositiveFloat | None = None
    p99: PositiveFloat | None = None
    scaled: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> LatencyRule:
        given = (self.seconds is not None, self.median is not None, self.p99 is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ValueError("either seconds, or median and p99, are needed")
        if self.median and self.p99 and self.p99 < self.median:
            raise ValueError("p99 must not be less than median")
        return self


class ConnectionResetRule(_Rule):
    """No answer, and nothing done."""

    kind: Literal["connection_reset"]


class ResponseLostRule(_Rule):
    """No answer, but all done."""

    kind: Literal["response_lost"]


class StaleReadsRule(_Rule):
    """Reads that lag behind writes."""

    kind: Literal["stale_reads"]
    seconds: PositiveFloat
    scaled: bool = False
    not_found: str | None = None


Rule = ErrorRule | ThrottlingRule | LatencyRule | ConnectionResetRule | ResponseLostRule | StaleReadsRule


class Plan(_Strict):
    """The body of ``POST /_local/faults``."""

    seed: int = 0
    rules: list[Annotated[Rule, Field(discriminator="kind")]]


def parse(body: bytes) -> Plan:
    """The rules of a request's body.

    :raises BadRules: they can't be used.
    """
    try:
        return Plan.model_validate_json(body)
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors()]
        raise BadRules("; ".join(problems[:PROBLEMS_TOLD])) from None


def _problem(error: Mapping[str, Any]) -> str:
    """As ``rules[0].probability: Input should be less than or equal to 1``."""
    path = ""
    kind = None
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in _FIELDS:
            kind = str(part)
        else:
            path += f".{part}" if path else str(part)
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(_FIELDS[kind] if kind else Plan.model_fields)
        return f"{path}: there is no such field; allowed: {allowed}"
    return f"{path or 'body'}: {error['msg'].removeprefix('Value error, ')}"


_FIELDS = {
    "error": list(ErrorRule.model_fields),
    "throttling": list(ThrottlingRule.model_fields),
    "latency": list(LatencyRule.model_fields),
    "connection_reset": list(ConnectionResetRule.model_fields),
    "response_lost": list(ResponseLostRule.model_fields),
    "stale_reads": list(StaleReadsRule.model_fields),
}
"""What a rule of each kind may say. pydantic puts the kind into an error's location."""


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def _services() -> list[str]:
    return list(_session().get_available_services())


@cache
def _operations(service: str) -> list[str]:
    return list(_session().get_service_model(service).operation_names)


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return f"; near it: {', '.join(near)}" if near else ""
