"""Checks every request goes through: botocore's constraints, and the parts of AWS that are not played.

boto3 checks only required members and types before it sends; patterns, enums and lengths are the service's
own checks, answered as one ValidationException that counts them, as AWS words it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sagemaker.exceptions import ValidationError

ANY = None
"""In a table of what is played: this member with any value the service's model allows."""

Played = Mapping[str, Any] | frozenset[Any] | None

DEFAULT_PAGE_SIZE = 10
DEFAULT_ORDER = dict.fromkeys(("ListModels", "ListEndpointConfigs", "ListEndpoints"), "Descending")
"""The others' default, as each operation documents it, is Ascending."""

LISTING = (
    *("NextToken", "MaxResults", "NameContains", "StatusEquals", "SortBy", "SortOrder"),
    *("CreationTimeAfter", "CreationTimeBefore", "LastModifiedTimeAfter", "LastModifiedTimeBefore"),
)
"""What every List operation can ask for."""


def check(operation: str, request: Mapping[str, Any], played: Mapping[str, Any]) -> None:
    """Refuse a request that SageMaker would refuse for its form, or that asks for what is not played.

    :param played: member name -> ANY, a nested mapping (for each element, if the member is a list), or the
        frozenset of values that are played.
    :raises ValidationError: with every violated constraint, or with the first member not played.
    """
    problems = list(
        _violations(get_service_model("sagemaker").operation_model(operation).input_shape, request, "")
    )
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise ValidationError(count + "; ".join(problems))
    _refuse_unplayed(request, played, operation)


def _violations(shape: Any, value: Any, path: str) -> Iterable[str]:
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                where = _join(path, name)
                yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
        for name, member in value.items():
            if name in shape.members and member is not None:
                yield from _violations(shape.members[name], member, _join(path, name))
    elif shape.type_name == "list":
        for index, member in enumerate(value, 1):
            yield from _violations(shape.member, member, f"{path}.{index}.member")
    yield from (
        f"Value '{value}' at '{path}' failed to satisfy constraint: {text}" for text in _broken(shape, value)
    )


def _broken(shape: Any, value: Any) -> Iterable[str]:
    metadata = shape.metadata
    if shape.type_name == "string":
        if "enum" in metadata and value not in metadata["enum"]:
            yield f"Member must satisfy enum value set: [{', '.join(metadata['enum'])}]"
        pattern = metadata.get("pattern", "")
        # Unicode classes (\p{L}, in tags and descriptions) have no counterpart in Python's re.
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value, re.DOTALL):
            yield f"Member must satisfy regular expression pattern: {pattern}"
    size, what = (value, "value") if shape.type_name in ("integer", "long", "float") else (None, "length")
    if size is None and isinstance(value, (str, list, dict)):
        size = len(value)
    if size is not None and size < metadata.get("min", size):
        yield f"Member must have {what} greater than or equal to {metadata['min']}"
    if size is not None and size > metadata.get("max", size):
        yield f"Member must have {what} less than or equal to {metadata['max']}"


def _join(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _refuse_unplayed(value: Any, played: Played, path: str) -> None:
    if played is ANY:
        return
    if isinstance(played, frozenset):
        if value not in played:
            choices = ", ".join(sorted(map(str, played)))
            raise ValidationError(f"{path} = {value} is not played by the embedded AWS, only: {choices}")
        return
    for element in value if isinstance(value, list) else [value]:
        for name, member in element.items():
            if name not in played:
                raise ValidationError(f"{path}.{name} is not played by the embedded AWS")
            _refuse_unplayed(member, played[name], f"{path}.{name}")


def listed(
    operation: str,
    summaries: Sequence[dict[str, Any]],
    request: Mapping[str, Any],
    *,
    name: str,
    status: str = "",
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a List operation: filtered, sorted, cut at MaxResults; and the token of the next page.

    :param name: the summary's member that holds the resource's name; NameContains looks there.
    :param status: the member that StatusEquals compares with.
    """
    chosen = [summary for summary in summaries if _matches(summary, request, name, status)]
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "Name": lambda summary: summary[name],
        "Status": lambda summary: summary[status],
        "CreationTime": lambda summary: summary["CreationTime"],
    }
    chosen.sort(
        key=keys[request.get("SortBy", "CreationTime")],
        reverse=request.get("SortOrder", DEFAULT_ORDER.get(operation)) == "Descending",
    )
    return page(chosen, request)


def page(
    items: Sequence[dict[str, Any]], request: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str | None]:
    """The page a NextToken names, and the next one's token."""
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        raise ValidationError("Invalid pagination token")
    first, size = int(token), int(request.get("MaxResults", DEFAULT_PAGE_SIZE))
    following = str(first + size) if first + size < len(items) else None
    return list(items[first : first + size]), following


def _matches(summary: Mapping[str, Any], request: Mapping[str, Any], name: str, status: str) -> bool:
    bounds = (
        request.get("NameContains", "").lower() in summary[name].lower(),
        not status or request.get("StatusEquals", summary[status]) == summary[status],
        _within(summary["CreationTime"], request, "CreationTime"),
        _within(summary.get("LastModifiedTime", summary["CreationTime"]), request, "LastModifiedTime"),
    )
    return all(bounds)


def _within(moment: Any, request: Mapping[str, Any], member: str) -> bool:
    after, before = request.get(f"{member}After"), request.get(f"{member}Before")
    seconds = moment.timestamp()
    return (after is None or seconds > after) and (before is None or seconds < before)


class CheckedRequests:
    """For responses: the request as JSON, checked, and the answer of a List operation."""

    body: str

    def checked(self, operation: str, played: Mapping[str, Any]) -> dict[str, Any]:
        """The request.

        :raises ValidationError: see :func:`check`.
        """
        request: dict[str, Any] = json.loads(self.body)
        check(operation, request, played)
        return request

    def listing(
        self, operation: str, result: str, summaries: Sequence[dict[str, Any]], *, name: str, status: str = ""
    ) -> ActionResult:
        """The page of summaries that the request asks for, as member ``result``."""
        request = self.checked(operation, dict.fromkeys(LISTING, ANY))
        chosen, token = listed(operation, summaries, request, name=name, status=status)
        return ActionResult({result: chosen, "NextToken": token})
