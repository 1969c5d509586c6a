"""What one pass did: what was read and recorded, what was delivered, and what failed and why.

Rules: values and their words; the daemon counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.suggest import listing

__all__ = ["PassReport"]


@dataclass(frozen=True, slots=True)
class PassReport:
    """What came of one pass."""

    sources: int
    """How many sources were to be read."""

    unread: Mapping[str, str]
    """Why a source could not be read to the end, by source."""

    events: int
    """How many events were recorded."""

    delivered: int
    """How many messages were delivered."""

    failed: int
    """How many attempts failed."""

    troubled: Mapping[str, str]
    """Why a receiver did not take what was due, by receiver."""

    @property
    def went_well(self) -> bool:
        """Whether everything was read and delivered."""
        return not (self.unread or self.failed or self.troubled)

    def describe(self, *, rehearsed: bool = False) -> str:
        """Return the whole in one line; `rehearsed` is whether nothing was really sent."""
        read = f"{_count(self.sources - len(self.unread), 'source')} read"
        if self.unread:
            read += f", not {_reasons(self.unread)}"
        if rehearsed:
            sent = f"{_count(self.delivered, 'message')} would be sent, nothing is saved"
        else:
            sent = f"{self.delivered} delivered"
        if self.failed or self.troubled:
            sent += f", {self.failed} failed"
        if self.troubled:
            sent += f" ({_reasons(self.troubled)})"
        return f"{read}; {_count(self.events, 'event')}; {sent}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _reasons(reasons: Mapping[str, str]) -> str:
    return listing(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
