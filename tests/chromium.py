"""The tests that look at pages in Chromium."""

from __future__ import annotations

import pytest

from bench.chromium import CHROMIUM, MISSING

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=f"not run: {MISSING}")
