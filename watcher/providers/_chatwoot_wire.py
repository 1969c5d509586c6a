"""Chatwoot on the wire: how one row of its JSON becomes an observation.

Law: pure; knows the shape of a row, and nothing of pages, walks or verdicts.

Facts are from Chatwoot's own source, v4.15.1 and older tags: `_conversation.json.jbuilder` with
the contact, agent and team partials, and `Message#push_event_data`. Only what is tracked is
read. Presence, avatars, `can_reply` (computed from the clock), read stamps, delivery ticks,
`waiting_since` and `updated_at` move without anything having happened that a person would call
a change, so no observation holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field

from watcher.model import Direction, Message, Observation, Reference, rfc3339

__all__ = ["Row", "Wire", "WireRow", "observe"]

CHANNELS: Mapping[str, str] = {
    "WebWidget": "webchat",
    "FacebookPage": "facebook",
    "TwilioSms": "sms",
    "TwitterProfile": "twitter",
    "Voice": "call",
}
"""Where our word is not just the class name in lower case (`Channel::Email` is `email`)."""

DIRECTIONS: Mapping[int | str, Direction] = {
    0: "inbound", 1: "outbound", 3: "outbound",
    "incoming": "inbound", "outgoing": "outbound", "template": "outbound",
}  # fmt: skip
ACTIVITY = (2, "activity")
PLAIN_TEXT = (None, "text", "incoming_email")
"""Content types that say no more about a message than its channel does."""

CONTACT_PATHS: Mapping[str, str] = {
    "id": "contact.id",
    "name": "contact.name",
    "email": "contact.email",
    "phone_number": "contact.phone",
    "identifier": "attributes.contact_identifier",
    "custom_attributes": "attributes.contact_custom_attributes",
}


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise ValueError("not an id")


def _time(value: Any) -> datetime | None:
    """Read epoch seconds (0 means never) or ISO 8601; both stand side by side in one row."""
    if isinstance(value, bool):
        raise ValueError("not a time")
    if value is None or value in (0, "", "0"):
        return None
    try:
        if isinstance(value, str):
            if not value.replace(".", "", 1).isdecimal():
                at = datetime.fromisoformat(value)
                return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
            value = float(value)
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise ValueError("not a time") from None


def _filled(text: str | None) -> str | None:
    return text if text and text.strip() else None


Id = Annotated[str, BeforeValidator(_id)]
Time = Annotated[datetime | None, BeforeValidator(_time)]
Text = Annotated[str | None, AfterValidator(_filled)]


class Wire(BaseModel):
    """All keys but ids are optional: an absent key was not shown (`model_fields_set` tells)."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(Wire):
    id: Id
    content: Text = None
    content_type: str | None = None
    message_type: int | str | None = None
    private: bool | None = None
    created_at: Time = None


class _Contact(Wire):
    id: Id | None = None
    name: Text = None
    email: Text = None
    phone_number: Text = None
    identifier: Text = None
    custom_attributes: dict[str, Any] | None = None


class _Named(Wire):
    id: Id
    name: Text = None


class _Meta(Wire):
    sender: _Contact | None = None
    channel: Text = None
    assignee: _Named | None = None
    assignee_type: str | None = None
    team: _Named | None = None


class _Sla(Wire):
    sla_status: Text = None


class WireRow(Wire):
    id: Id
    inbox_id: Id | None = None
    status: Text = None
    unread_count: Annotated[int, Field(ge=0)] | None = None
    labels: Annotated[list[str] | None, FailFast()] = None
    priority: Text = None
    muted: bool | None = None
    custom_attributes: dict[str, Any] | None = None
    snoozed_until: Time = None
    created_at: Time = None
    updated_at: Time = None
    last_activity_at: Time = None
    applied_sla: _Sla | None = None
    last_non_activity_message: _Message | None = None
    messages: Annotated[list[_Message] | None, FailFast()] = None
    meta: _Meta | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """An observation with the stamps that steer a walk; each None where the row shows none."""

    observation: Observation
    created_at: datetime | None
    updated_at: datetime | None
    last_activity_at: datetime | None


