"""What a configuration needs of the machine: CPU, memory, disk.

Rules: pure. The figures below were measured (`python -m tests.bench`, docs/performance.md). Tables in
docs/sizing.md are made of them, `check` tells what they come to. They are those of Chatwoot's pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watcher.poller.request_plan import DAY, HOUR, UNKNOWN, RequestPlan

__all__ = ["USUAL_CHANGES", "Load", "Needs", "load_of", "mib", "needs_of", "shortages"]

PER_POLL = 0.0018
"""Seconds of CPU for a request of a poll in which nothing has changed."""

PER_SWEPT = 0.0002
"""Seconds of CPU for a row of a sweep that shows what is known."""

PER_EVENT = 0.005
"""Seconds of CPU from a change to the webhook that a receiver has taken."""

FIRST_LOOK = 0.00025
"""Seconds of CPU for a row of the baseline."""

PROCESS, PER_SOURCE, PER_CONVERSATION = 75 * 2**20, 32_000, 130
"""Bytes of memory: of the process, and for each source and known conversation."""

KEPT_SOURCE, KEPT_CONVERSATION, KEPT_EVENT = 1000, 560, 4000
"""Bytes of disk: for each source and conversation, and for each event with a delivery, while it is kept."""

PER_START = 0.010
"""Seconds of CPU that a start takes for each source until it has been read again."""

USUAL_CHANGES = 0.2
"""Events a day for each conversation, where nothing was recorded yet."""

FULL = 0.75
"""Share of a core that a daemon may need all the time: it is one process, and bursts need room."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be watched."""

    sources: int
    conversations: int
    polls: float
    """Requests of polls an hour."""

    swept: float
    """Rows of sweeps an hour."""

    changes: float
    """Events a day."""

    kept: float = 30.0
    """Days that events are kept."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What that takes of the machine."""

    cpu: float
    """Share of one core, all the time."""

    memory: float
    disk: float
    """Bytes."""

    baseline: float
    start: float
    """Seconds of CPU: of the first look at everything, and of a later start."""


def load_of(
    plans: Sequence[RequestPlan], *, changes: float | None = None, kept: float = 30.0
) -> Load:
    """Return the load of sources; `changes` is how many events a day they had, where that is known."""
    conversations = sum(
        UNKNOWN if one.conversations is None else one.conversations for one in plans
    )
    return Load(
        sources=len(plans),
        conversations=conversations,
        polls=sum(one.polling for one in plans),
        swept=sum(
            one.sweeps * (UNKNOWN if one.conversations is None else one.conversations)
            for one in plans
        ),
        changes=USUAL_CHANGES * conversations if changes is None else changes,
        kept=kept,
    )


def needs_of(load: Load) -> Needs:
    """Return what a load takes."""
    polling = load.polls * PER_POLL + load.swept * PER_SWEPT
    return Needs(
        cpu=polling / HOUR + load.changes * PER_EVENT / DAY,
        memory=PROCESS + load.sources * PER_SOURCE + load.conversations * PER_CONVERSATION,
        disk=load.sources * KEPT_SOURCE
        + load.conversations * KEPT_CONVERSATION
        + load.changes * load.kept * KEPT_EVENT,
        baseline=load.sources * PER_START + load.conversations * FIRST_LOOK,
        start=load.sources * PER_START,
    )


def shortages(
    needs: Needs, *, memory: float | None, disk: float | None
) -> Iterator[tuple[str, str]]:
    """Yield what does not suffice, and what to do; `memory` and `disk` are what there is (None: unknown)."""
    if needs.cpu > FULL:
        yield (
            f"all sources need about {needs.cpu:.1f} cores, and a daemon is one process on one core;"
            " polls would be late (visible as lag)",
            "lengthen `poll_every` and `sweep_every`, or divide the sources between two daemons",
        )
    if memory is not None and needs.memory > memory:
        yield (
            f"they need about {mib(needs.memory)} of memory, and this machine has {mib(memory)}",
            "watch fewer sources here, or add memory",
        )
    if disk is not None and needs.disk > disk:
        yield (
            f"they come to about {mib(needs.disk)} of disk, and {mib(disk)} are free for the store",
            "keep events for a shorter time (`retention`), or move `store` to a larger disk",
        )


def mib(size: float) -> str:
    """Return a size for people."""
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"
