"""What a figure of the bench is, and how it is printed and kept.

A module of a figure has `FIGURES`, a tuple of `Figure`; `tests.bench.__main__` lists the modules. `measure`
yields a `Measured` for each thing that it measured, as soon as it has it; raising `processes.Gone` ends
that figure alone. A sample is one round; the median of all is told, with the least and the greatest. A
ratio is taken within one round, of two things that ran side by side, so that a loaded machine slows both.
What is taken by the clock says so (`clock=True`): it is worth little while the machine has other work.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Measured", "Scale", "machine"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is to be measured."""

    short: bool
    """A quick run: fewer cases and rounds, and figures that wander."""

    values: Mapping[str, str]
    """What the command line says (`accounts=100,1000`)."""

    def number(self, name: str, usual: int, short: int | None = None) -> int:
        """Return a number: of the command line, or of a quick run, or the usual one."""
        return int(self.values.get(name, short if self.short and short is not None else usual))

    def numbers(self, name: str, usual: tuple[int, ...], short: tuple[int, ...]) -> tuple[int, ...]:
        """Return numbers, with a comma between them on the command line."""
        given = self.values.get(name)
        if given is not None:
            return tuple(map(int, given.split(",")))
        return short if self.short else usual

    def words(self, name: str, usual: tuple[str, ...], short: tuple[str, ...]) -> tuple[str, ...]:
        """Return words, with a comma between them on the command line."""
        given = self.values.get(name)
        return tuple(given.split(",")) if given is not None else short if self.short else usual


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing that was measured."""

    case: str
    what: str
    samples: tuple[float, ...]
    unit: str = ""
    most: float | None = None
    """The goal: no more than this."""

    least: float | None = None
    """The goal: no less than this."""

    clock: bool = False
    """Whether it was taken by the clock, so that other work on the machine spoils it."""

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.samples)

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.median <= self.most) and (
            self.least is None or self.median >= self.least
        )

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table's row."""
        spread = (
            ""
            if len(self.samples) < 2
            else f"{short(min(self.samples))}–{short(max(self.samples))}"
        )
        goal = f"≤ {short(self.most)}" if self.most is not None else ""
        goal = f"≥ {short(self.least)}" if self.least is not None else goal
        met = {True: "ok", False: "MISSED", None: ""}[self.holds]
        unit = self.unit + (" (clock)" if self.clock else "")
        return self.case, self.what, short(self.median), spread, unit, goal, met

    def to_plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "case": self.case, "what": self.what, "unit": self.unit, "median": self.median,
            "samples": self.samples, "most": self.most, "least": self.least, "clock": self.clock,
            "holds": self.holds,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that can be asked for by its name or its letter."""

    letter: str
    """Of the list in docs/performance.md; "" where it has none."""

    name: str
    about: str
    measure: Callable[[Scale], Iterator[Measured]]
    scales: Mapping[str, str] = field(default_factory=dict)
    """What the command line may set, and what that means."""

    usual: bool = True
    """Whether it is measured when no figure is named."""


def short(value: float) -> str:
    """Return a number with three digits that count."""
    if value != value or value in (float("inf"), float("-inf")):
        return "?"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Return what is to be known of this machine, and what is measured."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    return {
        "processor": model or platform.processor(), "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version, "commit": commit, "load": os.getloadavg()[0],
    }  # fmt: skip
