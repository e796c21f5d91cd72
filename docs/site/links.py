"""``python -m docs.site.links FOLDER``: whether every link and anchor inside a built site leads somewhere.

Sphinx checks what the sources link to; this reads the pages as a browser does, those made from the code too.
Links to other sites are `make docs-links`'s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

MADE_BY_SCRIPTS = {"search.html"}
"""Its page is filled in by the browser."""


class Page(HTMLParser):
    """What a page links to, what in it can be linked to, and its pictures without a text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.untold: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(str(found["id"]))
        for name in ("href", "src"):
            if found.get(name):
                self.links.append(str(found[name]))
        if tag == "img" and not found.get("alt"):
            self.untold.append(str(found.get("src")))


def problems(site: Path) -> Iterator[str]:
    """Each link that leads nowhere, and each picture without a text in its place."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for picture in page.untold:
            yield f"{name}: the picture {picture} has no text in its place"
        for link in dict.fromkeys(page.links):
            if reason := _wrong(link, path, pages):
                yield f"{name}: {link}: {reason}"


def _wrong(link: str, path: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    address, anchor = urldefrag(link)
    target = (path.parent / unquote(urlsplit(address).path)).resolve() if urlsplit(address).path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "no such file"
    if anchor and target in pages and target.name not in MADE_BY_SCRIPTS:
        return "" if unquote(anchor) in pages[target].anchors else "no such anchor"
    return ""


def main() -> int:
    """Print what is wrong; exit status 1 if anything is."""
    site = Path(sys.argv[1])
    found = list(problems(site))
    print(
        "\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, every link inside them leads somewhere"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
