"""What a poll comes to: who is let in, what is looked up, whether the watermark moves.

Rules: pure. A row that a poll does not show means nothing. Membership in an id set is only a
suspicion: the row itself is asked for. Only a poll that could read all of it moves the watermark;
after one that went past a page that fails, or met rows that cannot be read, the next poll asks for
the same time again.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from watcher.errors import SourceError
from watcher.model import Snapshot
from watcher.pipeline.announce import SourceReport, StateUpdate
from watcher.pipeline.health import judge_schema
from watcher.pipeline.schema_drift import value_at
from watcher.records import SourceState

__all__ = [
    "SET_PAGES",
    "PollConclusion",
    "PollSummary",
    "conclude",
    "goes_past",
    "suspects",
    "unexplained",
]

SET_PAGES = 3
"""Set polls run only while the set fits in so many pages."""

SUSPECTS_PER_POLL = 20
"""Look-ups that one poll may spend on suspicions; the next poll goes on."""

FAILING_POLLS = 3
"""Polls in a row that met a page that fails, after which they go past it."""

PAGES_PAST = 2
"""Pages that a poll tries behind a failing one: a provider that is down is not asked for them all."""


@dataclass(frozen=True, slots=True)
class PollSummary:
    """What the pages of a poll came to."""

    whole: bool
    """Whether every page came and every row could be read."""

    newest: datetime | None
    """Up to when all activity has been seen, by the rows' own stamps."""

    total: int | None
    """The provider's own count of conversations, None where it gives none."""

    missing: frozenset[str]
    """Raw keys that no row of a page had."""


@dataclass(frozen=True, slots=True)
class PollConclusion:
    """What follows from a poll that has ended."""

    update: StateUpdate | None
    """How the watermark moves; None where it stays."""

    report: SourceReport | None
    """A report about keys that vanished."""

    sweep: Literal["now", "soon"] | None
    """Whether a sweep is due before its time."""

    drift: int | None
    """By how much the provider's own count differs from ours since the last sweep."""


def conclude(
    poll: PollSummary,
    state: SourceState,
    *,
    known: int,
    began: datetime,
    vanished: frozenset[str],
    crowded: bool,
    drift: int | None,
    compares: bool,
    now: datetime,
) -> PollConclusion:
    """Conclude a poll; `known` conversations are present after it.

    `began` is when it began, by our clock, `vanished` what lost its value together
    with its key, `crowded` whether new rows wait for a sweep to decide. `drift` is that of the
    polls before, since the last sweep; None after a sweep. `compares` is whether the
    provider's count can be compared: a sweep has gone before and none is under way.
    """
    sweep: Literal["now", "soon"] | None = None
    if compares and poll.total is not None:
        # The difference may be constant for years (rows that are hidden from the list). When it
        # changes, rows came or went that polls do not show.
        before, drift = drift, poll.total - known
        if before is not None:
            sweep, drift = ("soon" if drift != before else None), before
    # A crowd of new rows waits for a sweep, unless a person is to decide about another one first.
    if crowded and state.hold is None:
        sweep = "now"
    return PollConclusion(
        update=_watermark(poll, state, began) if poll.whole else None,
        report=judge_schema(state, poll.missing, vanished, whole=False, now=now),
        sweep=sweep,
        drift=drift,
    )


def _watermark(poll: PollSummary, state: SourceState, began: datetime) -> StateUpdate:
    # The time of the last poll may be stored later: losing it costs a longer look, never a change.
    newest_moved = poll.newest != state.newest
    return StateUpdate({"newest": poll.newest, "polled": began}, force=newest_moved)


def goes_past(error: SourceError, failed_in_a_row: int, failing_polls: int) -> bool:
    """Return whether a poll goes on behind a page that fails.

    `failed_in_a_row` counts the pages of this poll, `failing_polls` polls in a row, this one
    included.
    """
    # Where every request fails, the next page would, too.
    if error.concerns_all or failed_in_a_row > PAGES_PAST:
        return False
    # A page that failed once is tried again: most failures pass by themselves.
    return failing_polls >= FAILING_POLLS


def suspects(
    known: AbstractSet[str], shown: AbstractSet[str], excused: AbstractSet[str]
) -> tuple[str, ...]:
    """Return the known members that an id set lacked and that are to be looked up now.

    `excused` were looked up before and are members all the same.
    """
    return tuple(sorted(known - shown - excused)[:SUSPECTS_PER_POLL])


def unexplained(
    doubts: Mapping[str, frozenset[str]], known: Mapping[str, Snapshot]
) -> frozenset[str]:
    """Return the paths that rows lost and that still have their old values.

    `doubts` are the paths lost, by conversation; what an id set has proved since is no longer
    stored.
    """
    return frozenset(
        path
        for key, paths in doubts.items()
        if key in known and known[key].present
        for path in paths
        if value_at(known[key].conversation, path) is not None
    )
