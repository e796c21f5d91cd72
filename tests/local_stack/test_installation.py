from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack import installation
from local_stack.installation import SetupError, Step


@pytest.mark.parametrize(
    ("lacking", "debian", "fedora"),
    [
        ("venv", "python3.11-venv", "python3.11"),
        ("compiler", "gcc", "gcc"),
        ("headers", "python3.11-dev", "python3.11-devel"),
    ],
)
def test_what_is_missing_is_named_with_its_package(lacking: str, debian: str, fedora: str) -> None:
    with pytest.raises(SetupError) as caught:
        installation.check_prerequisites((3, 11), have=lambda what: what != lacking)
    assert f"apt install {debian}" in str(caught.value)
    assert f"dnf install {fedora}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_everything_missing_is_told_at_once() -> None:
    with pytest.raises(SetupError) as caught:
        installation.check_prerequisites((3, 12), have=lambda _: False)
    assert str(caught.value).count("apt install") == 3


@pytest.mark.parametrize("python", [(3, 10), (3, 13), (2, 7)])
def test_another_python_is_refused_with_the_way_to_choose_one(python: tuple[int, int]) -> None:
    with pytest.raises(SetupError, match=r"PYTHON=python3\.12"):
        installation.check_prerequisites(python)


def test_a_complete_machine_passes() -> None:
    installation.check_prerequisites((3, 11), have=lambda _: True)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    source = tmp_path / "lock.txt"
    source.write_text("a==1")
    return Step("it", tmp_path / "made" / "stamp", [source], lambda _: made.append(1))


made: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    made.clear()


def test_a_step_is_made_once_and_again_when_its_source_changed(step: Step) -> None:
    step.run()
    step.run()
    assert len(made) == 1
    step.source[0].write_text("a==2")
    assert not step.up_to_date
    step.run()
    assert len(made) == 2


def test_a_step_that_failed_is_made_again(step: Step) -> None:
    step.run()
    step.source[0].write_text("a==2")

    def fail(_: Step) -> None:
        raise SetupError("no network")

    step.make = fail
    with pytest.raises(SetupError):
        step.run()
    assert not step.up_to_date


@pytest.mark.parametrize(
    ("output", "seconds"),
    [
        ("Resolved 9 packages in 58ms\nPrepared 9 packages in 12.5s\nInstalled 9 packages in 2.00s", 12.5),
        ("Prepared 1 package in 500ms", 0.5),
        ("Prepared 212 packages in 1m 02s", 62.0),
        ("Audited 212 packages in 1ms", 0.0),
    ],
)
def test_time_to_download_is_what_uv_says(output: str, seconds: float) -> None:
    assert installation.downloading_seconds(output) == seconds


def test_pips_configuration_reaches_uv(tmp_path: Path) -> None:
    config = (
        ":env:.index-url='https://mirror.example/simple'\n"
        f":env:.find-links='{tmp_path} /does/not/exist'\n"
        "global.cert='/etc/ca.pem'\n"
        "global.disable-pip-version-check='1'\n"
    )
    assert installation.uv_variables(config, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": str(tmp_path),
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_uvs_own_variables_win() -> None:
    config = "global.index-url='https://mirror.example/simple'\n"
    assert installation.uv_variables(config, {"UV_DEFAULT_INDEX": "https://mine.example"}) == {}


def test_nothing_is_started_when_nothing_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, chains, last = installation.steps()
    for number, step in enumerate([first, *itertools.chain(*chains), last]):
        step.stamp = tmp_path / str(number)
        step.stamp.write_text(step.key)
    monkeypatch.setattr(installation, "steps", lambda extras: (first, chains, last))
    monkeypatch.setattr(subprocess, "Popen", None)
    assert installation.install() == {"setup_seconds": 0.0, "download_seconds": 0}


@pytest.mark.parametrize("extra", ["lint", "docs"])
def test_what_only_one_command_needs_is_made_for_it_alone(extra: str) -> None:
    def environments(*extras: str) -> set[str]:
        return {step.stamp.parent.name for step, *_ in installation.steps(extras)[1]}

    assert f".venv-{extra}" not in environments()
    assert environments(extra) == {*environments(), f".venv-{extra}"}


def test_a_failed_command_shows_its_last_lines(
    step: Step, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installation, "VAR", tmp_path)
    code = "print('no such package: nonesuch'); raise SystemExit(3)"
    with pytest.raises(SetupError, match="it failed, exit status 3") as caught:
        installation._command(step, [sys.executable, "-c", code], {})
    assert "no such package: nonesuch" in str(caught.value)
    assert "nonesuch" in (tmp_path / "logs" / "setup-it.log").read_text()


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import local_stack.installation"
    project = str(installation.PROJECT)
    subprocess.run([sys._base_executable, "-I", "-S", "-c", code, project], check=True)  # type: ignore[attr-defined]
