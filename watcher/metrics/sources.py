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
from itertools import product

from prometheus_client.metrics_core import Metric

from watcher.metrics import PREFIX
from watcher.metrics.series import Kind, gauges

__all__ = ["SourceReading", "families", "shown"]

STATES = {
    "ok": "ok",
    "starting": "starting",
    "no baseline": "starting",
    "stale": "late",
    "failing": "failing",
    "held": "held",
}
"""How sources are counted, by how they stand (`watcher.standing`)."""

COUNTED = ("ok", "starting", "late", "failing", "held")

NEXT = 20
"""Sources beyond those that do not stand well: half of them have the oldest wait, half the least budget."""


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What is read of one source."""

    source: str
    provider: str
    standing: str
    failing: bool
    held: bool
    stale: bool
    lag: float
    """Seconds since it was last looked at."""

    last_success: float | None
    """When the provider last answered as it should, in seconds since 1970; None where it has not yet."""

    last_sweep: float | None
    """When the last complete sweep began, likewise."""

    conversations: int
    unread: int = 0
    oldest_wait: float = 0.0
    """Seconds that somebody has waited for an answer, 0 where nobody does."""

    planned: float | None = None
    """Requests a second that its intervals ask for."""

    limit: float | None = None
    """Requests a second that the provider allows to all that share its limit."""

    quota: int | None = None
    """Requests that the provider said are left to all of them."""

    waited: float = 0.0
    """Seconds that requests have waited for that limit."""


def shown(sources: Sequence[SourceReading], most: int) -> Sequence[SourceReading]:
    """Return the sources that have series of their own: all, where they are no more than `most`."""
    if len(sources) <= most:
        return sources
    ranks = {"failing": 0, "held": 1, "late": 2, "starting": 3}
    unwell = heapq.nsmallest(
        most,
        (one for one in sources if STATES[one.standing] != "ok"),
        key=lambda one: (ranks[STATES[one.standing]], -one.lag, one.source),
    )
    if not most:
        return ()
    waiting = heapq.nlargest(NEXT // 2, sources, key=lambda one: one.oldest_wait)
    scarce = heapq.nsmallest(
        NEXT // 2,
        (one for one in sources if one.quota is not None),
        key=lambda one: (one.quota, one.source),
    )
    chosen = {one.source: one for one in (*unwell, *waiting, *scarce)}
    return [*chosen.values()]


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


def families(sources: Sequence[SourceReading], most: int | None) -> Iterator[Metric]:
    """Yield how many sources there are by provider and state, and the series of those that have their
    own; None: of all.
    """
    providers = sorted({one.provider for one in sources})
    states = Counter((one.provider, STATES[one.standing]) for one in sources)
    yield gauges(
        f"{PREFIX}sources",
        "Sources by how they stand.",
        ("provider", "state"),
        ((each, states[each]) for each in product(providers, COUNTED)),
    )
    chosen = sources if most is None else shown(sources, most)
    labels = ("source", "provider")
    for kind, name, text, read in SERIES:
        values = (
            ((one.source, one.provider), float(value))
            for one in chosen
            if (value := read(one)) is not None
        )
        yield gauges(f"{PREFIX}source_{name}", text, labels, values, kind)
