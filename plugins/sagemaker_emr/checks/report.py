"""The findings and the inspection, as a table for the log, as JSON, and as a page."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from rich.console import Console
from rich.table import Table

from sagemaker_emr.checks.finding import Finding, Verdict
from sagemaker_emr.checks.inspection import Section

PAGE = Path(__file__).with_name("report.html")
LOG_COLUMNS = 150


@dataclass(frozen=True)
class Report:
    """What was found in one environment."""

    environment: str
    account_id: str
    region: str
    made_at: datetime
    findings: list[Finding]
    inspection: list[Section]

    def having(self, verdict: Verdict) -> list[Finding]:
        """The findings of one verdict."""
        return [finding for finding in self.findings if finding.verdict is verdict]

    @property
    def to_mend(self) -> list[Finding]:
        """What failed by itself, and not because of another finding."""
        return [one for one in self.having(Verdict.FAILED) if one.follows_from is None]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each verdict."""
        return {verdict.value: len(self.having(verdict)) for verdict in Verdict}

    @property
    def summary(self) -> str:
        """One sentence."""
        counts = self.counts
        follows = counts["failed"] - len(self.to_mend)
        note = f" ({follows} of them only follow from others)" if follows else ""
        return (
            f"Environment {self.environment}: {counts['failed']} failed{note}, {counts['passed']} passed, "
            f"{counts['not checked']} not checked"
        )

    def to_json(self) -> str:
        """The whole report."""
        whole: dict[str, Any] = {
            "environment": self.environment,
            "account_id": self.account_id,
            "region": self.region,
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "counts": self.counts,
            "findings": [finding.to_dict() for finding in self.findings],
            "inspection": [section.to_dict() for section in self.inspection],
        }
        return json.dumps(whole, indent=2)

    def to_html(self) -> str:
        """A page that needs no other file; every value is escaped."""
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        environment.filters |= {"marked": _marked, "values": dict.values}
        failed = self.having(Verdict.FAILED)
        return environment.from_string(PAGE.read_text()).render(
            report=self,
            follows=[
                (one.title, ", ".join(one.resources), one.read, one.follows_from)
                for one in failed
                if one.follows_from
            ],
            open=self.having(Verdict.NOT_CHECKED),
            passed=[(one.title, one.read) for one in self.having(Verdict.PASSED)],
        )

    def to_text(self) -> str:
        """A table of all findings, what failed first and with its fix; for a log."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("Verdict", no_wrap=True)
        table.add_column("Check", no_wrap=True)
        table.add_column("What was read", ratio=1, overflow="fold")
        for verdict in (Verdict.FAILED, Verdict.NOT_CHECKED, Verdict.PASSED):
            for finding in self.having(verdict):
                table.add_row(verdict.value, finding.check, "\n".join(_lines(finding)))
        text = io.StringIO()
        console = Console(
            file=text, width=LOG_COLUMNS, color_system=None, force_terminal=False, markup=False, emoji=False
        )
        console.print(table, highlight=False, markup=False)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def report_key(environment: str, dag_id: str, run_id: str, kind: str) -> str:
    """Where a run leaves its report in the artifacts bucket.

    :param kind: ``html`` or ``json``.
    """
    run = re.sub(r"[^A-Za-z0-9._-]+", "_", run_id)
    return f"reports/{environment}/{dag_id}/{run}/platform.{kind}"


def _marked(text: str) -> Markup:
    """What stands between backticks as code; all of it escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def _lines(finding: Finding) -> list[str]:
    if finding.verdict is Verdict.PASSED:
        return [finding.read]
    if finding.follows_from:
        return [finding.read, f"Follows from: {finding.follows_from}"]
    told = {"Cause": finding.cause, "Symptom": finding.symptom, "Fix": finding.fix}
    return [
        *([finding.read] if finding.read else []),
        *(f"{name}: {text}" for name, text in told.items() if text),
    ]
