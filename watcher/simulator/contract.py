"""A simulated state in the words of the public contract, as one provider is able to show it.

Rules: pure. This is the simulators' own reading of the contract's `data.conversation`; it shares
nothing with the code under test, so that the two can disagree.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from watcher.simulator.state import Activity, Kind, Message, State
from watcher.simulator.versions import NEWEST, Version, can
from watcher.simulator.waiting import ANSWERS

__all__ = ["CHATWOOT_CAP", "canonical", "newest_event", "rfc3339", "unread_count"]

CHATWOOT_CAP = 10
"""Chatwoot counts no further since v3.0.0 (conversation.rb, `.last(10)`)."""


SHOWN: dict[Kind, frozenset[str]] = {
    "chatwoot": frozenset({"image", "audio", "video", "file", "location", "contact"}),
    "highlevel": frozenset({"call", "voicemail"}),
    "leadping": frozenset(),
}
"""What rows show of a message besides words."""


def rfc3339(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def newest_event(state: State) -> Message | Activity | None:
    """Return the newest line of the conversation, the system's included."""
    lines: list[Message | Activity] = [*state.activities]
    if state.message is not None:
        lines.append(state.message)
    return max(lines, key=lambda line: (line.at, line.id), default=None)


def unread_count(kind: Kind, state: State, version: Version = NEWEST) -> int | None:
    """Return the count that the provider shows: none at Leadping, at most ten at Chatwoot of today."""
    if kind == "leadping":
        return None
    if kind == "highlevel":
        return state.unread
    unseen = sum(line > state.seen_line for _, line in state.inbound)
    return min(unseen, CHATWOOT_CAP) if can(version, "counts unread to ten") else unseen


def canonical(kind: Kind, state: State, version: Version = NEWEST) -> dict[str, Any]:
    """Return the conversation as the contract's section 2 writes it (times as RFC 3339).

    `version` is that of a Chatwoot, which may have no priorities yet.

    Left out are `url`, `created_at` and `last_activity_at`, which never change alone.
    The keys of `attributes` are the simulator's own; a provider may track more of them.
    """
    count = unread_count(kind, state, version)
    return {
        "id": state.id,
        "contact": {
            "id": state.contact.id,
            "name": state.contact.name,
            "email": state.contact.email,
            "phone": state.contact.phone,
        },
        "channel": state.inbox.channel,
        "unread": state.unread > 0 if count is None else count > 0,
        "unread_count": count,
        "assignee": _assignee(kind, state),
        "team": None if state.team is None else {"id": state.team.id, "name": state.team.name},
        "archived": state.archived,
        "status": state.status,
        "disposition": _disposition(state),
        "labels": sorted(state.labels),
        "priority": state.priority if can(version, "priorities") else None,
        "last_message": _last_message(kind, state),
        "waiting_since": waiting_since(kind, state),
        "attributes": _attributes(kind, state),
    }


def _assignee(kind: Kind, state: State) -> dict[str, Any] | None:
    agent = state.assignee
    if agent is None:
        return None
    name = None if kind == "highlevel" else agent.name  # HighLevel's row has the id alone
    return {"id": f"bot:{agent.id}" if agent.bot else agent.id, "name": name}


def _disposition(state: State) -> dict[str, Any] | None:
    outcome = state.disposition
    if outcome is None:
        return None
    return {
        "id": outcome.id,
        "label": outcome.label,
        "outcome": outcome.outcome,
        "changed_at": rfc3339(outcome.changed_at),
        "changed_by": outcome.changed_by,
    }


def _last_message(kind: Kind, state: State) -> dict[str, Any] | None:
    message = state.message
    if kind == "leadping":
        return _last_event(state)
    if message is None:
        return None
    # HighLevel's row has one word for what the last line is, and none for a note's channel.
    comment = kind == "highlevel" and message.direction == "internal"
    return {
        "text": message.text,
        "direction": message.direction,
        "type": "internal_comment" if comment else _form(kind, state, message),
        "at": rfc3339(_kept(kind, message.at)),
        "automated": None if comment else _automated(message),
        "subject": _subject(state, message) if kind == "chatwoot" else None,
        "attachments": sorted({*message.attachments} & SHOWN[kind]),
    }


def waiting_since(kind: Kind, state: State) -> str | None:
    """Return since when somebody waits; Leadping does not tell who wrote."""
    since = state.waiting_since
    return None if since is None or kind == "leadping" else rfc3339(_kept(kind, since))


def _kept(kind: Kind, at: datetime) -> datetime:
    """Return a time as finely as the provider shows it."""
    return at.replace(microsecond=0) if kind == "chatwoot" else at


def _automated(message: Message) -> bool:
    """Return whether a machine wrote it: a customer and a colleague with a note are none."""
    return message.direction == "outbound" and message.sender not in ANSWERS


def _form(kind: Kind, state: State, message: Message) -> str:
    """Return the channel, or what a message is by itself."""
    if kind == "chatwoot":
        return "input_csat" if message.sender == "survey" else state.inbox.channel
    call = kind == "highlevel" and {"call", "voicemail"} & {*message.attachments}
    return "call" if call else state.inbox.channel


def _subject(state: State, message: Message) -> str | None:
    """Return what the mail is about; all messages of a conversation have the first one's subject."""
    own = message.subject or state.mail_subject
    return None if message.direction == "internal" else own


def _last_event(state: State) -> dict[str, Any] | None:
    """Return Leadping's last event: its time with the newest message's preview."""
    event = newest_event(state)
    if event is None:
        return None
    note = isinstance(event, Message) and event.direction == "internal"
    return {
        "text": None if state.message is None else state.message.text,
        "direction": "internal" if note else None,
        "type": None,
        "at": rfc3339(event.at),
        "automated": None,
        "subject": None,
        "attachments": [],
    }


def _attributes(kind: Kind, state: State) -> dict[str, Any]:
    """Return the extras that a person would call a change; machine-written hints are noise."""
    if kind == "highlevel":
        return {"starred": state.starred, "followers": sorted(state.followers)}
    if kind == "chatwoot":
        until = None if state.snoozed_until is None else rfc3339(state.snoozed_until)
        return {"custom_attributes": dict(state.attributes), "snoozed_until": until}
    return {
        "archived_at": None if state.archived_at is None else rfc3339(state.archived_at),
        "archive_reason": state.archive_reason,
        "active_outbound_phone_number_id": state.attributes.get("activeOutboundPhoneNumberId"),
    }
