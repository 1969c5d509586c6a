"""Values of an event as text for people.

Rules: pure; the only place where an assignee becomes a name and a list becomes a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["cut", "format_time", "format_value", "line", "part", "person"]


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


def line(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters."""
    return cut(" ".join(text.split()), most)


def cut(text: str, most: int, note: str = "…") -> str:
    """Return at most `most` characters of a text; one that was cut ends with `note`.

    Lone surrogates are replaced, because they cannot be sent to any receiver.
    """
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= most else whole[: most - len(note)].rstrip() + note


def format_time(at: datetime) -> str:
    """Format a time to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
