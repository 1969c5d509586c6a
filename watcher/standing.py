"""How a source stands, in a word or two: for whoever counts sources, or shows the worst of many.

Rules: pure. The worst comes first; a source may stand badly in several ways.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Standing", "counted", "standings", "worst"]

Standing = str
"""One of `WORST`."""

WORST: Sequence[Standing] = ("failing", "held", "stale", "no baseline", "starting", "ok")
"""All of them, the worst first."""


def standings(
    *, failing: bool, held: bool, baselined: bool, stale: bool, looked: bool
) -> list[Standing]:
    """Return how a source stands: whether it fails, is held, has its baseline, was not read for too long,
    and was ever looked at in this run.
    """
    found = []
    if failing:
        found.append("failing")
    if held:
        found.append("held")
    if not baselined:
        found.append("no baseline")
    elif stale and not failing:
        found.append("stale" if looked else "starting")
    return found or ["ok"]


def counted(sources: Iterable[Standing]) -> dict[Standing, int]:
    """Return how many there are of each, the worst first."""
    counts = Counter(sources)
    return {one: counts[one] for one in WORST if one in counts}


def worst(sources: Mapping[str, tuple[Standing, float]], most: int | None) -> list[str]:
    """Return the names of the `most` that stand worst, those first that were read longest ago; of no
    more than so many, all in their order. Each comes with the seconds since it was read.
    """
    if most is None or len(sources) <= most:
        return [*sources]
    ranks = {one: rank for rank, one in enumerate(WORST)}

    def badness(name: str) -> tuple[int, float]:
        standing, lag = sources[name]
        return ranks[standing], -lag

    return heapq.nsmallest(most, sources, key=badness)
