"""What all loops of one daemon share: store, clock, metrics, and what is configured at the moment.

Rules: values and callables only; nothing runs here. What one source or one receiver needs beyond
this is in its plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from watcher.clock import Clock
from watcher.links import Links
from watcher.metrics import Metrics
from watcher.page_gate import PageGate
from watcher.records import Recorded
from watcher.rules import Rule, Silence
from watcher.store import Store

__all__ = ["Admit", "Confirm", "Publish", "Runtime"]

Publish = Callable[[Sequence[Recorded]], None]
"""Announces events after they were committed."""

Confirm = Callable[[str, str], Awaitable[bool]]
"""Looks up one conversation (source, id) now and commits the result; False if that is impossible."""


Admit = Callable[[str, int], Awaitable[None]]
"""Called before a source writes so many bytes; raises SourceUnavailable where it has to wait."""


async def _admit_all(_source: str, _size: int) -> None: ...


async def _confirm_all(_source: str, _conversation: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What sources and receivers run in. The defaults are those of a watcher without rules."""

    store: Store
    """Where everything is committed."""

    clock: Clock
    """Returns the current time."""

    metrics: Metrics = field(default_factory=Metrics)
    """The series that are counted; a registry of their own unless one is shared."""

    pages: PageGate = field(default_factory=PageGate)
    """What of pages all sources together hold."""

    rules: Callable[[], tuple[Rule, ...]] = lambda: ()
    """Returns the rules configured now; a reload replaces them."""

    silences: Callable[[], tuple[Silence, ...]] = lambda: ()
    """Returns all silences, configured ones first, then those added by commands."""

    keeps_texts: bool = True
    """Whether the store may hold what people write (`store_texts`)."""

    zone: Callable[[], tzinfo] = lambda: UTC
    """Returns the zone in which people read times, where their receiver has none of its own."""

    links: Callable[[], Links | None] = lambda: None
    """Returns what makes the links in messages, None where there are none."""

    publish: Publish = lambda _recorded: None
    """Called with the events of each commit."""

    confirm: Confirm = _confirm_all
    """Called before a delivery of a rule with `for` is sent."""

    admit: Admit = _admit_all
    """Called before what an answer showed is written."""

    receivers: Callable[[], int] = lambda: 1
    """Returns how many receivers there are now."""

    wake: Callable[[str], None] = lambda _receiver: None
    """Called with a receiver's name when something may be due for it."""
