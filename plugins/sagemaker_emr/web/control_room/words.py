"""Times, spans, amounts and names, as the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters"""

_VISIBLE = {code: f"[U+{code:04X}]" for code in BIDI_CONTROLS}


def visible(value: Any) -> Any:
    """A text in which characters that turn what follows around are shown instead of obeyed.

    With one of them a name reads as another. And an isolate that a name opens is what the end of ``<bdi>``
    closes, so that what stands beside the name is turned around too.
    """
    return value.translate(_VISIBLE) if isinstance(value, str) else value


def duration(seconds: float | None) -> str:
    """``1:02:03``, or ``2:03`` below an hour; a dash where there is none."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def hours(value: float) -> str:
    """``3 d 4 h``, ``2 h 5 min``, ``7 min``."""
    minutes = round(value * 60)
    if minutes < 60:
        return f"{minutes} min"
    whole, rest = divmod(minutes, 60)
    if whole < 48:
        return f"{whole} h {rest} min" if rest else f"{whole} h"
    days, left = divmod(whole, 24)
    return f"{days} d {left} h" if left else f"{days} d"


def usd(amount: float) -> str:
    """``$1,234.50``."""
    return f"${amount:,.2f}"


def moment(value: datetime | None) -> str:
    """``2026-11-27 02:15``, in UTC; a dash where there is none."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if value else "-"
