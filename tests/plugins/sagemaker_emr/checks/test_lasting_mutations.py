"""Mutations whose mending leaves drift behind: what was made again by hand has an id of its own."""

from __future__ import annotations

import pytest

from tests.plugins.sagemaker_emr.checks.mutations import LASTING, check_mutation

pytestmark = pytest.mark.local_aws


@pytest.mark.parametrize("name", LASTING)
def test_the_report_names_exactly_what_was_broken(platform, name):
    check_mutation(platform, *LASTING[name])
