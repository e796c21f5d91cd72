"""``python -m docs.site.pictures``: draws ``docs/pictures/*.svg`` from the texts of ``docs/site/pictures``.

A line of such a file is one of

    title: what the picture shows
    group 0 0 3 2 "label"                   a frame around cells: column, row, columns, rows
    box name 0 1 "text" "smaller text"      a box in a cell: column, row; its texts may be left out
    arrow name other "label"                from box to box; along its row, then the other's column
    dashed name other "label"               the same, for what happens only where something failed
    drop name other "label"                 along its column, then the other's row

An SVG carries its colours for a light and a dark screen, and a background of its own, so that it can be read
wherever it is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

SOURCES = Path(__file__).with_name("pictures")
PICTURES = Path(__file__).resolve().parents[1] / "pictures"

CELL_WIDTH, CELL_HEIGHT = 220, 92
BOX_WIDTH, BOX_HEIGHT = 184, 50
MARGIN = 14
CHARACTER_WIDTHS = {14: 7.9, 11: 6.2}
"""The widest that a character of a text of that size is on average, in a sans-serif font, in pixels."""

LIGHT = {"page": "#ffffff", "box": "#eef3fb", "line": "#3d5a80", "text": "#1b2430", "frame": "#6b7685"}
DARK = {"page": "#16191d", "box": "#233044", "line": "#9db8dc", "text": "#eef1f5", "frame": "#98a3b1"}

STYLE = """
  .page {{ fill: {page}; }} .box {{ fill: {box}; stroke: {line}; }} .text {{ fill: {text}; }}
  .frame {{ fill: none; stroke: {frame}; stroke-dasharray: 2 3; }} .label {{ fill: {frame}; }}
  .arrow {{ fill: none; stroke: {line}; stroke-width: 1.5; }} .head {{ fill: {line}; }}"""


class PictureError(ValueError):
    """A line of a source can't be drawn; the message names it."""


@dataclass(frozen=True)
class Box:
    """A box in a cell."""

    column: int
    row: int
    text: str
    detail: str

    @property
    def x(self) -> int:
        """Of its centre."""
        return MARGIN + self.column * CELL_WIDTH + CELL_WIDTH // 2

    @property
    def y(self) -> int:
        """Of its centre."""
        return MARGIN + self.row * CELL_HEIGHT + CELL_HEIGHT // 2


@dataclass
class Picture:
    """What a source says."""

    title: str = ""
    boxes: dict[str, Box] = field(default_factory=dict)
    groups: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    arrows: list[tuple[str, str, str, str]] = field(default_factory=list)


def read(source: str) -> Picture:
    """Parse a source.

    :raises PictureError: a line is not understood, names no box, or its text does not fit.
    """
    picture = Picture()
    for line in source.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            _read_line(picture, line)
        except (ValueError, IndexError, KeyError) as error:
            raise PictureError(f"{line!r}: {error}") from error
    return picture


def _read_line(picture: Picture, line: str) -> None:
    if line.startswith("title:"):
        picture.title = line.removeprefix("title:").strip()
        return
    kind, *words = shlex.split(line)
    if kind == "box":
        name, column, row, *texts = words
        text, detail = [*texts, "", ""][:2]
        box = Box(int(column), int(row), text or name, detail)
        _check_fits(box.text, 14, BOX_WIDTH)
        _check_fits(box.detail, 11, BOX_WIDTH)
        picture.boxes[name] = box
    elif kind == "group":
        column, row, columns, rows, label = words
        picture.groups.append((int(column), int(row), int(columns), int(rows), label))
    elif kind in ("arrow", "dashed", "drop"):
        start, end, *label = words
        for name in (start, end):
            if name not in picture.boxes:
                raise PictureError(f"no box is called {name}")
        picture.arrows.append((start, end, "".join(label), kind))
    else:
        raise PictureError(f"{kind} is nothing that can be drawn")


def _check_fits(text: str, size: int, width: int) -> None:
    if len(text) * CHARACTER_WIDTHS[size] > width:
        raise PictureError(f"{text!r} is too long for a box")


