"""The report's forms, and what keeps a check from saying more than it knows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from sagemaker_emr.checks import registry
from sagemaker_emr.checks.finding import Verdict, failed, not_checked, passed
from sagemaker_emr.checks.inspection import Section
from sagemaker_emr.checks.platform import NotKnown
from sagemaker_emr.checks.registry import Check
from sagemaker_emr.checks.report import Report

DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")


def report(*findings):
    section = Section("Network interfaces", [{"Description": "<script>alert(1)</script>"}])
    return Report(
        "dev", "123456789012", "us-east-1", datetime(2026, 1, 2, tzinfo=UTC), [*findings], [section]
    )


@pytest.fixture
def findings():
    broken = failed("sg-1: [no] rules", "sg-1", cause="no rule", fix="add it", symptom="Cannot connect")
    return [broken, not_checked("AccessDenied", fix="Allow it"), passed("all is well", "vpc-1")]


def test_the_table_tells_cause_symptom_and_fix_first(findings):
    lines = report(*reversed(findings)).to_text().splitlines()
    assert "failed" in lines[1]
    text = "\n".join(lines)
    assert "sg-1: [no] rules" in text
    for part in ("Cause: no rule", "Symptom: Cannot connect", "Fix: add it", "Fix: Allow it"):
        assert part in text


HOSTILE = "</dd><script>alert(1)</script>`<img src=x onerror=alert(2)>`\"'><style>*{display:none}</style>"


def test_the_page_escapes_every_value_it_shows():
    broken = failed(HOSTILE, HOSTILE, cause=HOSTILE, fix=HOSTILE, symptom=HOSTILE)
    named = [
        replace(one, check=HOSTILE, title=HOSTILE)
        for one in (
            broken,
            replace(broken, follows_from=HOSTILE),
            not_checked(HOSTILE, HOSTILE, read=HOSTILE, fix=HOSTILE),
            passed(HOSTILE, HOSTILE),
        )
    ]
    section = Section(HOSTILE, [{HOSTILE: HOSTILE}], HOSTILE)
    made = datetime(2026, 1, 2, tzinfo=UTC)
    page = Report(HOSTILE, HOSTILE, HOSTILE, made, named, [section]).to_html()
    plain = report(passed("fine")).to_html()
    for tag in ("<script", "<img", "<style", "</style"):
        assert page.count(tag) == plain.count(tag), tag
    assert page.count("&lt;script&gt;") > 20


def test_the_page_needs_nothing_from_elsewhere(findings):
    page = report(*findings).to_html()
    assert "http" not in page
    assert not re.search(r"\b(src|href|url|import)\b", page)


def test_the_page_shows_verdicts_in_words_and_commands_as_code(findings):
    command = failed("x", "sg-1", cause="no rule", fix="Run `aws ec2 <that>` again")
    page = report(command, *findings).to_html()
    assert "<code>aws ec2 &lt;that&gt;</code>" in page
    for verdict in ("failed", "not-checked"):
        assert f'<span class="badge {verdict}">{verdict.replace("-", " ")}</span>' in page


def test_a_page_without_findings_says_so():
    assert "Nothing failed" in report(passed("fine")).to_html()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotKnown("stack x does not exist"), "stack x does not exist"),
        (DENIED, "AccessDenied"),
        (KeyError("surprise"), "the check itself failed"),
    ],
    ids=["missing", "denied", "bug"],
)
def test_what_can_not_be_read_is_not_checked(error, told):
    def run(platform):
        yield passed("one part")
        raise error

    found = list(Check("some", "Some", "symptom", run).findings(None))
    assert [one.verdict for one in found] == [Verdict.PASSED, Verdict.NOT_CHECKED]
    assert told in found[1].cause
    assert found[1].symptom == ""


def test_a_refused_call_is_named_with_what_to_allow():
    def run(platform):
        raise DENIED
        yield

    (found,) = Check("some", "Some", "symptom", run).findings(None)
    assert "GetRole" in found.fix


def test_a_check_that_looked_at_nothing_has_not_passed():
    (found,) = Check("some", "Some", "symptom", lambda platform: []).findings(None)
    assert found.verdict is Verdict.NOT_CHECKED


def test_two_checks_of_one_name_are_refused():
    def livy_from_studio(platform):
        return []

    registry.registered()
    with pytest.raises(ValueError, match="livy_from_studio"):
        registry.check("Another", symptom="none")(livy_from_studio)
