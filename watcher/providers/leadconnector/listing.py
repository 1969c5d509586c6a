"""LeadConnector's JSON: from an answer's body to rows, from a row to an observation.

Rules: pure. Only `id` is demanded of a row, because only that can be relied on: the documentation
marks eleven keys as required, real rows have some thirty, and clients that were checked against
reality treat nearly all of them as optional, numbers also as text, times as epoch milliseconds
or ISO 8601. A value that cannot be read is left out with a complaint that names id and key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watcher.blank import is_blank
from watcher.errors import SourceChanged
from watcher.model import Evidence, Observation, Reference
from watcher.providers import Response, rows
from watcher.providers.answers import MOST_ROWS, json_body
from watcher.providers.leadconnector.message import hides, observe_message
from watcher.providers.leadconnector.values import EPOCH, millis, time, whole_number
from watcher.providers.leadconnector.walk import Mark
from watcher.providers.rows import (
    UNSHOWN,
    Row,
    Shown,
    flag,
    known,
    shown,
    text,
    texts,
)
from watcher.providers.rows import whole_number as count

__all__ = ["Listing", "SearchAnswer", "read_answer", "read_rows"]

EXPECTED = ("unreadCount",)
"""Keys without which the list would be a changed API. `assignedTo` is left out by the provider
of unassigned conversations, and empty imported conversations may lack the rest."""


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
        fields, absent, evidence = _observe(row)
        fields["url"] = link(id_)
        proven = {"assignee"} if unassigned else set()
        return Observation(
            id_,
            fields,
            frozenset(absent - proven),
            raw=row.plain if raw else None,
            evidence=evidence,
            activity_at=fields.get("last_activity_at") if hides(row) else None,
        )

    read = rows.read_rows(answer.rows, observe)
    gone = (*rows.missing(read.readers, EXPECTED), *rows.nowhere_readable(read.readers))
    return Listing(
        marks=tuple(_mark(plain, number) for number, plain in enumerate(answer.rows, 1)),
        rows=read.seen,
        unusable=read.unusable,
        complaints=read.complaints,
        missing=tuple(dict.fromkeys(gone)),
    )


def _mark(plain: Any, number: int) -> Mark:
    row = Row(plain if isinstance(plain, dict) else {})
    added, owner = known(row.read("dateAdded", time)), known(row.read("assignedTo", text))
    return Mark(row.id() or f"?{number}", _sort_value(row.plain), _ms(added), owner)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // timedelta(milliseconds=1)


def _sort_value(plain: Mapping[str, Any]) -> int | None:
    """Return the value that the list is sorted by: `sort[0]`, observed to equal lastMessageDate."""
    sort = plain.get("sort")
    first = millis(sort[0]) if isinstance(sort, list) and sort else None
    return first if first is not None else millis(plain.get("lastMessageDate"))


def _count(value: Any) -> int | None:
    return None if isinstance(value, str) and is_blank(value) else count(value)


def _observe(row: Row) -> tuple[dict[str, Any], set[str], Evidence]:
    """Return the fields that a row shows, the paths whose own key it lacks, and its evidence.

    Those paths are None, or read from a key that takes its place.
    """
    owner = row.read("assignedTo", text, absent=None)
    fields: dict[str, Any] = {
        "assignee": Reference(owner) if isinstance(owner, str) else owner,
        "contact.id": row.read("contactId", text),
        "contact.name": _name(row),
        "contact.email": row.read("email", text, absent=None),
        "contact.phone": row.read("phone", text, absent=None),
        "last_activity_at": row.read("lastMessageDate", time),
        "created_at": row.read("dateAdded", time),
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
    gone, evidence = observe_message(row, seen)
    return seen, absent | gone, evidence


def _name(row: Row) -> Shown[str]:
    full = row.read("fullName", text, absent=None)
    return row.read("contactName", text, absent=None) if full is None else full


def _listed(value: Shown[tuple[str, ...]]) -> Shown[list[str]]:
    return list(value) if isinstance(value, tuple) else value
