"""What `make lint` says of templates that have a fault: each linter as the Makefile runs it, in a copy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
CFN_LINT = PROJECT / ".venv" / "bin" / "cfn-lint"
CHECKOV = PROJECT / ".venv-lint" / "bin" / "checkov"
CONFIGURATION = (".cfnlintrc", ".checkov.yaml")


class Copy:
    """The templates and the linters' configuration, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in CONFIGURATION:
            shutil.copy(PROJECT / name, folder)
        shutil.copytree(PROJECT / "include" / "cfn", folder / "include" / "cfn")

    def replace(self, template: str, pattern: str, by: str) -> None:
        path = self.folder / "include" / "cfn" / f"{template}.yaml"
        text, count = re.subn(pattern, by, path.read_text(), count=1)
        assert count == 1, f"{template}: nothing matches {pattern}"
        path.write_text(text)

    def lint(self, program: Path) -> tuple[int, str]:
        """Exit status and output of a linter that knows no more than its configuration."""
        assert program.exists(), f"{program} is missing; make lint brings it"
        done = subprocess.run([program], cwd=self.folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_make_lint_runs_both_linters_as_they_are_run_here() -> None:
    rules = (PROJECT / "Makefile").read_text()
    assert "\t$(BIN)/cfn-lint\n" in rules
    assert "\t.venv-lint/bin/checkov\n" in rules


def test_a_finding_that_only_informs_fails(copy: Copy) -> None:
    copy.replace("emr_product", r"\n    DeletionPolicy: Delete[^\n]*", "")
    status, output = copy.lint(CFN_LINT)
    assert status != 0
    assert "I3011" in output


def test_an_action_that_iam_does_not_have_fails(copy: Copy) -> None:
    copy.replace("studio", r"servicecatalog:SearchProducts\b", "servicecatalog:SeekProducts")
    status, output = copy.lint(CFN_LINT)
    assert status != 0
    assert "W3037" in output


def test_a_security_finding_without_its_reason_fails(copy: Copy) -> None:
    copy.replace("storage", r"- id: CKV_AWS_18\b", "- id: CKV_AWS_0")
    status, output = copy.lint(CHECKOV)
    assert status != 0
    assert "CKV_AWS_18" in output
    assert "Failed checks: 1" in output