def observe(wire: WireRow, links: str, raw: Mapping[str, Any] | None) -> Row:
    """Give the observation of a row; `links` and a slash precede its id in Chatwoot's own app."""
    fields: dict[str, Any] = {"url": f"{links}/{quote(wire.id, safe='')}"}
    shown = wire.model_fields_set
    channel = _channel(wire.meta.channel) if wire.meta else None
    if wire.status is not None:
        fields |= {"status": wire.status, "archived": wire.status == "resolved"}
    if wire.unread_count is not None:
        fields |= {"unread": wire.unread_count > 0, "unread_count": wire.unread_count}
    if "labels" in shown:
        fields["labels"] = tuple(sorted(set(wire.labels or ())))
    for key in ("priority", "created_at", "last_activity_at"):
        if key in shown:
            fields[key] = getattr(wire, key)
    for key in ("custom_attributes", "inbox_id", "muted"):
        if key in shown:
            fields[f"attributes.{key}"] = getattr(wire, key)
    if "snoozed_until" in shown:
        until = wire.snoozed_until
        fields["attributes.snoozed_until"] = rfc3339(until) if until else None
    if "applied_sla" in shown:
        fields["attributes.sla_status"] = wire.applied_sla.sla_status if wire.applied_sla else None
    if wire.meta is not None:
        fields |= _around(wire.meta, channel)
    newest = _newest_message(wire)
    if newest is not None:
        fields["last_message"] = _message(newest, channel)
    elif wire.last_non_activity_message is None and (
        "last_non_activity_message" in shown or wire.messages == []
    ):
        fields["last_message"] = None
    message_id = newest.id if newest is not None else None
    seen = Observation(wire.id, fields, message_id=message_id, raw=raw)
    return Row(seen, wire.created_at, wire.updated_at, wire.last_activity_at)


def _around(meta: _Meta, channel: str | None) -> dict[str, Any]:
    """Read `meta`, which leaves `assignee` and `team` out when there is none: absent is None."""
    fields: dict[str, Any] = {"assignee": None, "team": None}
    if meta.assignee is not None:
        # Bots and users are numbered apart. Before v4.8 there is no type, and only users.
        bot = "bot:" if meta.assignee_type == "AgentBot" else ""
        fields["assignee"] = Reference(f"{bot}{meta.assignee.id}", meta.assignee.name)
    if meta.team is not None:
        fields["team"] = Reference(meta.team.id, meta.team.name)
    if "channel" in meta.model_fields_set:
        fields["channel"] = channel
    if "sender" in meta.model_fields_set:
        sender = meta.sender or _Contact()
        keys = sender.model_fields_set if meta.sender else frozenset(_Contact.model_fields)
        for key, path in CONTACT_PATHS.items():
            if key in keys:
                fields[path] = getattr(sender, key)
    return fields


def _channel(name: str | None) -> str | None:
    last = (name or "").rpartition("::")[2]
    return CHANNELS.get(last, last.lower()) or None


def _newest_message(wire: WireRow) -> _Message | None:
    """Give the newest message that is no activity line, as far as the row shows one."""
    newest = wire.last_non_activity_message
    if "last_non_activity_message" not in wire.model_fields_set and wire.messages:
        newest = wire.messages[0]  # old versions: the newest line of any kind, none or one
    return newest if newest is not None and newest.message_type not in ACTIVITY else None


def _message(wire: _Message, channel: str | None) -> Message:
    kind = wire.message_type
    shown = DIRECTIONS.get(kind) if kind is not None else None
    return Message(
        text=wire.content,
        direction="internal" if wire.private else shown,
        type=channel if wire.content_type in PLAIN_TEXT else wire.content_type,
        at=wire.created_at,
    )
