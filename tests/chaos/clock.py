"""The product's time, which passes faster here: its waits and deadlines keep their proportions.

The embedded AWS has a scaled clock of its own, and a faster one: an hour of AWS's waiting costs nothing here.
"""

from __future__ import annotations

import asyncio
import sys
import time
from types import SimpleNamespace
from typing import Any

SCALE = 20.0
"""Seconds of the product's time in one second here: a deadline of an hour is one of three minutes, which a
loaded machine keeps."""

AWS_SCALE = 20_000.0

RENEW_SECONDS = 300.0
"""How often a lease is renewed: half as often as it must be, so that it depends less on the pace of this
machine how many calls there are."""

_EPOCH, _BEGAN = time.time(), time.monotonic()


def now() -> float:
    return _EPOCH + monotonic()


def monotonic() -> float:
    return (time.monotonic() - _BEGAN) * SCALE


def sleep(seconds: float) -> None:
    time.sleep(seconds / SCALE)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds / SCALE)


TIME = SimpleNamespace(time=now, monotonic=monotonic, sleep=sleep, strftime=time.strftime, gmtime=time.gmtime)
ASYNCIO = SimpleNamespace(sleep=_sleep, to_thread=asyncio.to_thread)


def install() -> None:
    """Give this time to the product, as far as it is loaded, and to botocore's pauses between its tries."""
    import botocore.endpoint

    from local_aws import clock
    from sagemaker_emr import leases
    from sagemaker_emr.triggers import shared_cluster

    clock.settings = _faster(clock.settings)
    botocore.endpoint.time = TIME
    modules: list[Any] = [module for name, module in sys.modules.items() if name.startswith("sagemaker_emr.")]
    for module in modules:
        if getattr(module, "time", None) is time:
            module.time = TIME
        if getattr(module, "asyncio", None) is asyncio:
            module.asyncio = ASYNCIO
    shared_cluster.RENEW_SECONDS = RENEW_SECONDS
    *others, _ = leases.Watch.__init__.__defaults__
    leases.Watch.__init__.__defaults__ = (*others, monotonic)


def _faster(settings: Any) -> Any:
    from dataclasses import replace

    return replace(settings, time_scale=AWS_SCALE)
