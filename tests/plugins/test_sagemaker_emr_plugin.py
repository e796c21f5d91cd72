"""Airflow's plugin loader and this folder."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow._shared.plugins_manager import _load_plugins_from_plugin_directory

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def test_the_loader_finds_the_plugin_and_leaves_the_package_alone():
    """It runs each file under its bare name: ``sagemaker.py`` would become the module ``sagemaker``."""
    known = set(sys.modules)
    plugins, errors = _load_plugins_from_plugin_directory(str(PLUGINS))
    assert errors == {}
    assert [plugin.name for plugin in plugins] == ["sagemaker_emr"]
    bare = {path.stem for path in (PLUGINS / "sagemaker_emr").rglob("*.py")} - {"__init__"}
    assert bare & (set(sys.modules) - known) == set()
