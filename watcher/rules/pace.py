"""How often a rule tells: repeated, throttled, collected.

Law: pure. The boundary of a digest follows from the time of the event alone, so that events find
together without looking each other up.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from watcher.conditions import Context, EvaluationError, Expression
from watcher.model import Event
from watcher.rules.hours import instants
from watcher.settings.calendar import DAY, EVERY_DAY

__all__ = ["Digest", "Repeat", "Throttle", "digest_key", "throttle_key"]

_MINUTE = timedelta(minutes=1)
_LOOKS = 16
"""Days to look ahead for a boundary, from yesterday on: a week, and one more."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Tell again `every` so long while the state lasts; after the first message at most `at_most`
    times (None: until the state ends).
    """

    every: timedelta
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """Tell once `within` so long; `by` says what counts as the same (None: the conversation)."""

    within: timedelta
    by: Expression | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """Collect until the next boundary on the wall clock of `zone`.

    Boundaries are the multiples of `every` after midnight (whole minutes that divide a day) and
    the times `at`, both on `days` only. Events with the same value of `by` become one message;
    None: all of them.
    """

    every: timedelta | None
    at: tuple[time, ...]
    zone: ZoneInfo
    by: Expression | None = None
    days: frozenset[int] = EVERY_DAY

    def boundary(self, at: datetime) -> datetime:
        """Give the first boundary after an instant, in UTC.

        A time of day that daylight saving repeats counts once, the first time; one that it leaves
        out comes with the change. Multiples of an hour and less go on through a repeated hour.
        Raises ValueError where there is none, which the configuration does not let happen.
        """
        at = at.astimezone(UTC)
        today = at.astimezone(self.zone).date()
        for number in range(-1, _LOOKS):
            day = today + timedelta(days=number)
            if day.weekday() not in self.days:
                continue
            found = _boundaries(self.zone, self.every, self.at, day)
            if found and found[-1] > at:
                return found[bisect_right(found, at)]
        raise ValueError("this digest has no boundary")


@lru_cache(maxsize=64)
def _boundaries(
    zone: ZoneInfo, every: timedelta | None, at: tuple[time, ...], day: date
) -> tuple[datetime, ...]:
    """Give the boundaries of one day in their order: up to 1,440, asked for by every event."""
    minutes = [(one.hour * 60 + one.minute, False) for one in at]
    if every is not None:
        step = every // _MINUTE
        minutes += [(minute, step <= 60) for minute in range(0, DAY, step)]
    found = {
        instant
        for minute, again in minutes
        for instant in instants(zone, day, minute)[: 2 if again else 1]
    }
    return tuple(sorted(found))


def throttle_key(throttle: Throttle, event: Event, known: Context) -> tuple[str, str]:
    """Give what an event counts as for a throttle, and what went wrong (empty: nothing).

    Without `by`, and where it cannot be evaluated, that is the conversation; for events without
    one the source.
    """
    alone = f"conversation {event.source}/{event.subject}" if event.subject else event.source
    if throttle.by is None:
        return alone, ""
    try:
        return throttle.by.key(known), ""
    except EvaluationError as failure:
        return alone, failure.message


def digest_key(digest: Digest, known: Context) -> tuple[str, str]:
    """Give the group that an event is collected in, and what went wrong (empty: nothing).

    Where `by` cannot be evaluated, that is the group of null.
    """
    if digest.by is None:
        return "", ""
    try:
        return digest.by.key(known), ""
    except EvaluationError as failure:
        return "null", failure.message
