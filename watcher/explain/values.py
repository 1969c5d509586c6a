"""Values, people and ids as they stand in a sentence.

Rules: pure. A value of a stranger is one line of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from watcher.model import Delivery, Event
from watcher.settings.calendar import format_moment
from watcher.settings.durations import format_duration

__all__ = [
    "format_age",
    "format_count",
    "format_times",
    "format_value",
    "format_who",
    "headline",
    "short",
    "short_id",
    "short_key",
]

LONGEST = 60
"""Characters that are shown of one value."""

SHORT = 12
"""Characters of an id that are shown: enough to tell a million apart."""

HEADLINES = ("name", "label", "text", "outcome", "id")
"""Keys that identify an object, the most specific first."""

_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
"""A time as events and notes have it."""


def short_id(id_: str) -> str:
    """Return an id of events, deliveries or digests as it is shown."""
    return id_[:SHORT]


def short_key(delivery: Delivery) -> str:
    """Return what names one delivery: its id and its receiver."""
    return f"{short_id(delivery.id)}/{delivery.receiver}"


def format_age(seconds: float | None) -> str:
    """Format an age in its largest two units; None as nothing."""
    if seconds is None:
        return ""
    whole = timedelta(seconds=max(0, round(seconds)))
    if whole >= timedelta(days=1):
        whole -= whole % timedelta(hours=1)
    elif whole >= timedelta(hours=1):
        whole -= whole % timedelta(minutes=1)
    return format_duration(whole)


def format_count(number: int, noun: str) -> str:
    """Format how many there are of what a noun names."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_times(text: str, zone: ZoneInfo) -> str:
    """Return a text whose times in UTC are those of a zone."""
    return _STAMP.sub(lambda found: _moment(found[0], zone), text)


def _moment(stamp: str, zone: ZoneInfo) -> str:
    try:
        return format_moment(datetime.fromisoformat(stamp), zone)
    except (ValueError, OverflowError):  # the 13th month; a time at the calendar's edge
        return stamp


def format_who(event: Event) -> str:
    """Format the contact of an event's conversation, or the conversation's id."""
    contact = (event.data.get("conversation") or {}).get("contact") or {}
    named = (contact.get(key) for key in ("name", "email", "phone"))
    return next((short(name) for name in named if name), event.subject or "")


def format_value(value: Any, zone: ZoneInfo) -> str:
    """Format a value: an object by what identifies it, a time on the wall clock of a zone."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            named = headline(value)
            if named is None:
                return ", ".join(f"{key} {format_value(each, zone)}" for key, each in value.items())
            return short(str(named))
        case list() | tuple():
            return short(", ".join(map(str, value))) or "none"
        case str() if _STAMP.fullmatch(value):
            return _moment(value, zone)
    return short(str(value))


def headline(value: Mapping[str, Any]) -> Any:
    """Return what identifies an object; None where nothing does."""
    return next((value[key] for key in HEADLINES if value.get(key) is not None), None)


def short(text: str) -> str:
    """Return a text as one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
