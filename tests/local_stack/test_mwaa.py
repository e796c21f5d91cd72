from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from local_stack import mwaa
from local_stack.settings import PROJECT

every_version = pytest.mark.parametrize("airflow", mwaa.versions())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    written = tmp_path / "plugins.zip"
    mwaa.write_plugins(written)
    return written


def test_the_archive_is_the_same_whenever_it_is_made(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    mwaa.write_plugins(again)
    assert again.read_bytes() == archive.read_bytes()


def test_it_has_the_plugin_at_its_top_and_what_is_versioned_only(archive: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "plugins", "include"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert set(zipfile.ZipFile(archive).namelist()) == {name.removeprefix("plugins/") for name in listed}


def test_unpacked_into_the_plugins_folder_dags_find_include_and_airflow_runs_none_of_it(
    archive: Path, tmp_path: Path
) -> None:
    plugins = tmp_path / "airflow" / "plugins"
    zipfile.ZipFile(archive).extractall(plugins)
    script = "from sagemaker_emr import staging; print(staging.include_path('cfn/network.yaml'))"
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(plugins), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(found.strip()) == plugins / "include" / "cfn" / "network.yaml"

    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    run = {Path(path).name for path in find_path_from_directory(str(plugins), ".airflowignore")}
    assert {name for name in run if name.endswith(".py")} == {"sagemaker_emr_plugin.py"}


@every_version
def test_the_requirements_name_constraints_as_mwaa_asks_and_pin_everything(airflow: str) -> None:
    constraint, *packages = mwaa.requirements(airflow).splitlines()
    assert re.fullmatch(r'--constraint "https://\S+/constraints-[\d.]+/constraints-3\.12\.txt"', constraint)
    assert airflow in constraint
    assert packages[0] == f"apache-airflow=={airflow}"
    assert all(re.fullmatch(r"[\w.-]+==[\d.]+", package) for package in packages)


@every_version
def test_they_name_what_a_deployment_installs(airflow: str) -> None:
    asked = re.findall(r"^[\w-]+", (PROJECT / "requirements" / "airflow.in").read_text(), re.MULTILINE)
    pinned = re.findall(r"^[\w-]+", mwaa.requirements(airflow), re.MULTILINE)
    assert {name.lower() for name in asked} == {name.lower() for name in pinned if not name.startswith("--")}


def test_both_files_are_written_for_the_version_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mwaa, "DIST", tmp_path)
    assert mwaa.main(["3.0.6"]) == 0
    assert {file.name for file in (tmp_path / "3.0.6").iterdir()} == {"requirements.txt", "plugins.zip"}
    assert mwaa.main(["2.10.3"]) == 1
    assert "there are for 3.0.6, 3.2.1, 3.3.1" in capsys.readouterr().out


def test_the_newest_version_is_the_default() -> None:
    assert mwaa.versions()[-1] == max(
        tomllib.loads(mwaa.PINS.read_text()), key=lambda text: tuple(map(int, text.split(".")))
    )
