"""Values of an event as text for people.

Rules: pure; the only place where an assignee becomes a name and a list becomes a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

__all__ = [
    "cut",
    "format_instant",
    "format_time",
    "format_value",
    "line",
    "part",
    "person",
    "words_of",
]


def format_value(value: Any) -> str:
    """Format a value: a reference as its name (or its id), a list with commas."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        for key in ("name", "label", "text", "outcome", "id", "email", "phone"):
            if value.get(key):
                return str(value[key])
        return json.dumps(value, ensure_ascii=False, default=str) if value else "none"
    if isinstance(value, list | tuple):
        return ", ".join(format_value(one) for one in value) if value else "none"
    return str(value)


def part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within an object, empty where there is none."""
    value = whole.get(name)
    return value if isinstance(value, Mapping) else {}


def person(conversation: Mapping[str, Any]) -> str:
    """Return the name of the person on the other side, or the best substitute for it."""
    contact = part(conversation, "contact")
    for key in ("name", "phone", "email"):
        if contact.get(key):
            return str(contact[key])
    return f"conversation {conversation.get('id')}"


def words_of(message: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return the words of an event's message; of one without words, what it is (`[image]`, `[call]`).

    A mail's subject stands in front. Where the text is hidden from the receiver (`data.redacted`),
    nothing is said of it; where it was not kept (`data.withheld`), that there was one.
    """
    held = message.get("attachments")
    kinds = [str(kind) for kind in held] if isinstance(held, list | tuple) else []
    text = str(message.get("text") or "").strip()
    subject = f"Subject: {message['subject']}" if message.get("subject") else ""
    if not text and message.get("type") in _SAID_BY_TYPE and not kinds:
        kinds = [str(message["type"])]
    left_out = _names_text(data.get("redacted"))
    if not text and not left_out and _names_text(data.get("withheld")):
        kinds = ["text", *kinds]
    shown = f"[{', '.join(kinds)}]" if kinds else ""
    if message and not (text or subject or shown or left_out):
        shown = "[no text]"
    return "\n".join(one for one in (subject, text, shown) if one)


def _names_text(paths: Any) -> bool:
    return isinstance(paths, list | tuple) and "last_message.text" in paths


_SAID_BY_TYPE = (
    "call",
    "voicemail",
    "sticker",
    "location",
    "contact",
    "image",
    "audio",
    "video",
    "file",
)
"""Types of a message that say what it is."""


def line(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters."""
    return cut(" ".join(text.split()), most)


def cut(text: str, most: int, note: str = "…") -> str:
    """Return at most `most` characters of a text; one that was cut ends with `note`.

    Lone surrogates are replaced, because they cannot be sent to any receiver.
    """
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= most else whole[: most - len(note)].rstrip() + note


def format_time(at: datetime, zone: tzinfo = UTC, form: str = "%Y-%m-%d %H:%M %Z") -> str:
    """Format a time as the wall clock of a zone shows it, to the minute, with the zone's name."""
    return at.astimezone(zone).strftime(form)


_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})")


def format_instant(value: str, zone: tzinfo) -> str:
    """Format a time as events have it (`2026-11-20T10:00:05.123Z`); other texts stay as they are."""
    if not _INSTANT.fullmatch(value):
        return value
    # A provider's own text may look like a time and be none: the 13th month, an offset of days, or the
    # edge of the calendar.
    try:
        return format_time(datetime.fromisoformat(value), zone)
    except (ValueError, OverflowError):
        return value
