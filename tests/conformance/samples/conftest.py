"""The fixtures of the embedded AWS's tests, which is what a conformance run's tests use."""

from __future__ import annotations

from tests.local_aws.conftest import client, make_client, unique

__all__ = ["client", "make_client", "unique"]
