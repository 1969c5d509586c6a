"""Hours of a week on a wall clock, and when they open next.

Law: pure. Hours are open exactly while the clock on the wall there shows a time within one of
their windows. So an hour that daylight saving repeats counts twice, one that it leaves out not
at all, and a window whose beginning is left out opens with the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from watcher.settings.calendar import DAY

__all__ = ["Hours", "Window", "first_instant", "instants"]

_LOOKS = 16
"""Days to look ahead for an opening: a week, and one more for what a change of clocks leaves out."""

_STEP = timedelta(hours=6)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until before `end`, in minutes of the wall clock after the midnight at which
    each of `days` begins. Where `end` is above 1440 the window reaches into the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def shows(self, day: int, minute: int) -> bool:
        """Whether a clock that shows this weekday and minute is within the window."""
        if day in self.days and self.start <= minute < self.end:
            return True
        return (day - 1) % 7 in self.days and self.start <= minute + DAY < self.end


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rule may tell. `otherwise` says what becomes of a message that comes due outside:
    ``hold`` (until the next opening), ``drop``, or the name of the receiver that gets it instead.
    """

    windows: tuple[Window, ...]
    zone: ZoneInfo
    otherwise: str = "hold"

    def open(self, at: datetime) -> bool:
        """Tell whether an instant is within the hours."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(window.shows(local.weekday(), minute) for window in self.windows)

    def next_opening(self, at: datetime) -> datetime:
        """Give the first instant from `at` on (itself where it is open) within the hours.

        Raises ValueError where there is none, which the configuration does not let happen.
        """
        if self.open(at):
            return at
        at = at.astimezone(UTC)
        for candidates in self._beginnings(at):
            found = [one for one in candidates if one > at and self.open(one)]
            if found:
                return min(found)
        raise ValueError("these hours never open")

    def _beginnings(self, at: datetime) -> Iterator[list[datetime]]:
        """Give, day by day, where a window can begin: at its start, or as the clock is changed."""
        today = at.astimezone(self.zone).date()
        for number in range(_LOOKS):
            day = today + timedelta(days=number)
            begins = [
                instant
                for window in self.windows
                if day.weekday() in window.days
                for instant in instants(self.zone, day, window.start)
            ]
            midnight, next_one = (first_instant(self.zone, one, 0) for one in (day, _after(day)))
            yield begins + list(_changes(self.zone, midnight - _SECOND, next_one))


def instants(zone: ZoneInfo, day: date, minute: int) -> tuple[datetime, ...]:
    """Give the instants (UTC) at which a clock shows a minute of a day: one, two where daylight
    saving repeats it; where it leaves it out, the instant at which the clock is changed.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first, second)
    return tuple(_changes(zone, second - _SECOND, first))[:1] or (first,)


def first_instant(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """Give the first instant (UTC) at which a clock shows a minute of a day, or jumps over it."""
    return instants(zone, day, minute)[0]


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Give the instants in (start, end] at which the clocks of a zone are changed."""
    while start < end:
        stop = min(start + _STEP, end)
        if _offset(zone, start) != _offset(zone, stop):
            before, after = start, stop
            while after - before > _SECOND:
                middle = before + (after - before) // (2 * _SECOND) * _SECOND
                same = _offset(zone, middle) == _offset(zone, before)
                before, after = (middle, after) if same else (before, middle)
            yield after
        start = stop


def _offset(zone: ZoneInfo, at: datetime) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _after(day: date) -> date:
    return day + timedelta(days=1)
