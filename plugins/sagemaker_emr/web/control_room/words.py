"""Times and spans, as the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime


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
