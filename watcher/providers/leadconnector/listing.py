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
from typing import Any, TypeVar

from watcher.errors import SourceChanged
from watcher.model import Direction, Message, Observation, Reference
from watcher.providers import Response
from watcher.providers.answers import MOST_ROWS, json_body
from watcher.providers.leadconnector.walk import Mark

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

T = TypeVar("T")


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
    marks, rows, complaints = [], [], []
    for number, row in enumerate(answer.rows, 1):
        id_ = _id(row)
        marks.append(_mark(row, id_ or f"?{number}"))
        if id_ is None:
            complaints.append(f"row {number}: no readable id")
            continue
        reader = _Reader(row)
        fields, absent = _observe(reader)
        fields["url"] = link(id_)
        if unassigned:
            absent -= {"assignee"}
        complaints += [f"{id_[:60]}: {key} cannot be read" for key in reader.bad]
        kept = row if raw else None
        rows.append(Observation(id_, fields, frozenset(absent), raw=kept))
    objects = [row for row in answer.rows if isinstance(row, dict)]
    missing = [key for key in EXPECTED if objects and not any(key in row for row in objects)]
    unusable = len(answer.rows) - len(rows)
    return Listing(tuple(marks), tuple(rows), unusable, tuple(complaints), tuple(missing))


def whole_number(value: Any) -> int | None:
    """Read a count that may be a number or its text; None for anything else."""
    if isinstance(value, str):
        value = value.strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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


