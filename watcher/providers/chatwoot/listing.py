"""Chatwoot's answers: a page of the list, or one conversation by itself, as observations.

Rules: pure; reads bodies of answers with status 200, and knows nothing of walks or verdicts.

Facts are from Chatwoot's own source, v4.15.1 and older tags: `index.json.jbuilder` (`data.meta`,
`data.payload`), `show.json.jbuilder` (the row itself, not wrapped), `_conversation.json.jbuilder`
with the contact, agent and team partials, and `Message#push_event_data`.

Only what is tracked is read. Presence, avatars, `can_reply` (computed from the clock), read
stamps, delivery ticks, `waiting_since` and `updated_at` change without an event that a person
would call a change, so no observation holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
)

from watcher.errors import SourceChanged
from watcher.model import Direction, Message, Observation, Reference, derive_id, rfc3339
from watcher.providers import Response
from watcher.providers.answers import MOST_ROWS, check_size, json_body

__all__ = ["Listing", "Row", "read_conversation", "read_listing"]

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
    """Return a time from epoch seconds (0 means never) or ISO 8601; one row has both forms."""
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
    """All keys but ids are optional: a key that is not in `model_fields_set` was not shown."""

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
    """Return the observation of a row; `links` is the address before its id in Chatwoot's own app."""
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
    """Return the fields of `meta`, which leaves out `assignee` and `team` when there is none."""
    fields: dict[str, Any] = {"assignee": None, "team": None}
    if meta.assignee is not None:
        # Bots and users are numbered separately. Before v4.8 there is no type, and only users.
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
    """Return the newest message that is not an activity line, as far as the row shows one."""
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


EXPECTED = ("status", "unread_count", "labels", "meta")
"""Keys that every row has had in every version since v2."""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _Counts(Wire):
    all_count: Annotated[int | None, BeforeValidator(_count)] = None


class _Inner(Wire):
    meta: _Counts
    payload: Annotated[list[WireRow], FailFast(), Field(max_length=MOST_ROWS)]


class _Envelope(Wire):
    data: _Inner


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list."""

    rows: tuple[Row, ...]
    """The rows that could be read."""

    ids: tuple[str, ...]
    """One id for each row, in the page's order; an unreadable row has a stand-in derived from its
    content, so that a page that repeats is recognised.
    """

    total: int | None
    """`all_count`, None without it."""

    complaints: tuple[str, ...] = ()
    """A line on each unreadable row."""

    missing: tuple[str, ...] = ()
    """The expected keys that no row has."""

    @property
    def observations(self) -> tuple[Observation, ...]:
        return tuple(row.observation for row in self.rows)

    @property
    def unusable(self) -> int:
        return len(self.ids) - len(self.rows)


def read_listing(response: Response, *, links: str, raw: bool) -> Listing:
    """Return the page of `{"data": {"meta": …, "payload": [row, …]}}`; raise SourceChanged for anything else.

    `links` is the address in Chatwoot's own app under which conversations stand. With `raw`
    each observation carries its decoded row.
    """
    check_size(response.body)
    if not raw:
        try:
            inner = _Envelope.model_validate_json(response.body).data
        except ValidationError:
            pass  # row by row, to keep the good ones and to name the bad ones
        else:
            rows = tuple(observe(wire, links, None) for wire in inner.payload)
            ids = tuple(wire.id for wire in inner.payload)
            missing = _missing(inner.payload)
            return Listing(rows, ids, inner.meta.all_count, (), missing)
    return _row_by_row(_decode(response), links, raw)


def read_conversation(response: Response, *, links: str, raw: bool) -> Row:
    """Return a single conversation, which comes unwrapped; raise SourceChanged for anything else."""
    plain = _decode(response)
    try:
        wire = WireRow.model_validate(plain)
    except ValidationError as error:
        raise SourceChanged(
            f"Chatwoot's answer is not a conversation ({_fault(error)})",
            "check that base_url is the address of Chatwoot itself",
        ) from None
    return observe(wire, links, plain if raw else None)


def _decode(response: Response) -> Any:
    plain = json_body(response)
    if plain is None:
        raise SourceChanged(
            "Chatwoot's answer is not JSON",
            "check base_url: a sign-in page or a proxy may answer in its place",
        )
    return plain


def _row_by_row(plain: Any, links: str, raw: bool) -> Listing:
    inner = plain.get("data") if isinstance(plain, dict) else None
    meta, payload = (inner.get("meta"), inner.get("payload")) if isinstance(inner, dict) else (0, 0)
    if not isinstance(meta, dict) or not isinstance(payload, list):
        raise SourceChanged(
            "Chatwoot's answer has no data.meta and data.payload",
            "check that base_url and account_id lead to Chatwoot's API",
        )
    if len(payload) > MOST_ROWS:
        raise SourceChanged(f"Chatwoot's answer has {len(payload)} rows, which no page has")
    wires: list[WireRow] = []
    rows: list[Row] = []
    ids: list[str] = []
    complaints: list[str] = []
    for row in payload:
        try:
            wire = WireRow.model_validate(row)
        except ValidationError as error:
            ids.append(derive_id(repr(row)))
            named = row.get("id") if isinstance(row, dict) else None
            name = str(named)[:20] if isinstance(named, int) else f"number {len(ids)} of the page"
            complaints.append(f"conversation {name} cannot be read: {_fault(error)}")
        else:
            wires.append(wire)
            ids.append(wire.id)
            rows.append(observe(wire, links, row if raw else None))
    total = _count(meta.get("all_count"))
    return Listing(tuple(rows), tuple(ids), total, tuple(complaints), _missing(wires))


def _fault(error: ValidationError) -> str:
    """Name the first fault by place and kind; never the value, which may be a customer's words."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{place}: {first['type'].replace('_', ' ')}"


def _missing(wires: list[WireRow]) -> tuple[str, ...]:
    shown: set[str] = set().union(*(wire.model_fields_set for wire in wires))
    return tuple(key for key in EXPECTED if wires and key not in shown)
