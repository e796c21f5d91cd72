"""``/_local/faults`` and ``/_local/clock``."""

from __future__ import annotations

import json
import math
from typing import Any

from local_aws import clock
from local_aws.faults import rules
from local_aws.faults.injector import Injector

FAULTS, CLOCK = "/_local/faults", "/_local/clock"
PATHS = (FAULTS, CLOCK)


def answered(path: str, environ: dict[str, Any], faults: Injector) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON."""
    method = environ["REQUEST_METHOD"]
    try:
        if method == "POST":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            _change(path, body, faults)
        elif method == "DELETE" and path == FAULTS:
            faults.clear()
        elif method != "GET":
            return 405, {"message": f"{path} has no {method}"}
    except rules.BadRules as error:
        return 400, {"message": str(error)}
    return 200, faults.shown() if path == FAULTS else {"time_scale": clock.time_scale()}


def _change(path: str, body: bytes, faults: Injector) -> None:
    if path == FAULTS:
        faults.replace(rules.parse(body))
    else:
        clock.set_time_scale(_time_scale(body))


def _time_scale(body: bytes) -> float:
    try:
        asked = json.loads(body)
        factor = asked.pop("time_scale")
    except (ValueError, AttributeError, KeyError):
        asked, factor = {}, None
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
    if asked or not is_number or not math.isfinite(factor) or factor <= 0:
        raise rules.BadRules(
            'time_scale: a number above 0 is needed, as {"time_scale": 600}, and nothing else'
        )
    return float(factor)
