"""``python -m docs.site.made FOLDER``: writes what is made from the code; pages include it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from docs.site import forms, symptoms, templates


def write(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "forms": forms.page(forms.load()),
        "templates": templates.page(),
        "checks": symptoms.checks_page(),
        "errors": symptoms.errors_page(),
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)


if __name__ == "__main__":
    # Airflow writes a configuration into its home as soon as it is imported.
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
        write(Path(sys.argv[1]))
