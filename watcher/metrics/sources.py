"""What Prometheus reads of single sources: made when it asks, kept nowhere.

Rules: pure. Ten thousand sources would have a hundred thousand numbers. Up to a number
(`server.metrics_sources`) each has its own; beyond it, those that do not stand well, and the few that are
next to; all are counted by provider and state.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

from watcher.metrics import PREFIX
from watcher.metrics.series import Kind, gauges
from watcher.standing import WORST

__all__ = ["NEXT", "Glance", "SourceReading", "chosen", "counted", "families"]

STATES = {
    "ok": "ok",
    "starting": "starting",
    "no baseline": "starting",
    "stale": "late",
    "failing": "failing",
    "held": "held",
}
"""How sources are counted, by how they stand (`watcher.standing`)."""

RANKS = {standing: rank for rank, standing in enumerate(WORST)}
"""The worst first."""

COUNTED = ("ok", "starting", "late", "failing", "held")

NEXT = 20
"""Sources beyond those that do not stand well: half of them have the oldest wait, half the least budget."""


class Glance(NamedTuple):
    """What decides whether a source has series of its own."""

    source: str
    provider: str
    standing: str
    lag: float
    """Seconds since it was last looked at."""

    waiting: datetime | None
    """Since when somebody waits there at longest."""

    quota: int | None
    """Requests that the provider said are left to all that share the limit."""


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What is read of a source that has series of its own."""

    source: str
    provider: str
    failing: bool
    held: bool
    stale: bool
    last_success: float | None
    """When the provider last answered as it should, in seconds since 1970; None where it has not yet."""

    last_sweep: float | None
    """When the last complete sweep began, likewise."""

    conversations: int
    unread: int
    oldest_wait: float
    """Seconds that somebody has waited for an answer, 0 where nobody does."""

    planned: float | None
    """Requests a second that its intervals ask for, None where the provider does not say what walks cost."""

    limit: float
    """Requests a second that the provider allows to all that share its limit."""

    quota: int | None
    """Requests that the provider said are left to all of them."""

    waited: float
    """Seconds that requests have waited for that limit."""


def chosen(sources: Sequence[Glance], most: int) -> Sequence[str]:
    """Return the sources that have series of their own: all, where they are no more than `most`."""
    if len(sources) <= most:
        return [one.source for one in sources]
    if not most:
        return ()
    unwell = heapq.nsmallest(
        most,
        (one for one in sources if one.standing != "ok"),
        key=lambda one: (RANKS[one.standing], -one.lag),
    )
    waiting = ((one.waiting, one.source) for one in sources if one.waiting is not None)
    scarce = ((one.quota, one.source) for one in sources if one.quota is not None)
    others = (*heapq.nsmallest(NEXT // 2, waiting), *heapq.nsmallest(NEXT // 2, scarce))
    found = [one.source for one in unwell] + [source for _rank, source in others]
    return [*dict.fromkeys(found)]


Read = Callable[[SourceReading], float | None]

SERIES: tuple[tuple[Kind, str, str, Read], ...] = (
    ("gauge", "info", "Which provider a source is of.", lambda one: 1.0),
    ("gauge", "failing", "1 while a source fails.", lambda one: one.failing),
    ("gauge", "held", "1 while a sweep of the source is held.", lambda one: one.held),
    (
        "gauge", "stale", "1 while the source fails or has not been read for three poll intervals.",
        lambda one: one.stale,
    ),
    (
        "gauge", "last_success_timestamp_seconds",
        "When the source was last read, in seconds since the epoch.",
        lambda one: one.last_success,
    ),
    (
        "gauge", "last_sweep_timestamp_seconds",
        "When the last complete sweep began, in seconds since the epoch.",
        lambda one: one.last_sweep,
    ),
    ("gauge", "conversations", "Conversations known.", lambda one: one.conversations),
    ("gauge", "unread_conversations", "Of them, unread.", lambda one: one.unread),
    (
        "gauge", "oldest_wait_seconds", "How long the one who waits longest has waited for an answer.",
        lambda one: one.oldest_wait,
    ),
    (
        "gauge", "planned_requests_per_second", "What the source's intervals ask for.",
        lambda one: one.planned,
    ),
    (
        "gauge", "limit_requests_per_second",
        "What the provider allows to all that share the source's limit.",
        lambda one: one.limit,
    ),
    (
        "gauge", "quota_remaining_requests", "What the provider said is left of that limit.",
        lambda one: one.quota,
    ),
    (
        "counter", "budget_wait_seconds", "Time that requests have waited for that limit.",
        lambda one: one.waited,
    ),
)  # fmt: skip
"""What each source has of its own; the names begin with `inbox_watcher_source_`."""


def counted(sources: Sequence[Glance]) -> Metric:
    """Return how many sources there are by provider and state."""
    providers = sorted({one.provider for one in sources})
    states = Counter((one.provider, STATES[one.standing]) for one in sources)
    return gauges(
        f"{PREFIX}sources",
        "Sources by how they stand.",
        ("provider", "state"),
        ((each, states[each]) for each in product(providers, COUNTED)),
    )


def families(sources: Sequence[SourceReading]) -> Iterator[Metric]:
    """Yield the series of sources that have their own."""
    for kind, name, text, read in SERIES:
        values = (
            ((one.source, one.provider), float(value))
            for one in sources
            if (value := read(one)) is not None
        )
        yield gauges(f"{PREFIX}source_{name}", text, ("source", "provider"), values, kind)