def draw(picture: Picture) -> str:
    """The SVG."""
    columns = max([box.column + 1 for box in picture.boxes.values()] + [g[0] + g[2] for g in picture.groups])
    rows = max([box.row + 1 for box in picture.boxes.values()] + [g[1] + g[3] for g in picture.groups])
    width, height = 2 * MARGIN + columns * CELL_WIDTH, 2 * MARGIN + rows * CELL_HEIGHT
    dark = STYLE.format(**DARK).replace("\n", "\n  ")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'role="img" aria-labelledby="title" font-family="system-ui, sans-serif" text-anchor="middle">',
        f'<title id="title">{escape(picture.title)}</title>',
        f"<style>{STYLE.format(**LIGHT)}\n  @media (prefers-color-scheme: dark) {{{dark}\n  }}\n</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="8"/>',
        *(_group(*group) for group in picture.groups),
    ]
    for start, end, label, kind in picture.arrows:
        parts += _arrow(picture.boxes[start], picture.boxes[end], label, kind)
    for box in picture.boxes.values():
        parts += _box(box)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _group(column: int, row: int, columns: int, rows: int, label: str) -> str:
    x, y = MARGIN + column * CELL_WIDTH + 4, MARGIN + row * CELL_HEIGHT + 2
    return (
        f'<rect class="frame" x="{x}" y="{y}" width="{columns * CELL_WIDTH - 8}" '
        f'height="{rows * CELL_HEIGHT - 4}" rx="8"/>'
        f'<text class="label" x="{x + 8}" y="{y + 14}" font-size="12" text-anchor="start">'
        f"{escape(label)}</text>"
    )


def _box(box: Box) -> Iterator[str]:
    x, y = box.x - BOX_WIDTH // 2, box.y - BOX_HEIGHT // 2
    yield f'<rect class="box" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    lift = 2 if box.detail else -5
    yield f'<text class="text" x="{box.x}" y="{box.y - lift}" font-size="14">{escape(box.text)}</text>'
    if box.detail:
        yield f'<text class="text" x="{box.x}" y="{box.y + 15}" font-size="11">{escape(box.detail)}</text>'


def _arrow(start: Box, end: Box, label: str, kind: str) -> Iterator[str]:
    right = 1 if end.column >= start.column else -1
    down = 1 if end.row >= start.row else -1
    beside_start, beside_end = start.x + right * BOX_WIDTH // 2, end.x - right * BOX_WIDTH // 2
    under_start, over_end = start.y + down * BOX_HEIGHT // 2, end.y - down * BOX_HEIGHT // 2
    if start.row == end.row:
        path, head = f"M {beside_start} {start.y} H {beside_end}", _head(beside_end, end.y, right, 0)
        at = ((beside_start + beside_end) // 2, start.y - 6)
    elif start.column == end.column:
        path, head = f"M {start.x} {under_start} V {over_end}", _head(end.x, over_end, 0, down)
        at = (start.x, (under_start + over_end) // 2 + 4)
    elif kind == "drop":
        path, head = f"M {start.x} {under_start} V {end.y} H {beside_end}", _head(beside_end, end.y, right, 0)
        at = ((start.x + beside_end) // 2, end.y - 6)
    else:
        path, head = f"M {beside_start} {start.y} H {end.x} V {over_end}", _head(end.x, over_end, 0, down)
        at = ((beside_start + end.x) // 2, start.y - 6)
    dashes = ' stroke-dasharray="5 4"' if kind == "dashed" else ""
    yield f'<path class="arrow" d="{path}"{dashes}/>{head}'
    if label:
        yield f'<text class="text" x="{at[0]}" y="{at[1]}" font-size="11">{escape(label)}</text>'


def _head(x: int, y: int, right: int, down: int) -> str:
    """An arrow's head with its tip at a point."""
    back = [(x - 8 * right - 4 * down, y - 8 * down - 4 * right)]
    back.append((x - 8 * right + 4 * down, y - 8 * down + 4 * right))
    return f'<polygon class="head" points="{x},{y} {" ".join(f"{a},{b}" for a, b in back)}"/>'


def main() -> None:
    """Draw them all."""
    PICTURES.mkdir(exist_ok=True)
    for source in sorted(SOURCES.glob("*.txt")):
        (PICTURES / f"{source.stem}.svg").write_text(draw(read(source.read_text())))


if __name__ == "__main__":
    main()
