"""Charts as shapes that a template draws as SVG: no style and no script of its own, so no exception is
needed.

Rules: pure. What a chart shows stands beside it as a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Bar", "Chart", "bars", "spark"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 440, 150, 34, 20, 8
TONES = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars with lines and labels."""

    width: int
    height: int
    bars: Sequence[Bar]
    lines: Sequence[tuple[float, str]]
    """Height and label of each line."""

    marks: Sequence[tuple[float, str]]
    """Place and label of some columns."""


def bars(labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Chart:
    """Return columns with the values of each series above each other, the first at the bottom."""
    top = _round(max((sum(column) for column in zip(*series.values(), strict=True)), default=0))
    room = HEIGHT - BOTTOM - TOP
    step = (WIDTH - LEFT) / max(1, len(labels))
    drawn = []
    for place in range(len(labels)):
        y = float(HEIGHT - BOTTOM)
        for tone, values in zip(TONES, series.values(), strict=False):
            if values[place]:
                height = room * values[place] / top
                y -= height
                drawn.append(Bar(round(LEFT + step * place + 1, 1), round(y, 1),
                                 round(step - 2, 1), round(height, 1), tone))  # fmt: skip
    lines = [(round(TOP + room * (1 - part), 1), f"{int(top * part):,}") for part in (0, 0.5, 1)]
    every = max(1, len(labels) // 6)
    marks = [
        (round(LEFT + step * (place + 0.5), 1), label)
        for place, label in enumerate(labels)
        if place % every == 0
    ]
    return Chart(WIDTH, HEIGHT, drawn, lines, marks)


def spark(values: Sequence[int]) -> Sequence[Bar]:
    """Return small columns, 96 by 20."""
    top = max((*values, 1))
    step = 96 / max(1, len(values))
    return [
        Bar(round(step * place, 1), round(20 - 18 * value / top, 1), round(max(1, step - 1), 1),
            round(18 * value / top, 1), "a")
        for place, value in enumerate(values)
        if value
    ]  # fmt: skip


def _round(value: int) -> int:
    """Return an even number with few digits that is not below a value."""
    step = 1
    while True:
        for factor in (2, 4, 10):
            if value <= factor * step:
                return factor * step
        step *= 10
