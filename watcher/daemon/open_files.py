"""Whether the descriptors of this process suffice for what is configured, and what is said when they do not.

Rules: an upper bound, of connections that all are open at once; changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from watcher import descriptors
from watcher.config.model import Config
from watcher.errors import Problem
from watcher.logs import rarely
from watcher.settings.link import CONNECTIONS, USUAL
from watcher.web.connections import MOST

__all__ = ["foreseeable_shortage", "planned_descriptors", "quieten"]

OWN = 32
"""Of the process itself: the store, its lock, the event loop, listeners, standard streams."""


def planned_descriptors(config: Config) -> Mapping[str, int]:
    """Return how many descriptors each part of a configuration may need at once."""
    hosts: Counter[str] = Counter()
    alone = 0
    for source in config.sources:
        if source.link is USUAL:
            hosts["/".join(source.settings.base_url.split("/", 3)[:3])] += 1
        else:
            alone += 1
    server = config.server
    listeners = 1 if server is None else 2 + (server.probes is not None)
    return {
        "sources": alone + sum(min(count, CONNECTIONS) for count in hosts.values()),
        "receivers": sum(one.descriptors for one in config.receivers),
        "listeners": listeners * MOST,
        "the process": OWN + descriptors.SPARE,
    }


def foreseeable_shortage(config: Config) -> Iterator[Problem]:
    """Yield that a configuration may need more descriptors than the process may have."""
    planned, allowed = planned_descriptors(config), descriptors.reachable()
    if (total := sum(planned.values())) <= allowed:
        return
    parts = ", ".join(f"{what} {count:,}" for what, count in planned.items())
    yield Problem(
        "the limit of open files",
        0,
        0,
        f"up to {total:,} may be needed ({parts}), and this process may have {allowed:,};"
        " what finds none waits",
        descriptors.ADVICE,
    )


def quieten(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log at most once a minute, and without a traceback, that asyncio found no descriptor."""
    if not descriptors.spent(context.get("exception")):
        loop.default_exception_handler(context)
        return
    rarely(
        structlog.get_logger().error,
        f"no connection can be taken: {descriptors.REASON}",
        remedy=descriptors.ADVICE,
    )
