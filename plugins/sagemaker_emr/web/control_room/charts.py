"""The geometry of the page's two pictures, in the units of an SVG's viewBox; the templates draw them."""

from __future__ import annotations

import calendar
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sagemaker_emr.web.control_room.models import Coverage, Day, Evaluation

CELL, GAP, LEFT, TOP = 11, 3, 30, 18
"""Of the calendar: a day's side, the space between two, and the room for weekdays and months."""

PLOT_WIDTH, PLOT_HEIGHT = 720, 240
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 48, 16, 12, 30
TICKS = 5


@dataclass(frozen=True)
class Cell:
    """A day of the calendar."""

    x: int
    y: int
    day: Day


@dataclass(frozen=True)
class Label:
    """A text beside a picture."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class YearCalendar:
    """A year: a column a week, from Monday down to Sunday."""

    width: int
    height: int
    cells: list[Cell]
    months: list[Label]
    weekdays: list[Label]


@dataclass(frozen=True)
class Point:
    """An evaluation in the plot."""

    x: float
    y: float
    baseline_y: float
    evaluation: Evaluation


@dataclass(frozen=True)
class Plot:
    """Errors over days.

    :param model: the line through the models' errors, as a polyline's points; ``baseline`` likewise.
    """

    width: int
    height: int
    points: list[Point]
    model: str
    baseline: str
    horizontal: list[Label]
    vertical: list[Label]


def year_calendar(coverage: Coverage) -> YearCalendar:
    """A calendar of the year's days."""
    step, first = CELL + GAP, date(coverage.year, 1, 1)
    offset = first.weekday()

    def week_of(day: date) -> int:
        return ((day - first).days + offset) // 7

    cells = [
        Cell(LEFT + week_of(day.date) * step, TOP + day.date.weekday() * step, day) for day in coverage.days
    ]
    months = [
        Label(LEFT + week_of(date(coverage.year, month, 1)) * step, TOP - 6, calendar.month_abbr[month])
        for month in range(1, 13)
    ]
    weekdays = [Label(0, TOP + number * step + CELL - 2, calendar.day_abbr[number]) for number in (0, 2, 4)]
    weeks = week_of(date(coverage.year, 12, 31)) + 1
    return YearCalendar(LEFT + weeks * step, TOP + 7 * step, cells, months, weekdays)


def error_plot(evaluations: Sequence[Evaluation]) -> Plot | None:
    """The errors of models and of their baselines; None where there is no model."""
    if not evaluations:
        return None
    days = [one.last_day for one in evaluations]
    errors = [error for one in evaluations for error in (one.rmse, one.baseline_rmse)]
    ticks = nice_ticks(min(errors), max(errors))
    low, high = ticks[0], ticks[-1]
    span_days = (max(days) - min(days)).days
    width, height = PLOT_WIDTH - MARGIN_LEFT - MARGIN_RIGHT, PLOT_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM

    def x_of(day: date) -> float:
        share = (day - min(days)).days / span_days if span_days else 0.5
        return round(MARGIN_LEFT + share * width, 1)

    def y_of(error: float) -> float:
        return round(MARGIN_TOP + (high - error) / (high - low) * height, 1)

    points = [Point(x_of(one.last_day), y_of(one.rmse), y_of(one.baseline_rmse), one) for one in evaluations]
    return Plot(
        PLOT_WIDTH,
        PLOT_HEIGHT,
        points,
        " ".join(f"{point.x},{point.y}" for point in points),
        " ".join(f"{point.x},{point.baseline_y}" for point in points),
        [Label(MARGIN_LEFT - 8, y_of(tick), f"{tick:g}") for tick in ticks],
        [Label(x_of(day), PLOT_HEIGHT - 8, day.isoformat()) for day in _some_days(min(days), span_days)],
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose a range, about :data:`TICKS` of them."""
    span = max(high - low, abs(high) * 1e-3)
    if span < sys.float_info.min * TICKS:  # what is smaller can't be divided
        span = 1.0
    raw = span / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        last += 1
    return [number * step for number in range(first, last + 1)]


def _some_days(first: date, span_days: int) -> list[date]:
    """Up to five days, evenly apart, of which the first and the last are the ends."""
    count = min(5, span_days + 1)
    if count == 1:
        return [first]
    return [first + timedelta(days=round(number * span_days / (count - 1))) for number in range(count)]
