"""Default messages: what is said of each type of event where a rule has no words of its own.

Law: pure and total. Every event type of the contract has words here, and no event, however
sparse, makes them fail: an event that cannot be told well is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    if isinstance(conversation, Mapping):
        title = _title(event, conversation)
        lines = _about_conversation(event, conversation)
    else:
        replaced = data.get("outcome") == "replaced"
        titles = _REPLACED_TITLES if replaced else _OWN_TITLES
        title = titles.get(event.type, "{source}: {type}").format(
            source=event.source or "inbox-watcher", type=event.type
        )
        lines = _about_ourselves(data)
    delivery = part(data, "delivery")
    if delivery.get("kind") in ("for", "repeat"):
        lines.append(f"This still holds (rule: {delivery.get('rule')}).")
    origin = f"{event.source} ({data['provider']})" if data.get("provider") else event.source
    lines.append(", ".join(part for part in (origin, day_and_time(event.time)) if part))
    return line(title, LONGEST_TITLE), bounded("\n".join(lines), 2 * LONGEST_TEXT)


# Conversations


def _title(event: Event, conversation: Plain) -> str:
    """Say what happened, to whom, and from what to what."""
    who = person(conversation)
    changes = part(event.data, "changes")
    channel = conversation.get("channel")
    via = f"{who} ({channel})" if channel else who
    kind = event.type.removeprefix("conversation.")
    match kind:
        case "created":
            again = "Conversation is back" if event.data.get("returned") else "New conversation"
            return f"{again}: {via}"
        case "unread" | "message":
            return _message_title(kind, conversation, via)
        case "assigned":
            return f"Assigned: {who}, to {_side(changes, 'assignee', 'after', conversation)}"
        case "reassigned":
            before = _side(changes, "assignee", "before", {})
            after = _side(changes, "assignee", "after", conversation)
            return f"Reassigned: {who}, from {before} to {after}"
        case "unassigned":
            return f"Unassigned: {who}, from {_side(changes, 'assignee', 'before', {})}"
        case "labels_changed":
            return f"Labels changed: {who}, {_labels(changes)}"
        case "status_changed" | "disposition_changed" | "priority_changed" | "team_changed":
            name = kind.removesuffix("_changed")
            before = _side(changes, name, "before", {})
            after = _side(changes, name, "after", conversation)
            return f"{name.capitalize()} changed: {who}, from {before} to {after}"
        case "updated":
            names = ", ".join(name.replace("_", " ") for name in changes)
            return f"Updated: {who} ({names})" if names else f"Updated: {who}"
        case "removed":
            return (
                f"Removed: {who} ({_REMOVALS.get(str(event.data.get('reason')), 'reason unknown')})"
            )
    words = _PLAIN_TITLES.get(kind, kind.replace("_", " ").capitalize())
    return f"{words}: {who}"


_PLAIN_TITLES = {
    "read": "Read",
    "archived": "Archived",
    "unarchived": "Back from the archive",
    "contact_changed": "Contact changed",
}
_REMOVALS = {
    "deleted": "deleted at the provider",
    "access_lost": "no longer visible to us",
}


def _message_title(kind: str, conversation: Plain, via: str) -> str:
    direction = part(conversation, "last_message").get("direction")
    if kind == "unread":
        return f"New message from {via}" if direction == "inbound" else f"Unread: {via}"
    words = {"inbound": "New message from", "outbound": "Reply to", "internal": "Note on"}
    return f"{words[direction]} {via}" if direction in words else f"New message: {via}"


def _side(changes: Plain, name: str, side: str, conversation: Plain) -> str:
    """Spell one side of a change; the conversation stands in where the event has no such change."""
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

_OWN_TITLES = {
    "source.baselined": "Source {source} is being watched",
    "source.failing": "Source {source} is failing",
    "source.recovered": "Source {source} works again",
    "source.held": "Source {source}: implausible changes are held back",
    "source.released": "Source {source}: what was held back is decided",
    "receiver.failing": "Receiver {source} is failing",
    "receiver.recovered": "Receiver {source} works again",
    "watcher.network_failing": "The network is failing: no source can be reached",
    "watcher.network_recovered": "The network works again",
}

_REPLACED_TITLES = {
    "source.recovered": "Source {source}: its former trouble is over",
    "receiver.recovered": "Receiver {source}: its former trouble is over",
}
"""For troubles that ended because there is something else in their place."""


def _about_ourselves(data: Plain) -> list[str]:
    told: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("reason", lambda value: str(value)),
        ("remedy", lambda value: f"What to do: {value}"),
        ("outcome", lambda value: f"Outcome: {value}"),
        ("since", lambda value: f"Since {value}"),
    )
    return [words(data[key]) for key, words in told if data.get(key)]
