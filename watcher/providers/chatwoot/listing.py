"""Chatwoot's answers: a page of the list, or one conversation by itself, as observations.

Rules: pure; reads bodies of answers with status 200, and knows nothing of walks or verdicts.

Facts are from Chatwoot's own source, v4.15.1 and older tags: `index.json.jbuilder` (`data.meta`,
`data.payload`), `show.json.jbuilder` (the row itself, not wrapped), `_conversation.json.jbuilder`
with the contact, agent and team partials, and `Message#push_event_data`.

Only what is tracked is read. Presence, avatars, `can_reply` (computed from the clock), read
stamps, delivery ticks and `updated_at` change without an event that a person would call a change, so no
observation holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from watcher.errors import SourceChanged
from watcher.model import Observation, Reference, derive_id, rfc3339
from watcher.providers import Response
from watcher.providers.answers import MOST_ROWS, json_body
from watcher.providers.chatwoot.message import read_evidence, read_newest
from watcher.providers.rows import (
    UNSHOWN,
    Row,
    Shown,
    epoch_seconds,
    flag,
    identifier,
    json_object,
    known,
    missing,
    nowhere_readable,
    read_rows,
    shown,
    text,
    texts,
    whole_number,
)

__all__ = ["Listing", "SeenRow", "read_conversation", "read_listing"]

CHANNELS: Mapping[str, str] = {
    "WebWidget": "webchat",
    "FacebookPage": "facebook",
    "TwilioSms": "sms",
    "TwitterProfile": "twitter",
    "Voice": "call",
}
"""Where our word is not just the class name in lower case (`Channel::Email` is `email`)."""

CONTACT: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "id": ("contact.id", text),
    "name": ("contact.name", text),
    "email": ("contact.email", text),
    "phone_number": ("contact.phone", text),
    "identifier": ("attributes.contact_identifier", text),
    "custom_attributes": ("attributes.contact_custom_attributes", json_object),
}
"""What is read of `meta.sender`: path and reader by key."""


@dataclass(frozen=True, slots=True)
class SeenRow:
    """An observation with the stamps that steer a walk; each None where the row shows none."""

    observation: Observation
    created_at: datetime | None
    updated_at: datetime | None
    last_activity_at: datetime | None


def observe(row: Row, id_: str, links: str, *, raw: bool) -> SeenRow:
    """Return the observation of a row; `links` is the address before its id in Chatwoot's own app."""
    status, unread = row.text("status"), row.read("unread_count", whole_number)
    created = row.read("created_at", epoch_seconds)
    updated = row.read("updated_at", epoch_seconds)
    # Before v2.17 there is no such key, and this one, which is the same time, stands in for it.
    active = row.read(
        "last_activity_at" if row.has("last_activity_at") else "timestamp", epoch_seconds
    )
    labels, sla = row.read("labels", texts), row.object("applied_sla")
    snoozed = row.read("snoozed_until", epoch_seconds)
    fields: dict[str, Any] = {
        "url": f"{links}/{quote(id_, safe='')}",
        "labels": () if labels is None else labels,
        "priority": row.text("priority"),
        "created_at": created,
        "last_activity_at": active,
        "attributes.custom_attributes": row.read("custom_attributes", json_object),
        "attributes.inbox_id": row.text("inbox_id"),
        "attributes.muted": row.read("muted", flag),
        "attributes.snoozed_until": rfc3339(snoozed) if isinstance(snoozed, datetime) else snoozed,
        "attributes.sla_status": (
            sla.read("sla_status", text, absent=None) if isinstance(sla, Row) else sla
        ),
    }
    # No row is without status and count: null shows nothing.
    if isinstance(status, str):
        fields |= {"status": status, "archived": status == "resolved"}
    if isinstance(unread, int):
        fields |= {"unread": unread > 0, "unread_count": unread}
    meta, channel = row.object("meta"), None
    if isinstance(meta, Row):
        name = meta.text("channel")
        channel = _channel(known(name))
        fields |= _around(meta)
        fields["channel"] = UNSHOWN if name is UNSHOWN else channel
    newest = read_newest(row, channel)
    fields["last_message"] = newest.message
    seen = Observation(
        id_,
        shown(fields),
        message_id=newest.id,
        raw=row.plain if raw else None,
        evidence=read_evidence(row, newest, fields),
        # `display_id`: a trigger numbers each account's conversations one by one, and none again.
        number=int(id_) if id_.isdecimal() and id_.isascii() else None,
        activity_at=newest.activity_at,
    )
    return SeenRow(seen, known(created), known(updated), known(active))


