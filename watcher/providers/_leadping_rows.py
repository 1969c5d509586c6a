"""One row of Leadping's inbox: its wanted fields, and the observation that they make.

Law: pure; knows one row's JSON and nothing of pages or walks.

Facts are from Leadping's published OpenAPI contract (`ConversationResponse`, June to September
2026) and from the older generated documentation of `POST /conversations/my`. No version marks a
property as required, so only `id` is demanded; a key that is absent was not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from watcher.model import Disposition, Message, Observation, rfc3339

__all__ = ["Row", "Time", "Wire", "missing", "number", "observe"]


def number(value: Any) -> Any:
    """Read a whole number in quotes: .NET's contract says "integer or string" of every integer."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value


def _filled(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _in_utc(at: datetime | None) -> datetime | None:
    # Year 1 is how .NET writes a DateTime that was never set.
    if at is None or at.year == 1:
        return None
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time outside of the calendar") from None


Text = Annotated[str | None, AfterValidator(_filled)]
"""An optional text; blank is the same as null, nothing."""

Time = Annotated[
    datetime | None,
    BeforeValidator(lambda value: None if value == "" else value),
    AfterValidator(_in_utc),
]
"""An optional ISO 8601 time with up to seven fractional digits; without a zone it is UTC."""


class Wire(BaseModel):
    """Leadping's JSON: keys in camel case, unknown ones ignored, ids sometimes numbers."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, coerce_numbers_to_str=True
    )


class LeadStatus(Wire):
    """`currentLeadStatus`, until 4 August 2026 `currentDisposition`; the shape stayed the same."""

    id: Text = None
    outcome: Text = None
    display_name: Text = None
    changed_at: Time = None
    changed_by_user_id: Text = None
    changed_by_automation_id: Text = None


class PhoneNumber(Wire):
    """One of the organization's own numbers, the one that sends."""

    id: Text = None
    name: Text = None
    value: Text = None


class Row(Wire):
    """The wanted part of a row. `nextStep`, `statusReason` and `avatarUrl` are noise."""

    id: Annotated[str, Field(min_length=1)]
    lead_id: Text = None
    first_name: Text = None
    last_name: Text = None
    email: Text = None
    lead_phone_number: Text = None
    last_snippet: Text = None
    last_event_at: Time = None
    last_event_is_internal_note: bool | None = None
    status: Text = None
    is_unread: bool | None = None
    is_archived: bool | None = None
    archived_at: Time = None
    archive_reason: Annotated[int | str | None, BeforeValidator(number)] = None
    current_lead_status: LeadStatus | None = None
    current_disposition: LeadStatus | None = None
    phone_number: PhoneNumber | None = None
    outbound_phone_number_override_id: Text = None
    active_outbound_phone_number_id: Text = None


SAME = {
    "lead_id": "contact.id",
    "email": "contact.email",
    "lead_phone_number": "contact.phone",
    "status": "status",
    "last_event_at": "last_activity_at",
    "archive_reason": "attributes.archive_reason",
    "outbound_phone_number_override_id": "attributes.outbound_phone_number_override_id",
    "active_outbound_phone_number_id": "attributes.active_outbound_phone_number_id",
}
"""Fields that are taken over as they are, with their paths in `Observation.fields`."""


def observe(row: Row, raw: Mapping[str, Any] | None = None) -> Observation:
    """Say what a row shows of its conversation; a path whose key the row lacks is left out."""
    return Observation(id=row.id, fields=dict(_shown(row)), raw=raw)


def _shown(row: Row) -> Iterator[tuple[str, Any]]:
    keys = row.model_fields_set
    for name, path in SAME.items():
        if name in keys:
            yield path, getattr(row, name)
    if keys >= {"first_name", "last_name"}:  # one alone would be half a name
        words = [name.strip() for name in (row.first_name, row.last_name) if name]
        yield "contact.name", " ".join(words) or None
    if row.is_unread is not None:  # no bool of a row is nullable: null shows nothing
        yield "unread", row.is_unread
        yield "unread_count", None
    if row.is_archived is not None:
        yield "archived", row.is_archived
    if keys >= {"last_snippet", "last_event_at"}:
        yield "last_message", _message(row)
    if keys & {"current_lead_status", "current_disposition"}:
        yield "disposition", _disposition(row.current_lead_status or row.current_disposition)
    # What is in `attributes` must read from the store as it was written: plain JSON.
    if "archived_at" in keys:
        yield "attributes.archived_at", rfc3339(row.archived_at) if row.archived_at else None
    if "phone_number" in keys:
        number = row.phone_number
        yield "attributes.phone_number", number.model_dump() if number else None


def _message(row: Row) -> Message | None:
    """Leadping tells no direction; of the last event it only says whether it was a note."""
    if row.last_snippet is None and row.last_event_at is None:
        return None
    return Message(
        text=row.last_snippet,
        direction="internal" if row.last_event_is_internal_note else None,
        at=row.last_event_at,
    )


def _disposition(status: LeadStatus | None) -> Disposition | None:
    if status is None:
        return None
    disposition = Disposition(
        id=status.id,
        label=status.display_name,
        outcome=status.outcome,
        changed_at=status.changed_at,
        changed_by=status.changed_by_user_id or status.changed_by_automation_id,
    )
    return None if disposition == Disposition() else disposition


def missing(rows: Sequence[Row]) -> tuple[str, ...]:
    """Name the raw keys that every row should have and that none of these has.

    `isUnread`, `isArchived` and `lastEventAt` are demanded always. Snippet and disposition may be
    null, and a server that leaves nulls out would show a young inbox without them: they are
    demanded only from rows that have some null written out.
    """
    if not rows:
        return ()
    shown = frozenset[str]().union(*(row.model_fields_set for row in rows))
    lacking = [
        to_camel(name)
        for name in ("is_unread", "is_archived")
        if all(getattr(row, name) is None for row in rows)
    ]
    if "last_event_at" not in shown:
        lacking.append("lastEventAt")
    if any(getattr(row, name) is None for row in rows for name in row.model_fields_set):
        if "last_snippet" not in shown:
            lacking.append("lastSnippet")
        if not shown & {"current_lead_status", "current_disposition"}:
            lacking.append("currentLeadStatus")
    return tuple(lacking)
