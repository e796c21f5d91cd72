"""``python -m docs.site.made FOLDER``: writes what is made from the code; pages include it."""

from __future__ import annotations

import sys
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
    write(Path(sys.argv[1]))
