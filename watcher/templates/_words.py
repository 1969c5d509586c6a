"""Values in words: how what an event holds is spelled for people.

Law: pure; the one place where an assignee becomes a name and a list becomes a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["bounded", "day_and_time", "line", "part", "person", "spoken"]


def spoken(value: Any) -> str:
    """Spell a value: a reference by its name (its id where it has none), a list with commas."""
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
        return ", ".join(spoken(one) for one in value) if value else "none"
    return str(value)


def part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give an object within an object, an empty one where there is none."""
    value = whole.get(name)
    return value if isinstance(value, Mapping) else {}


def person(conversation: Mapping[str, Any]) -> str:
    """Name who is on the other side of a conversation."""
    contact = part(conversation, "contact")
    for key in ("name", "phone", "email"):
        if contact.get(key):
            return str(contact[key])
    return f"conversation {conversation.get('id')}"


def line(text: str, most: int) -> str:
    """Make one line of a text, at most so many characters long."""
    return bounded(" ".join(text.split()), most)


def bounded(text: str, most: int, note: str = "…") -> str:
    """Cut a text to so many characters; `note` stands at the end of what was cut.

    Lone surrogates, which no receiver can be sent, are replaced.
    """
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= most else whole[: most - len(note)].rstrip() + note


def day_and_time(at: datetime) -> str:
    """Spell a time to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
