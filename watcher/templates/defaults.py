"""Default messages: for each type of event, for late ones, and for several events at once.

Rules: pure and total; `now` is an argument. The titles of event types stand in their table
(`watcher.catalogue.events`). No event, however sparse, makes a message fail. A body knows which of its
lines may be left out or shortened where a service takes little; how long it may be, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from watcher.catalogue.events import EVENTS, EventType
from watcher.markup import Keep, Part, Text
from watcher.model import Event
from watcher.wording import (
    format_instant,
    format_time,
    format_value,
    line,
    part,
    person,
    words_of,
)

__all__ = ["OF_WORDS", "default_message", "digest", "late_note"]

LONGEST_TITLE = 200
LONGEST_LINE = 200

Line = tuple[str, Keep]
"""A line of a body, and what becomes of it where there is little room."""

Plain = Mapping[str, Any]


def default_message(event: Event, zone: tzinfo = UTC, *, told: bool = False) -> tuple[str, Text]:
    """Return title (one line) and body (plain text) for an event of any type.

    `told`: another message to the same people holds the words of the last message.
    """
    data = event.data
    conversation = data.get("conversation")
    told = told and event.type in _TOLD_BESIDE
    title = _title(event, told=told)
    if isinstance(conversation, Mapping):
        lines = _about_conversation(event, conversation, zone, told=told)
    else:
        lines = [(text, "whole") for text in _about_ourselves(data, zone)]
    delivery = part(data, "delivery")
    if delivery.get("kind") in ("for", "repeat"):
        lines.append((f"This still holds (rule: {delivery.get('rule')}).", "whole"))
        if taken := part(data, "links").get("ack"):
            lines.append((f"I have it: {taken}", "whole"))
    if resolved := part(delivery, "resolved"):
        title = _over(event, title, resolved)
        over = f"It is over: {resolved.get('reason')} (rule: {delivery.get('rule')})."
        lines.append((over, "whole"))
    origin = f"{event.source} ({data['provider']})" if data.get("provider") else event.source
    last = ", ".join(part for part in (origin, format_time(event.time, zone)) if part)
    lines.append((last, "optional"))
    return line(title, LONGEST_TITLE), _body(lines)


OF_WORDS = ("conversation.message", "conversation.created")
"""The types that hold the words of a message, whatever comes beside them."""

_TOLD_BESIDE = ("conversation.unread", "conversation.waiting")
"""The types that come beside one of these."""


def _body(lines: Sequence[Line]) -> Text:
    """Return lines as one text; the break before a line goes with it."""
    parts: list[Part] = []
    for text, keep in lines:
        sound = text.encode(errors="replace").decode()  # halves of a pair reach no receiver
        before = [Part("\n", False, "optional" if keep == "optional" else "whole")] if parts else []
        parts += [*before, Part(sound, False, keep)]
    return Text(parts)


def _title(event: Event, *, told: bool = False) -> str:
    """Return what happened and to whom: the title of the event's type, or a closer one.

    Where the event's data says more than its type does, the words are chosen here.
    """
    conversation = part(event.data, "conversation")
    source = event.source or "inbox-watcher"
    who = person(conversation) if conversation else source
    changes = part(event.data, "changes")
    channel = conversation.get("channel")
    via = f"{who} ({channel})" if channel else who
    last = part(conversation, "last_message")
    direction = last.get("direction")
    match event.type:
        case "conversation.created" if event.data.get("returned"):
            return f"Conversation is back: {via}"
        case "conversation.unread" if direction == "inbound" and not told:
            return f"New message from {via}"
        case "conversation.message" if direction == "outbound" and last.get("automated"):
            return f"Automatic message to {via}"
        case "conversation.message" if words := _MESSAGES.get(str(direction)):
            return f"{words} {via}"
        case "conversation.answered":
            words = "Closed without an answer" if _closed(event) else "Answered"
            return f"{words}: {who}{_after(event.data.get('waited'))}"
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


def _over(event: Event, title: str, resolved: Plain) -> str:
    """Return the title of the message that tells that a state is over."""
    after = _after(resolved.get("seconds"))
    words = _OVER.get(str(resolved.get("reason")))
    who = person(part(event.data, "conversation"))
    return f"{words}: {who}{after}" if words else f"Over: {title}{after}"


_OVER = {
    "it was answered": "Answered",
    "it was closed without an answer": "Closed without an answer",
    "it was read": "Read",
}

_UNKNOWN = EventType(name="", title="{type}: {who}")
"""For events that another version of the program recorded."""

_MESSAGES = {"inbound": "New message from", "outbound": "Reply to", "internal": "Note on"}
_REMOVALS = {
    "deleted": "deleted at the provider",
    "access_lost": "no longer visible to us",
}


_WITH_WORDS = ("created", "unread", "message", "waiting", "answered")
"""The types whose message holds the words of the last one."""

_WORDS_OF: Mapping[str, str] = {"waiting": "inbound", "answered": "outbound"}
"""Whose words these types are about."""


def _closed(event: Event) -> bool:
    return event.type == "conversation.answered" and event.data.get("outcome") == "closed"


def _after(waited: Any) -> str:
    """Return how long somebody waited (`, after 1 hour 5 minutes`), nothing where it is not known."""
    if not isinstance(waited, int):
        return ""
    return f", after {_span(timedelta(seconds=waited)) or 'less than a minute'}"


def _side(changes: Plain, name: str, side: str, conversation: Plain) -> str:
    """Format one side of a change; the conversation stands in where the event has no such change."""
    sides = part(changes, name) or {side: conversation.get(name)}
    value = sides.get(side)
    return "nobody" if value is None and name == "assignee" else format_value(value)


def _labels(changes: Plain) -> str:
    sides = part(changes, "labels")
    before, after = _texts(sides.get("before")), _texts(sides.get("after"))
    signs = [f"+{one}" for one in sorted(after - before)]
    signs += [f"-{one}" for one in sorted(before - after)]
    return " ".join(signs) or "none"


def _texts(value: Any) -> set[str]:
    return {format_value(one) for one in value} if isinstance(value, list | tuple) else set()


# Conversations


def _about_conversation(
    event: Event, conversation: Plain, zone: tzinfo, *, told: bool
) -> list[Line]:
    lines: list[Line] = []
    message = part(conversation, "last_message")
    changes = part(event.data, "changes")
    kind = event.type.removeprefix("conversation.")
    if kind == "waiting" and part(event.data, "delivery").get("kind") == "resolved":
        kind = "answered"
    # Below a greeting stand other words than the customer's, above an answer others than ours.
    said = message.get("direction") == _WORDS_OF.get(kind, message.get("direction"))
    if kind in _WITH_WORDS and said and not told:
        words = words_of(message, event.data)
        lines += [(words, "short"), ("", "whole")] if words else []
    # What these change is the message itself, or that it was read or answered: the title says so.
    if kind not in ("unread", "message", "read", "waiting", "answered"):
        changed = [text for name in changes for text in _changed(name, part(changes, name), zone)]
        lines += [(text, "whole") for text in changed]
    if kind == "waiting" and isinstance(conversation.get("waiting_since"), str):
        since = format_instant(conversation["waiting_since"], zone)
        lines.append((f"Waiting since {since}", "optional"))
    for name, words in (("assignee", "Assigned to"), ("team", "Team"), ("labels", "Labels")):
        if conversation.get(name) and name not in changes:
            lines.append((f"{words}: {format_value(conversation[name])}", "optional"))
    if conversation.get("url"):
        lines.append((str(conversation["url"]), "whole"))
    return lines


def _changed(name: str, sides: Plain, zone: tzinfo) -> list[str]:
    """Format one changed field as lines; of an object, only the keys that differ."""
    before, after = sides.get("before"), sides.get("after")
    if name in ("contact", "attributes", "last_message") and isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        keys = [
            key for key in (*after, *(old.keys() - after.keys())) if old.get(key) != after.get(key)
        ]
        return [_arrow(key, old.get(key), after.get(key), zone) for key in keys]
    return [_arrow(name, before, after, zone)]


def _arrow(name: str, before: Any, after: Any, zone: tzinfo) -> str:
    words = name.replace("_", " ").capitalize()
    sides = (line(format_instant(format_value(side), zone), 200) for side in (before, after))
    return f"{words}: {' → '.join(sides)}"


# The watcher itself


def _about_ourselves(data: Plain, zone: tzinfo) -> list[str]:
    lines: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("reason", lambda value: str(value)),
        ("remedy", lambda value: f"What to do: {value}"),
        ("outcome", lambda value: f"Outcome: {value}"),
        ("event", _given_up),
        ("rule", lambda value: f"Rule: {value}"),
        ("since", lambda value: f"Since {format_instant(str(value), zone)}"),
    )
    return [words(data[key]) for key, words in lines if data.get(key)]


def _given_up(event: Any) -> str:
    """Return what a message was about that nobody got."""
    about = event if isinstance(event, Mapping) else {}
    of = f" of conversation {about['subject']}" if about.get("subject") else ""
    return f"It was about: {about.get('type')}{of}"


# Late messages, and one for several

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


def late_note(
    event_time: datetime,
    now: datetime,
    zone: tzinfo = UTC,
    *,
    after: datetime | None = None,
) -> str:
    """Return a sentence that says when something happened, for a message that is sent late.

    `after` is given where it is only known that it happened between then and `event_time`. The day
    is named only if it is not today's in this zone.
    """
    last, present = event_time.astimezone(zone), now.astimezone(zone)
    if after is not None:
        first = after.astimezone(zone)
        day = "" if first.date() == last.date() else _day(first, present)
        return f"This happened between {first:%H:%M}{day} and {_when(last, present)}."
    return f"This happened at {_when(last, present)}, {_ago(now - event_time)}."


def _when(at: datetime, present: datetime) -> str:
    return f"{at:%H:%M %Z}{_day(at, present)}"


def _day(at: datetime, present: datetime) -> str:
    return f" on {at:%Y-%m-%d}" if at.date() != present.date() else ""


def _ago(past: timedelta) -> str:
    """Format how long ago (`1 hour 5 minutes ago`)."""
    span = _span(past)
    return f"{span} ago" if span else "just now"


def _span(past: timedelta) -> str:
    """Format a time in its one or two largest units; nothing for less than a minute."""
    words: list[str] = []
    for name, unit in _UNITS:
        count, past = divmod(past, unit) if past > timedelta(0) else (0, past)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
        elif words:
            break  # `1 day 3 minutes` is no more useful than `1 day`
    return " ".join(words[:2])


def digest(notices: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return one message for several (title, body): a line for each, oldest first."""
    if len(notices) == 1:
        return notices[0]
    lines: list[Line] = [(f"- {_summary(title, body)}", "whole") for title, body in notices]
    return f"{len(notices)} notifications", _body(lines)


def _summary(title: str, body: str) -> str:
    first = next((text for text in body.splitlines() if text.strip()), "")
    return line(": ".join(part for part in (title.strip(), first.strip()) if part), LONGEST_LINE)
