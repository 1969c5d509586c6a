"""Time zones of rules and silences, and when the clock on a wall shows a time.

Rules: pure; reads nothing but the time zone database. A minute that daylight saving repeats comes
twice; one that it leaves out comes with the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo

from watcher.settings.base import Context, Mistake, Settings, context_of
from watcher.settings.calendar import UTC_ZONE
from watcher.settings.calendar_values import Zone

__all__ = [
    "OwnZone",
    "changes_between",
    "first_instant",
    "instants",
    "own_zone",
    "warn_of_utc",
]

_STEP = timedelta(hours=6)
_SECOND = timedelta(seconds=1)


class _LeftOut:
    """Stands for a time zone that is left out, until the configuration's own is known."""


def _or_configured(value: Any, info: ValidationInfo) -> Any:
    return (context_of(info).timezone or UTC_ZONE) if isinstance(value, _LeftOut) else value


OwnZone = Annotated[Zone, BeforeValidator(_or_configured)]
"""A time zone; where it is left out, the configuration's own, and UTC where there is none."""


def own_zone(description: str) -> Any:
    """Return the field of a time zone that may be left out."""
    return Field(default_factory=_LeftOut, validate_default=True, description=description)


def warn_of_utc(settings: Settings, context: Context, *loc: str) -> Iterator[Mistake]:
    """Yield a warning where times are in UTC because no time zone is written anywhere."""
    if "timezone" not in settings.model_fields_set and context.timezone is None:
        yield Mistake(
            "has no time zone, so UTC counts",
            "add `timezone: Europe/Berlin` (or yours) at the top level",
            loc,
            whole=True,
        )


def instants(zone: ZoneInfo, day: date, minute: int) -> tuple[datetime, ...]:
    """Return the instants (UTC) at which a clock shows a minute of a day: one, two where daylight
    saving repeats it; where it leaves it out, the instant at which the clock is changed.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first, second)
    return tuple(changes_between(zone, second - _SECOND, first))[:1] or (first,)


def first_instant(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """Return the first instant (UTC) at which a clock shows a minute of a day, or jumps over it."""
    return instants(zone, day, minute)[0]


def changes_between(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the instants in (start, end] at which the clocks of a zone are changed."""
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
