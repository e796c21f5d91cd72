"""Airflow's plugin loader and this folder."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow import plugins_manager, settings

from sagemaker_emr.airflow_versions import VERSION

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def load(monkeypatch):
    """What the loader finds in the folder, and what it could not load."""
    if VERSION >= (3, 2):
        from airflow._shared.plugins_manager import _load_plugins_from_plugin_directory

        return _load_plugins_from_plugin_directory(str(PLUGINS))
    monkeypatch.setattr(settings, "PLUGINS_FOLDER", str(PLUGINS))
    monkeypatch.setattr(plugins_manager, "plugins", [])
    monkeypatch.setattr(plugins_manager, "import_errors", {})
    plugins_manager.load_plugins_from_plugin_directory()
    return plugins_manager.plugins, plugins_manager.import_errors


def test_the_loader_finds_the_plugin_and_leaves_the_package_alone(monkeypatch):
    """It runs each file under its bare name: ``sagemaker.py`` would become the module ``sagemaker``."""
    known = set(sys.modules)
    plugins, errors = load(monkeypatch)
    assert errors == {}
    assert [plugin.name for plugin in plugins] == ["sagemaker_emr"]
    bare = {path.stem for path in (PLUGINS / "sagemaker_emr").rglob("*.py")} - {"__init__"}
    assert bare & (set(sys.modules) - known) == set()
