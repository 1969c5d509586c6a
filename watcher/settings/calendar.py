"""Days of the week, times of day, time zones and dates: the texts that stand for them.

Rules: reads nothing but the time zone database. What is raised here never repeats the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from watcher.suggest import nearest

__all__ = [
    "DAY",
    "EVERY_DAY",
    "UTC_ZONE",
    "WEEKDAYS",
    "format_days",
    "format_moment",
    "parse_between",
    "parse_days",
    "parse_moment",
    "parse_time",
    "parse_zone",
]

DAY = 24 * 60
"""Minutes."""

UTC_ZONE = ZoneInfo("UTC")

EVERY_DAY = frozenset(range(7))
"""Weekdays are counted from Monday, 0."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"(\d{1,2}):(\d{2})\Z", re.ASCII)


def parse_days(text: str) -> frozenset[int]:
    """Read `mon`, `mon-fri`, `fri-mon` or `sat, sun`; Monday is 0. Raise ValueError."""
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        start = _day(first)
        end = _day(last) if dash else start
        days.update(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    return frozenset(days)


def _day(word: str) -> int:
    found = [
        number
        for number, name in enumerate(WEEKDAYS)
        if len(word) >= 3 and name.startswith(word.lower())
    ]
    if len(found) != 1:
        raise ValueError("is not a day of the week")
    return found[0]


def format_days(days: frozenset[int]) -> str:
    """Write days of the week as the configuration has them: `mon-fri`, `sat,sun`."""
    parts: list[str] = []
    for first in range(7):
        if first not in days or first - 1 in days:
            continue
        last = next(day for day in range(first, 7) if day + 1 not in days)
        joint = "-" if last > first + 1 else ","
        begin, end = WEEKDAYS[first][:3], WEEKDAYS[last][:3]
        parts.append(begin if last == first else f"{begin}{joint}{end}")
    return ",".join(parts)


def parse_time(text: str) -> time:
    """Read `09:00`; raise ValueError."""
    minute = _minute(text)
    if minute == DAY:
        raise ValueError("is not a time of day from 00:00 to 23:59")
    return time(minute // 60, minute % 60)


def parse_between(text: str) -> tuple[int, int]:
    """Read `09:00-18:00` as minutes after midnight; `22:00-06:00` ends the day after, at 1800.

    Raise ValueError.
    """
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError("is not a span of time")
    start, end = _minute(first.strip()), _minute(last.strip())
    if start == DAY:
        raise ValueError("begins at 24:00, which is the next day's 00:00")
    if start == end:
        raise ValueError("is empty; the whole day is 00:00-24:00")
    return start, end if end > start else end + DAY


def _minute(text: str) -> int:
    match = _TIME.match(text)
    hour, minute = map(int, match.groups()) if match else (99, 0)
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        raise ValueError("is not a time of day from 00:00 to 24:00")
    return hour * 60 + minute


def parse_zone(text: str) -> ZoneInfo:
    """Find a zone of the IANA database, such as `Europe/Berlin`; raise ValueError, with the name
    that was probably meant where one is near.
    """
    if text:
        try:
            return ZoneInfo(text)
        except (LookupError, ValueError, OSError):  # a folder's name gives an OSError
            pass
    raise ValueError(_near(text, available_timezones()))


def _near(text: str, known: Iterable[str]) -> str:
    names = sorted(known)
    by_city = {name.rpartition("/")[2]: name for name in names}
    word = text.strip().replace(" ", "_")
    guess = nearest(word, names)
    if guess is None and (city := nearest(word, by_city)):
        guess = by_city[city]
    return guess or ""


def parse_moment(text: str, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Read a date, or a date and a time (`2026-12-24`, `2026-12-24 18:00`, with `Z` or an offset
    where it is not the wall clock of `zone`). A date alone is its beginning; with `last`, its end.

    Return UTC; raise ValueError.
    """
    plain = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", plain, re.ASCII):
            day = date.fromisoformat(plain) + timedelta(days=1 if last else 0)
            return datetime.combine(day, time(), zone).astimezone(UTC)
        moment = datetime.fromisoformat(plain)
        local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a date, or a date and a time") from None


def format_moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a time to the second as the wall clock of `zone` shows it, with its offset (`Z`: none):
    `2026-12-24 18:00:05+01:00`. `parse_moment` reads it.
    """
    return at.astimezone(zone).replace(microsecond=0).isoformat(" ").replace("+00:00", "Z")
