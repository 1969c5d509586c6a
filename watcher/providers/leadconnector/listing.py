"""LeadConnector's JSON: from an answer's body to rows, from a row to an observation.

Rules: pure. Only `id` is demanded of a row, because only that can be relied on: the documentation
marks eleven keys as required, real rows have some thirty, and clients that were checked against
reality treat nearly all of them as optional, numbers also as text, times as epoch milliseconds
or ISO 8601. A value that cannot be read is left out with a complaint that names id and key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.blank import is_blank
from watcher.errors import SourceChanged
from watcher.model import Direction, Message, Observation, Reference
from watcher.providers import Response, rows
from watcher.providers.answers import MOST_ROWS, json_body
from watcher.providers.leadconnector.walk import Mark
from watcher.providers.rows import (
    UNSHOWN,
    Row,
    Shown,
    Unreadable,
    flag,
    known,
    shown,
    text,
    texts,
)
from watcher.providers.rows import whole_number as count

__all__ = ["Listing", "SearchAnswer", "millis", "read_answer", "read_rows", "whole_number"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = 100_000_000_000, 7_258_118_400_000
"""March 1973 to 2200 in epoch milliseconds: anything outside is not the time of a message (zero, epoch
seconds, a search index's filler for a missing value)."""

EXPECTED = ("unreadCount",)
"""Keys without which the list would be a changed API. `assignedTo` is left out by the provider
of unassigned conversations, and empty imported conversations may lack the rest."""

CHANNELS = {
    "GROUP_SMS": "sms", "SMS_NO_SHOW_REQUEST": "sms", "SMS_REACTION": "sms",
    "SMS_REVIEW_REQUEST": "sms", "LIVE_CHAT": "webchat", "FB_MESSENGER": "facebook",
    "FACEBOOK_COMMENT": "facebook", "INSTAGRAM_COMMENT": "instagram", "TIKTOK_COMMENT": "tiktok",
    "IVR_CALL": "call", "VOICEMAIL": "call", "FORM_SUBMISSION": "form",
}  # fmt: skip
CAMPAIGNS = ("CAMPAIGN_MANUAL_", "CAMPAIGN_", "CUSTOM_PROVIDER_", "CUSTOM_")
KINDS = {
    "TYPE_PHONE": "sms", "TYPE_EMAIL": "email", "TYPE_FB_MESSENGER": "facebook",
    "TYPE_REVIEW": "review", "TYPE_GROUP_SMS": "sms",
    "1": "sms", "2": "email", "3": "facebook", "4": "review", "5": "sms",
}  # fmt: skip
"""A conversation's own `type`: text in the list, a number in GET by id (documented)."""

DIRECTIONS: dict[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A search answer, undecoded beyond its frame."""

    rows: tuple[Any, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What the rows of a page show; the fields are those of `Page`, `marks` are for the walk."""

    marks: tuple[Mark, ...]
    rows: tuple[Observation, ...]
    unusable: int
    complaints: tuple[str, ...]
    missing: tuple[str, ...]


def read_answer(response: Response) -> SearchAnswer:
    """Return the rows and the total of a search answer; raise SourceChanged for anything else."""
    body = json_body(response)
    rows = body.get("conversations") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise SourceChanged(
            "the answer is not a list of conversations", "check base_url, or wait for an update"
        )
    if len(rows) > MOST_ROWS:
        raise SourceChanged(f"the answer has {len(rows)} rows where 100 were asked for")
    return SearchAnswer(tuple(rows), whole_number(body.get("total")))


def read_rows(
    answer: SearchAnswer, link: Callable[[str], str | None], *, unassigned: bool = False, raw: bool
) -> Listing:
    """Read each row on its own, so that a bad one does not cost another.

    `link` returns a conversation's address in the provider's app. `unassigned` states that the
    page was filtered for conversations without an assignee, which proves that one is missing.
    """

    def observe(row: Row, id_: str) -> Observation:
        fields, absent = _observe(row)
        fields["url"] = link(id_)
        proven = {"assignee"} if unassigned else set()
        return Observation(id_, fields, frozenset(absent - proven), raw=row.plain if raw else None)

    read = rows.read_rows(answer.rows, observe)
    gone = (*rows.missing(read.readers, EXPECTED), *rows.nowhere_readable(read.readers))
    return Listing(
        marks=tuple(_mark(plain, number) for number, plain in enumerate(answer.rows, 1)),
        rows=read.seen,
        unusable=read.unusable,
        complaints=read.complaints,
        missing=tuple(dict.fromkeys(gone)),
    )


def whole_number(value: Any) -> int | None:
    """Read a count that may be a number or its text; None for anything else."""
    try:
        return count(value)
    except Unreadable:
        return None


def millis(value: Any) -> int | None:
    """Read a time (epoch milliseconds, their text, or ISO 8601) as epoch milliseconds."""
    at = whole_number(value)
    if at is None and isinstance(value, float) and EARLIEST <= value <= LATEST:
        at = int(value)
    if at is None and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        at = (aware - EPOCH) // timedelta(milliseconds=1)
    return at if at is not None and EARLIEST <= at <= LATEST else None


def _mark(plain: Any, number: int) -> Mark:
    row = Row(plain if isinstance(plain, dict) else {})
    added, owner = known(row.read("dateAdded", _time)), known(row.read("assignedTo", text))
    return Mark(row.id() or f"?{number}", _sort_value(row.plain), _ms(added), owner)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // timedelta(milliseconds=1)


def _sort_value(plain: Mapping[str, Any]) -> int | None:
    """Return the value that the list is sorted by: `sort[0]`, observed to equal lastMessageDate."""
    sort = plain.get("sort")
    first = millis(sort[0]) if isinstance(sort, list) and sort else None
    return first if first is not None else millis(plain.get("lastMessageDate"))


def _time(value: Any) -> datetime | None:
    if isinstance(value, str) and is_blank(value):
        return None
    at = millis(value)
    if at is None:
        raise Unreadable
    return EPOCH + timedelta(milliseconds=at)


def _count(value: Any) -> int | None:
    return None if isinstance(value, str) and is_blank(value) else count(value)


def _observe(row: Row) -> tuple[dict[str, Any], set[str]]:
    """Return the fields that a row shows, and the paths whose own key the row lacks.

    Those are None, or read from a key that takes its place.
    """
    owner = row.read("assignedTo", text, absent=None)
    fields: dict[str, Any] = {
        "assignee": Reference(owner) if isinstance(owner, str) else owner,
        "contact.id": row.read("contactId", text),
        "contact.name": _name(row),
        "contact.email": row.read("email", text, absent=None),
        "contact.phone": row.read("phone", text, absent=None),
        "last_activity_at": row.read("lastMessageDate", _time),
        "created_at": row.read("dateAdded", _time),
    }
    unread = row.read("unreadCount", _count)
    if unread is not UNSHOWN:
        fields |= {"unread_count": unread or 0, "unread": (unread or 0) > 0}
    optional = {
        "assignee": "assignedTo",
        "contact.name": "fullName",
        "contact.email": "email",
        "contact.phone": "phone",
    }
    # Null shows nothing of these.
    for path, value in (
        ("labels", row.read("tags", texts)),
        ("attributes.starred", row.read("starred", flag)),
        ("attributes.followers", _listed(row.read("followers", texts))),
    ):
        fields[path] = UNSHOWN if value is None else value
    deleted, inbox = row.read("deleted", flag), row.read("inbox", flag)
    told = row.has("deleted") and row.has("inbox") and not row.failed("deleted", "inbox")
    if told or deleted is True or inbox is False:
        fields["archived"] = deleted is True or inbox is False
    absent = {path for path, key in optional.items() if not row.has(key)}
    seen = shown(fields)
    absent &= seen.keys()
    return seen, absent | _observe_message(row, seen)


def _name(row: Row) -> Shown[str]:
    full = row.read("fullName", text, absent=None)
    return row.read("contactName", text, absent=None) if full is None else full


def _listed(value: Shown[tuple[str, ...]]) -> Shown[list[str]]:
    return list(value) if isinstance(value, tuple) else value


def _observe_message(row: Row, fields: dict[str, Any]) -> set[str]:
    """Add `last_message` and `channel`; return which of them the row shows without their own key.

    Activity lines (`TYPE_ACTIVITY_OPPORTUNITY`, …) become a row's last message too; they say
    nothing of the last real one, nor, like internal comments, of the channel.
    """
    kind = known(row.text("lastMessageType"))
    if kind and (kind.startswith("TYPE_ACTIVITY") or kind == "TYPE_LIVE_CHAT_INFO_MESSAGE"):
        return set()
    # A type that cannot be read may be an activity line's.
    if row.failed("lastMessageType"):
        return set()
    content = known(row.text("lastMessageBody"))
    at = known(row.read("lastMessageDate", _time))
    # Nothing that could be read tells it from the one before.
    lost = content is None and at is None and row.failed("lastMessageBody", "lastMessageDate")
    if lost and kind != "TYPE_NO_SHOW":
        return _observe_channel(row, fields, kind)
    half = row.has("lastMessageBody") != row.has("lastMessageDate")  # a key vanished, no message
    if kind == "TYPE_NO_SHOW" or (content is None and at is None and not (kind and half)):
        # Observed on empty conversations that an import made.
        fields["last_message"] = None
        gone = not row.has("lastMessageType", "lastMessageBody", "lastMessageDate")
        return _observe_channel(row, fields, None) | ({"last_message"} if gone else set())
    comment = row.read("isLastMessageInternalComment", flag)
    internal = kind == "TYPE_INTERNAL_COMMENT" or comment is True
    direction = DIRECTIONS.get(known(row.text("lastMessageDirection")) or "")
    if internal:
        direction = "internal"
    elif row.failed("isLastMessageInternalComment"):
        direction = None  # it may be a comment
    fields["last_message"] = Message(text=content, direction=direction, type=_channel(kind), at=at)
    return set() if internal else _observe_channel(row, fields, kind)


def _observe_channel(row: Row, fields: dict[str, Any], kind: str | None) -> set[str]:
    """Add `channel`, by the message's type or else by the conversation's own.

    Return it where the row has no `lastMessageType`. Without that key, TYPE_PHONE proves nothing: it
    stands on conversations of any channel.
    """
    own = known(row.read("type", text))
    named = KINDS.get(own or "")
    if kind:
        fields["channel"] = _channel(kind) or named
    elif row.has("lastMessageType"):
        if row.has("type") and not row.failed("type"):
            fields["channel"] = named
    elif named is not None and own not in ("TYPE_PHONE", "1"):
        fields["channel"] = named
        return {"channel"}
    return set()


def _channel(kind: str | None) -> str | None:
    """Return the channel that a message type stands for; an unknown `TYPE_*` is its own name."""
    if not kind or not kind.startswith("TYPE_"):
        return None
    name = kind.removeprefix("TYPE_")
    for prefix in CAMPAIGNS:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    return CHANNELS.get(name, name.lower()) or None
