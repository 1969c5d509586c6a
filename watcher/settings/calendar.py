"""Days of the week, times of day, time zones and dates: the texts that stand for them.

Rules: reads nothing but the time zone database. What is raised here never repeats the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema

from watcher.settings.base import wrong
from watcher.settings.values import reads
from watcher.suggest import nearest

__all__ = [
    "DAY",
    "EVERY_DAY",
    "Days",
    "Spans",
    "Times",
    "Zone",
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

EVERY_DAY = frozenset(range(7))
"""Weekdays are counted from Monday, 0."""

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
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
        for number, name in enumerate(_DAYS)
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
        begin, end = _DAYS[first][:3], _DAYS[last][:3]
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


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        if isinstance(value, str):
            return parse_zone(value)
        near = ""
    except ValueError as error:
        near = str(error)
    raise wrong(
        "is not a time zone",
        f"did you mean `{near}`?" if near else "write a name such as Europe/Berlin or UTC",
    )


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _days(value: Any) -> Any:
    if isinstance(value, frozenset):
        return value
    parts = [value] if isinstance(value, str) else value
    near = ""
    if isinstance(parts, list) and parts and all(isinstance(part, str) for part in parts):
        try:
            return frozenset().union(*map(parse_days, parts))
        except ValueError:
            near = ",".join(filter(None, map(_meant_days, parts)))
    meant = f"did you mean `{near}`?; " if near else ""
    raise wrong("is not a day of the week", f"{meant}write mon, mon-fri or sat,sun")


_SPOKEN = {"weekday": "mon-fri", "workday": "mon-fri", "weekend": "sat,sun", "daily": "mon-sun"}


def _meant_days(text: str) -> str:
    """Return the days of the week that were probably meant, empty where nothing comes close."""

    def meant(match: re.Match[str]) -> str:
        word = match.group()
        found = [name for name in _DAYS if name.startswith(word)] or [nearest(word, _DAYS) or ""]
        return found[0][:3] if len(found) == 1 else ""

    plain = text.strip().lower()
    spans = re.sub(r"\s*(?:-|–|\bto\b)\s*", "-", plain)
    near = _SPOKEN.get(plain.removesuffix("s")) or re.sub(r"[a-z]+", meant, spans)
    try:
        parse_days(near)
    except ValueError:
        return ""
    return near


def _one_or_more(pattern: str, *examples: str) -> WithJsonSchema:
    text = {"type": "string", "pattern": pattern, "examples": list(examples)}
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]})


_TIME_PATTERN = r"^([01]?\d|2[0-3]):[0-5]\d$"
_SPAN_REMEDY = "write it such as 09:00-18:00; over midnight 22:00-06:00; the whole day 00:00-24:00"
_SPAN_PATTERN = r"^\d{1,2}:[0-5]\d\s*-\s*\d{1,2}:[0-5]\d$"
Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]}),
]
_Time = Annotated[time, reads(parse_time, "a time of day", "write it such as 09:00")]
_Span = Annotated[tuple[int, int], reads(parse_between, "a span of time", _SPAN_REMEDY)]
_LIST = BeforeValidator(_listed)
_SOME = Field(min_length=1)
Times = Annotated[tuple[_Time, ...], _LIST, _SOME, _one_or_more(_TIME_PATTERN, "09:00")]
Spans = Annotated[
    tuple[_Span, ...], _LIST, _SOME, _one_or_more(_SPAN_PATTERN, "09:00-18:00", "22:00-06:00")
]
Days = Annotated[
    frozenset[int],
    BeforeValidator(_days),
    _one_or_more(r"^[A-Za-z ,-]+$", "mon-fri", "sat,sun"),
]
