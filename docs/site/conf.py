"""Sphinx's configuration of the documentation: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

project = "SageMaker Studio with EMR, run from Airflow"
html_title = "SageMaker, EMR, Airflow"
extensions = ["myst_parser", "autoapi.extension"]
exclude_patterns = ["site"]
needs_sphinx = "9.0"
nitpicky = True

html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
pygments_style = "default"
pygments_dark_style = "github-dark"

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# The package is read, not imported: this environment has no Airflow.
autoapi_dirs = [str(PROJECT / "plugins" / "sagemaker_emr")]
autoapi_root = "reference/api"
autoapi_options = ["members", "show-inheritance", "show-module-summary"]
autoapi_member_order = "bysource"
autoapi_python_class_content = "both"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
suppress_warnings = []
default_role = "code"
