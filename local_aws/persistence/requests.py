"""What the front does around a request, so that its answer tells only what is durable."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local_aws import persistence
from local_aws.identify import Identity
from local_aws.persistence import world
from local_aws.persistence.objects import KEYS_ONLY

READING = ("Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Validate")
CHANGING_READS = frozenset({"sts"})
"""Services whose Get operations make something."""

OUTSIDE = frozenset({"sagemaker-runtime"})
"""Services that change no state, and whose requests may take long."""


def changes(identity: Identity) -> bool:
    """Whether a request may change the state."""
    operation = identity.operation or ""
    return identity.service in CHANGING_READS or not operation.startswith(READING)


def changes_keys_only(environ: dict[str, Any], identity: Identity) -> bool:
    """Whether all that a request may change is S3's keys."""
    return (
        identity.service == "s3" and identity.operation in KEYS_ONLY and "HTTP_X_AMZ_TAGGING" not in environ
    )


@contextmanager
def inside(environ: dict[str, Any], identity: Identity) -> Iterator[None]:
    """While a request is worked on. Its body is read before: a client that is slow keeps nobody waiting."""
    if not persistence.is_kept() or identity.service in OUTSIDE:
        yield
        return
    if environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    with persistence.gate.inside():
        backends = world.size()
        try:
            yield
        finally:
            persistence.keep()
            if (changes(identity) and not changes_keys_only(environ, identity)) or world.size() != backends:
                persistence.touch()


def wait(identity: Identity) -> None:
    """Return once all that the answer may tell is durable.

    :raises OSError: the state can't be written.
    """
    if identity.service not in OUTSIDE:
        reads_keys = identity.service == "s3" and not changes(identity)
        persistence.wait(keys_only=reads_keys or identity.operation in KEYS_ONLY)
