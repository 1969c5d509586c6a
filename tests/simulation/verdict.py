"""What comes of a seed: what it covered, and what was wrong with it.

Rules: values that travel between processes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Discrepancy", "Verdict"]


@dataclass(slots=True)
class Verdict:
    """What came of one seed. `digest` fingerprints its event log."""

    seed: int
    days: float
    wrong: list[str]
    digest: str
    covered: Counter[str]
    faults: Counter[str]
    deaths: Counter[str]
    changes: Counter[str]
    events: Counter[str]
    sources: Counter[str]
    seconds: float = 0.0
    timeline: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class Discrepancy:
    """Something that is wrong, at a true time."""

    at: float
    text: str
