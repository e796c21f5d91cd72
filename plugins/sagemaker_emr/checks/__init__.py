"""Diagnosis of a platform: what would fail, why, and how to mend it, before anyone meets it.

A check is one small file in :mod:`sagemaker_emr.checks.diagnosis` with a function under
:func:`~sagemaker_emr.checks.registry.check`; there is no list to add it to. It reads AWS through a
:class:`~sagemaker_emr.checks.platform.Platform` and yields findings. What it could not read becomes *not
checked* by itself, never *passed*.
"""

from __future__ import annotations

from sagemaker_emr.checks.finding import Finding, Verdict, failed, not_checked, passed
from sagemaker_emr.checks.platform import Demand, NotKnown, Platform
from sagemaker_emr.checks.registry import check, diagnose, registered
from sagemaker_emr.checks.report import Report

__all__ = [
    "Demand",
    "Finding",
    "NotKnown",
    "Platform",
    "Report",
    "Verdict",
    "check",
    "diagnose",
    "failed",
    "not_checked",
    "passed",
    "registered",
]