def _around(meta: Row) -> dict[str, Any]:
    """Return the fields of `meta`, which leaves out `assignee` and `team` when there is none."""
    fields: dict[str, Any] = {}
    # Bots and users are numbered separately. Before v4.8 there is no type, and only users.
    kind = meta.text("assignee_type")
    bot = "bot:" if kind == "AgentBot" else ""
    fields["assignee"] = _reference(meta, "assignee", bot)
    if meta.failed("assignee_type"):
        fields["assignee"] = UNSHOWN  # a bot's number may be a user's as well
    fields["team"] = _reference(meta, "team")
    sender = meta.object("sender")
    for key, (path, reader) in CONTACT.items():
        fields[path] = sender.read(key, reader) if isinstance(sender, Row) else sender
    return fields


def _reference(meta: Row, key: str, prefix: str = "") -> Shown[Reference]:
    if not meta.has(key):
        return None
    inner = meta.object(key)
    if not isinstance(inner, Row):
        return inner
    id_ = inner.read("id", identifier)
    if not isinstance(id_, str):
        inner.refuse("id")
        return UNSHOWN
    return Reference(f"{prefix}{id_}", known(inner.text("name")))


def _channel(name: str | None) -> str | None:
    last = (name or "").rpartition("::")[2]
    return CHANNELS.get(last, last.lower()) or None


EXPECTED = ("status", "unread_count", "labels", "meta")
"""Keys that every row has had in every version since v2."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list."""

    rows: tuple[SeenRow, ...]
    """The rows with a usable id."""

    ids: tuple[str, ...]
    """One id for each row, in the page's order; a row without one has a stand-in derived from its
    content, so that a page that repeats is recognised.
    """

    total: int | None
    """`all_count`, None without it."""

    complaints: tuple[str, ...] = ()
    """A line on each row with something that cannot be read."""

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
    plain = _decode(response)
    inner = plain.get("data") if isinstance(plain, dict) else None
    meta, payload = (inner.get("meta"), inner.get("payload")) if isinstance(inner, dict) else (0, 0)
    if not isinstance(meta, dict) or not isinstance(payload, list):
        raise SourceChanged(
            "Chatwoot's answer has no data.meta and data.payload",
            "check that base_url and account_id lead to Chatwoot's API",
        )
    if len(payload) > MOST_ROWS:
        raise SourceChanged(f"Chatwoot's answer has {len(payload)} rows, which no page has")
    read = read_rows(payload, lambda row, id_: observe(row, id_, links, raw=raw))
    gone = (*missing(read.readers, EXPECTED), *nowhere_readable(read.readers))
    return Listing(
        rows=read.seen,
        ids=tuple(_id(row) for row in payload),
        total=known(Row(meta).read("all_count", whole_number)),
        complaints=read.complaints,
        missing=tuple(dict.fromkeys(gone)),
    )


def _id(plain: Any) -> str:
    id_ = Row(plain).id() if isinstance(plain, dict) else None
    return derive_id(repr(plain)) if id_ is None else id_


def read_conversation(
    response: Response, *, links: str, raw: bool
) -> tuple[SeenRow, tuple[str, ...]]:
    """Return a single conversation, which comes unwrapped, and what of it cannot be read.

    Raise SourceChanged for anything else.
    """
    read = read_rows([_decode(response)], lambda row, id_: observe(row, id_, links, raw=raw))
    if read.unusable:
        raise SourceChanged(
            "Chatwoot's answer is not a conversation (it has no usable id)",
            "check that base_url is the address of Chatwoot itself",
        )
    return read.seen[0], read.complaints


def _decode(response: Response) -> Any:
    plain = json_body(response)
    if plain is None:
        raise SourceChanged(
            "Chatwoot's answer is not JSON",
            "check base_url: a sign-in page or a proxy may answer in its place",
        )
    return plain
