"""Sphinx's configuration: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

project = "SageMaker Studio with EMR, run from Airflow"
html_title = "SageMaker Studio with EMR, run from Airflow"
extensions = ["myst_parser", "autoapi.extension"]
exclude_patterns = ["site"]
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
pygments_style = "default"
pygments_dark_style = "github-dark"

# Headings are link targets as on GitHub; a link that leads nowhere is a warning, which fails the build.
myst_heading_anchors = 4

# The package is read, not imported: this environment has no Airflow.
autoapi_dirs = [str(PROJECT / "plugins" / "sagemaker_emr")]
autoapi_root = "reference/api"
autoapi_options = ["members", "undoc-members", "show-inheritance"]
autoapi_member_order = "bysource"
autoapi_python_class_content = "both"
autoapi_add_toctree_entry = False
suppress_warnings = ["autoapi.python_import_resolution"]
default_role = "code"

SHOWN = ("operators", "sensors", "triggers", "hooks", "task_groups")
"""What a DAG file uses; what else is in the package is for its contributors, who read the code."""

# All links that `make docs-links` asks for: once more each, since a busy site refuses some.
linkcheck_retries = 2
linkcheck_timeout = 20
linkcheck_anchors = False


def is_hidden(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Whether the reference leaves something out; None where AutoAPI decides."""
    parts = name.split(".")
    undocumented = what not in ("package", "module", "class") and not obj.docstring
    return True if undocumented or (len(parts) > 1 and parts[1] not in SHOWN) else None


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.connect("autoapi-skip-member", is_hidden)
