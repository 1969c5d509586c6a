"""Default messages: what is said of each type of event where a rule has no words of its own.

Law: pure and total. Every event type of the contract has words here, and no event, however
sparse, makes them fail: an event that cannot be told well is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watcher.catalogue.events import EVENTS, EventType
from watcher.model import Event
from watcher.templates._words import bounded, day_and_time, line, part, person, spoken

__all__ = ["default_message"]

LONGEST_TITLE = 200
LONGEST_TEXT = 2_000

Plain = Mapping[str, Any]


def default_message(event: Event) -> tuple[str, str]:
    """Give title (one line) and body (plain text) for an event of any type."""
    data = event.data
    conversation = data.get("conversation")
    title = _title(event)
    if isinstance(conversation, Mapping):
        lines = _about_conversation(event, conversation)
    else:
        lines = _about_ourselves(data)
    delivery = part(data, "delivery")
    if delivery.get("kind") in ("for", "repeat"):
        lines.append(f"This still holds (rule: {delivery.get('rule')}).")
    origin = f"{event.source} ({data['provider']})" if data.get("provider") else event.source
    lines.append(", ".join(part for part in (origin, day_and_time(event.time)) if part))
    return line(title, LONGEST_TITLE), bounded("\n".join(lines), 2 * LONGEST_TEXT)


def _title(event: Event) -> str:
    """Return what happened and to whom: the title of the event's type, or a closer one.

    Where the event's data says more than its type does, the words are chosen here.
    """
    conversation = part(event.data, "conversation")
    source = event.source or "inbox-watcher"
    who = person(conversation) if conversation else source
    changes = part(event.data, "changes")
    channel = conversation.get("channel")
    via = f"{who} ({channel})" if channel else who
    direction = part(conversation, "last_message").get("direction")
    match event.type:
        case "conversation.created" if event.data.get("returned"):
            return f"Conversation is back: {via}"
        case "conversation.unread" if direction == "inbound":
            return f"New message from {via}"
        case "conversation.message" if words := _MESSAGES.get(str(direction)):
            return f"{words} {via}"
        case "conversation.labels_changed":
            return f"Labels changed: {who}, {_labels(changes)}"
        case "conversation.updated" if changes:
            return f"Updated: {who} ({', '.join(name.replace('_', ' ') for name in changes)})"
        case "conversation.removed":
            reason = _REMOVALS.get(str(event.data.get("reason")), "reason unknown")
            return f"Removed: {who} ({reason})"
    kind = EVENTS.get(event.type, _UNKNOWN)
    # A trouble can end without being solved: another one, or another account, took its place.
    replaced = event.data.get("outcome") == "replaced"
    title = kind.replaced if replaced and kind.replaced else kind.title
    return title.format(
        type=event.type,
        source=source,
        who=who,
        via=via,
        before=_side(changes, kind.sides_of, "before", {}),
        after=_side(changes, kind.sides_of, "after", conversation),
    )


_UNKNOWN = EventType(name="", title="{type}: {who}")
"""Stands in for the type of an event that another version of the program recorded."""

_MESSAGES = {"inbound": "New message from", "outbound": "Reply to", "internal": "Note on"}
_REMOVALS = {
    "deleted": "deleted at the provider",
    "access_lost": "no longer visible to us",
}


def _side(changes: Plain, name: str, side: str, conversation: Plain) -> str:
    """Format one side of a change; the conversation stands in where the event has no such change."""
    sides = part(changes, name) or {side: conversation.get(name)}
    value = sides.get(side)
    return "nobody" if value is None and name == "assignee" else spoken(value)


def _labels(changes: Plain) -> str:
    sides = part(changes, "labels")
    before, after = _texts(sides.get("before")), _texts(sides.get("after"))
    signs = [f"+{one}" for one in sorted(after - before)]
    signs += [f"-{one}" for one in sorted(before - after)]
    return " ".join(signs) or "none"


def _texts(value: Any) -> set[str]:
    return {spoken(one) for one in value} if isinstance(value, list | tuple) else set()


# Conversations


def _about_conversation(event: Event, conversation: Plain) -> list[str]:
    lines: list[str] = []
    message = part(conversation, "last_message")
    changes = part(event.data, "changes")
    kind = event.type.removeprefix("conversation.")
    if kind in ("created", "unread", "message") and message.get("text"):
        lines += [bounded(str(message["text"]).strip(), LONGEST_TEXT), ""]
    if kind not in ("unread", "message", "read"):
        lines += [text for name in changes for text in _changed(name, part(changes, name))]
    for name, words in (("assignee", "Assigned to"), ("team", "Team"), ("labels", "Labels")):
        if conversation.get(name) and name not in changes:
            lines.append(f"{words}: {spoken(conversation[name])}")
    if conversation.get("url"):
        lines.append(str(conversation["url"]))
    return lines


def _changed(name: str, sides: Plain) -> list[str]:
    """Tell one changed field in lines; of an object, only what differs in it."""
    before, after = sides.get("before"), sides.get("after")
    if name in ("contact", "attributes", "last_message") and isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        keys = [
            key for key in (*after, *(old.keys() - after.keys())) if old.get(key) != after.get(key)
        ]
        return [_arrow(key, old.get(key), after.get(key)) for key in keys]
    return [_arrow(name, before, after)]


def _arrow(name: str, before: Any, after: Any) -> str:
    words = name.replace("_", " ").capitalize()
    return f"{words}: {line(spoken(before), 200)} → {line(spoken(after), 200)}"


# The watcher itself


def _about_ourselves(data: Plain) -> list[str]:
    told: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("reason", lambda value: str(value)),
        ("remedy", lambda value: f"What to do: {value}"),
        ("outcome", lambda value: f"Outcome: {value}"),
        ("since", lambda value: f"Since {value}"),
    )
    return [words(data[key]) for key, words in told if data.get(key)]
