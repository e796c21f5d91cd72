"""Views of the control room in Chromium: when it paints, when all is shown, and what that asked for."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from playwright.sync_api import Browser, BrowserContext

from bench.room import CONTROL_ROOM

PATIENCE_MS = 180_000

WATCH = """
window.shown = {};
new MutationObserver(() => {
  for (const part of document.querySelectorAll('[data-part][aria-busy="false"]')) {
    if (part.id in window.shown) continue;
    window.shown[part.id] = null;
    // The second frame begins after the first one was painted.
    requestAnimationFrame(() => requestAnimationFrame(() => { window.shown[part.id] = performance.now(); }));
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["aria-busy"] });
"""
"""Notes when each part of the page was painted with what it has to show, in ms since the navigation began."""

ALL_SHOWN = """() => {
  const parts = [...document.querySelectorAll('main [data-part]')];
  return parts.length > 0 && parts.every((part) => window.shown[part.id]);
}"""
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True)
class View:
    """One view of the page.

    :param painted_ms: First Contentful Paint, by the browser's Performance API.
    :param shown_ms: when each part was painted with its content.
    :param calls: of AWS, by operation.
    :param statements: of SQL, by the address that was asked for.
    :param server_ms: CPU time of the API server, which a busy machine does not stretch.
    """

    painted_ms: float
    shown_ms: dict[str, float]
    calls: Counter[str]
    statements: Counter[str]
    server_ms: float
    load: float

    def to_json(self) -> dict[str, Any]:
        return vars(self)


class Looker:
    """Opens the page again and again.

    :param url: of the benchmark's API server.
    :param token: of a user who may see everything.
    :param calls: the operations that AWS was asked for since it was last called.
    """

    def __init__(self, browser: Browser, url: str, token: str, calls: Callable[[], Counter[str]]) -> None:
        self._browser, self._url, self._token, self._calls = browser, url, token, calls

    def context(self, **options: Any) -> BrowserContext:
        """A browser that knows nothing."""
        context = self._browser.new_context(viewport={"width": 1360, "height": 900}, **options)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH)
        context.add_cookies([{"name": "_token", "value": self._token, "url": self._url}])
        return context

    def forget(self) -> None:
        """Let the API server know nothing of AWS, as after its start."""
        requests.get(f"{self._url}/_bench/forget", timeout=60).raise_for_status()

    def look(self, context: BrowserContext) -> View:
        """View the page once."""
        self._calls()
        before = self._told()
        page = context.new_page()
        page.goto(f"{self._url}{CONTROL_ROOM}", wait_until="commit")
        page.wait_for_function(ALL_SHOWN)
        painted, shown = page.evaluate(FIRST_PAINT), page.evaluate("window.shown")
        page.close()
        after = self._told()
        return View(
            painted,
            shown,
            self._calls(),
            Counter(after["statements"]),
            1000 * (after["cpu_seconds"] - before["cpu_seconds"]),
            os.getloadavg()[0],
        )

    def _told(self) -> dict[str, Any]:
        """The statements since the last time, and the API server's CPU time."""
        told: dict[str, Any] = requests.get(f"{self._url}/_bench/statements", timeout=60).json()
        return told


def views(looker: Looker, count: int) -> dict[str, list[View]]:
    """By the first who looks, by a browser without the page's files, and by one that has them."""
    found: dict[str, list[View]] = {"nothing known": [], "AWS known": [], "AWS and files known": []}
    for _ in range(count):
        looker.forget()
        context = looker.context()
        found["nothing known"].append(looker.look(context))
        context.close()
        context = looker.context()
        found["AWS known"].append(looker.look(context))
        found["AWS and files known"].append(looker.look(context))
        context.close()
    return found


def spread(values: Sequence[float]) -> str:
    """Least, middle and most, in ms."""
    return f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}"