def _id(row: Any) -> str | None:
    value = row.get("id") if isinstance(row, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _mark(row: Any, id_: str) -> Mark:
    reader = _Reader(row if isinstance(row, dict) else {})
    added = millis(reader.row.get("dateAdded"))
    return Mark(id_, _sort_value(row), added, reader.word("assignedTo"))


def _sort_value(row: Any) -> int | None:
    """Return the value that the list is sorted by: `sort[0]`, observed to equal lastMessageDate."""
    if not isinstance(row, dict):
        return None
    sort = row.get("sort")
    first = millis(sort[0]) if isinstance(sort, list) and sort else None
    return first if first is not None else millis(row.get("lastMessageDate"))


class _Reader:
    """Reads one row's keys; `bad` collects those whose values could not be read."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self.bad: list[str] = []

    def has(self, *keys: str) -> bool:
        return any(key in self.row for key in keys)

    def _read(self, key: str, convert: Callable[[Any], T | None]) -> T | None:
        value = self.row.get(key)
        if value is None or value == "":
            return None
        converted = convert(value)
        if converted is None and key not in self.bad:
            self.bad.append(key)
        return converted

    def text(self, key: str) -> str | None:
        return self._read(key, lambda value: value if isinstance(value, str) else None)

    def word(self, key: str) -> str | None:
        """Read an id or a type, which may be a number."""
        return self._read(
            key,
            lambda value: str(value) if type(value) in (int, str) else None,
        )

    def flag(self, key: str) -> bool | None:
        return self._read(key, lambda value: value if isinstance(value, bool) else None)

    def count(self, key: str) -> int | None:
        return self._read(key, whole_number)

    def moment(self, key: str) -> datetime | None:
        at = self._read(key, millis)
        return None if at is None else EPOCH + timedelta(milliseconds=at)

    def words(self, key: str) -> list[str] | None:
        return self._read(key, _sorted_words)


def _sorted_words(value: Any) -> list[str] | None:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        return None
    return sorted(set(value))


def _observe(row: _Reader) -> tuple[dict[str, Any], set[str]]:
    """Return the fields that a row shows, and the paths whose own key the row lacks.

    Those are None, or read from a key that takes its place.
    """
    shown: dict[str, Any] = {}
    absent = set()
    owner = row.word("assignedTo")
    optional: dict[str, tuple[Any, tuple[str, ...]]] = {
        "assignee": (Reference(owner) if owner else None, ("assignedTo",)),
        "contact.name": (
            row.text("fullName") or row.text("contactName"), ("fullName", "contactName"),
        ),
        "contact.email": (row.text("email"), ("email",)),
        "contact.phone": (row.word("phone"), ("phone",)),
    }  # fmt: skip
    for path, (value, keys) in optional.items():
        if value is None and any(key in row.bad for key in keys):
            continue
        shown[path] = value
        if not row.has(keys[0]):
            absent.add(path)
    given = {
        "contact.id": (row.word("contactId"), "contactId"),
        "unread_count": (row.count("unreadCount"), "unreadCount"),
        "last_activity_at": (row.moment("lastMessageDate"), "lastMessageDate"),
        "created_at": (row.moment("dateAdded"), "dateAdded"),
    }
    shown |= {
        path: value for path, (value, key) in given.items() if row.has(key) and key not in row.bad
    }
    if "unread_count" in shown:
        shown["unread_count"] = shown["unread_count"] or 0
        shown["unread"] = shown["unread_count"] > 0
    if (tags := row.words("tags")) is not None:
        shown["labels"] = tuple(tags)
    if (starred := row.flag("starred")) is not None:
        shown["attributes.starred"] = starred
    if (followers := row.words("followers")) is not None:
        shown["attributes.followers"] = followers
    deleted, inbox = row.flag("deleted"), row.flag("inbox")
    complete = row.has("deleted") and row.has("inbox") and not {"deleted", "inbox"} & set(row.bad)
    if complete or deleted is True or inbox is False:
        shown["archived"] = deleted is True or inbox is False
    return shown, absent | _observe_message(row, shown)


def _observe_message(row: _Reader, shown: dict[str, Any]) -> set[str]:
    """Add `last_message` and `channel`; return which of them the row shows without their own key.

    Activity lines (`TYPE_ACTIVITY_OPPORTUNITY`, …) become a row's last message too; they say
    nothing of the last real one, nor, like internal comments, of the channel.
    """
    kind = row.text("lastMessageType")
    if kind and (kind.startswith("TYPE_ACTIVITY") or kind == "TYPE_LIVE_CHAT_INFO_MESSAGE"):
        return set()
    text, at = row.text("lastMessageBody"), row.moment("lastMessageDate")
    if not {"lastMessageType", "lastMessageBody", "lastMessageDate"}.isdisjoint(row.bad):
        return set()  # better the old message than half of the new one
    half = row.has("lastMessageBody") != row.has("lastMessageDate")  # a key vanished, no message
    if kind == "TYPE_NO_SHOW" or (text is None and at is None and not (kind and half)):
        # Observed on empty conversations that an import made.
        shown["last_message"] = None
        gone = not row.has("lastMessageType", "lastMessageBody", "lastMessageDate")
        return _observe_channel(row, shown, None) | ({"last_message"} if gone else set())
    internal = kind == "TYPE_INTERNAL_COMMENT" or row.flag("isLastMessageInternalComment") is True
    shown_direction = DIRECTIONS.get(row.text("lastMessageDirection") or "")
    direction = "internal" if internal else shown_direction
    word = _channel(kind)
    shown["last_message"] = Message(text=text, direction=direction, type=word, at=at)
    return set() if internal else _observe_channel(row, shown, kind)


def _observe_channel(row: _Reader, shown: dict[str, Any], kind: str | None) -> set[str]:
    """Add `channel`, by the message's type or else by the conversation's own.

    Return it where the row has no `lastMessageType`. Without that key, TYPE_PHONE proves nothing: it
    stands on conversations of any channel.
    """
    own = row.word("type")
    named = KINDS.get(own or "")
    if kind:
        shown["channel"] = _channel(kind) or named
    elif row.has("lastMessageType"):
        if row.has("type") and "type" not in row.bad:
            shown["channel"] = named
    elif named is not None and own not in ("TYPE_PHONE", "1"):
        shown["channel"] = named
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
