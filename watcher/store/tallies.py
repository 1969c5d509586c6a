"""What is counted of the things that happen, by the hour.

Rules: pure. Every store counts with these functions and writes what they return in the same transaction as
what is counted. Counted is what happened, not what there is: a delivery that died, was sent again and
arrived counts once as dead and once as delivered, each in its hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from watcher.model import Event
from watcher.records import RuleResult, TallyKind
from watcher.store.outbox import Change, OutboxRow

__all__ = ["HOUR", "Counted", "begun", "hour_of", "hours_of", "of_change", "of_events"]

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Counted = tuple[TallyKind, int, str, str]
"""The tally that something adds one to: kind, hour since 1970, name, and what happened to it."""

GUARDED = frozenset({"throttled", "silenced", "held", "dropped", "redirected"})
"""Why a rule did not send what was due; each counts once for the rule that was stopped."""

ENDED = frozenset({"delivered", "dead", "cancelled"})
"""How a delivery ends."""


def hour_of(at: datetime) -> int:
    """Return the number of the hour since 1970."""
    return (at - _EPOCH) // HOUR


def hours_of(since: datetime, until: datetime) -> tuple[int, int]:
    """Return the number of the hour of `since`, and of the first hour that begins at `until` or later: the
    hour that `until` is within still counts.
    """
    return hour_of(since), -((_EPOCH - until) // HOUR)


def begun(hour: int) -> datetime:
    """Return when an hour began."""
    return _EPOCH + hour * HOUR


def of_events(
    events: Sequence[Event], verdicts: Mapping[str, Sequence[RuleResult]]
) -> Iterator[Counted]:
    """Yield what new events of the log count as."""
    for event in events:
        if event.existing:
            continue
        hour = hour_of(event.time)
        yield "types", hour, event.type, ""
        yield "sources", hour, event.source, ""
        for result in verdicts.get(event.id, ()):
            if result.matched:
                yield "rules", hour, result.rule, "matched"


def of_change(row: OutboxRow, change: Change) -> Iterator[Counted]:
    """Yield what a change of a row counts as."""
    one, entry, state = row.delivery, change.entry, change.values.get("state")
    at = change.values.get("settled") or (entry.at if entry is not None else None) or one.created
    if entry is not None and entry.kind in GUARDED:
        rule, what = one.rule, str(entry.kind)
    elif state in ENDED and state != one.state:
        rule, what = change.values.get("rule", one.rule), state
    else:
        return
    yield "receivers", hour_of(at), one.receiver, what
    yield "rules", hour_of(at), rule, what
