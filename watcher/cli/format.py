"""Events and deliveries in a line that a person reads.

Rules: pure; values in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from watcher.cli.ids import short_id
from watcher.model import Event
from watcher.pipeline.clocks import describe_skew
from watcher.records import Skew
from watcher.settings.calendar import format_moment
from watcher.settings.values import format_duration

__all__ = [
    "format_age",
    "format_changes",
    "format_count",
    "format_event",
    "format_times",
    "format_what",
    "format_who",
    "skew_words",
]

LONGEST = 60
"""Characters that are shown of one value."""

HEADLINES = ("name", "label", "text", "outcome", "id")
"""Keys that identify an object, the most specific first."""

_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
"""A time as events and notes have it."""


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


def format_event(event: Event, zone: ZoneInfo) -> str:
    """Format an event in one line: time, type, source, contact and changes."""
    words = (
        format_moment(event.time, zone),
        event.type,
        event.source,
        format_who(event),
        format_what(event, zone),
    )
    return "  ".join(word for word in words if word)


def format_who(event: Event) -> str:
    """Format the contact of an event's conversation, or the conversation's id."""
    contact = (event.data.get("conversation") or {}).get("contact") or {}
    named = (contact.get(key) for key in ("name", "email", "phone"))
    return next((_short(name) for name in named if name), event.subject or "")


def format_what(event: Event, zone: ZoneInfo) -> str:
    """Format what an event changed, field by field, or its reason."""
    data = event.data
    conversation = data.get("conversation")
    if conversation is None:
        remedy = f" ({data['remedy']})" if data.get("remedy") else ""
        given_up = data.get("event")  # of `delivery.dead`
        about = given_up if isinstance(given_up, Mapping) else {}
        of = f"{about.get('type')} {short_id(str(about.get('id')))}: " if about else ""
        return format_times(f"{of}{data.get('reason') or ''}{remedy}", zone)
    said = list(format_changes(event, zone))
    if event.type == "conversation.removed":
        said.append(f"reason: {data.get('reason')}")
    if not said and conversation.get("last_message"):
        said.append(_format_value(conversation["last_message"], zone))
    return ", ".join(said)


def format_changes(event: Event, zone: ZoneInfo) -> Iterator[str]:
    """Format each changed field with its values before and after."""
    changes: Mapping[str, Any] = event.data.get("changes") or {}
    for name, change in changes.items():
        yield from _format_change(name, change.get("before"), change.get("after"), zone)


def _format_change(name: str, before: Any, after: Any, zone: ZoneInfo) -> Iterator[str]:
    """Format one changed field; of an object with the same name, its changed parts."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        was, is_ = _headline(before), _headline(after)
        if was == is_:
            for key in dict.fromkeys((*before, *after)):
                if before.get(key) != after.get(key):
                    yield from _format_change(
                        f"{name}.{key}", before.get(key), after.get(key), zone
                    )
            return
    yield f"{name}: {_format_value(before, zone)} → {_format_value(after, zone)}"


def _headline(value: Mapping[str, Any]) -> Any:
    return next((value[key] for key in HEADLINES if value.get(key) is not None), None)


def _format_value(value: Any, zone: ZoneInfo) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            headline = _headline(value)
            if headline is None:
                return ", ".join(
                    f"{key} {_format_value(each, zone)}" for key, each in value.items()
                )
            return _short(str(headline))
        case list() | tuple():
            return _short(", ".join(map(str, value))) or "none"
        case str() if _STAMP.fullmatch(value):
            return _moment(value, zone)
    return _short(str(value))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def skew_words(skew: Skew | None) -> str:
    """Return what it means that a provider's clock is off and what to do; empty where it is right."""
    if skew is None:
        return ""
    # What is known is known to a second or two: 23h59m58s are a day.
    return describe_skew(skew, format_age(60 * round(abs(skew.seconds) / 60)))
