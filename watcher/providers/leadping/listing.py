"""Leadping's listings: the request for a page, and the observations that its answer shows.

Rules: pure; knows one request and one answer, and nothing of polls, sweeps or verdicts.

Facts are from Leadping's published OpenAPI contract (`ConversationResponse`, June to September
2026) and from the older generated documentation of `POST /conversations/my`. No version marks a
property as required, so only `id` is demanded; a key that is absent was not shown.

Every list is read by `POST` with the same body and envelope. The store behind it is Cosmos DB,
whose pages may be short or even empty while more follow: only the continuation token tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from watcher.errors import SourceChanged, SourceRefused, WalkExpired
from watcher.model import Disposition, Message, Observation, rfc3339
from watcher.providers import Request, Response
from watcher.providers.answers import MOST_ROWS, check_size, describe, json_body, judge

__all__ = ["ACCEPT", "INBOX", "Ask", "Lead", "Listing", "hear", "read_lead", "refused", "words"]


def number(value: Any) -> Any:
    """Return a whole number that stands in quotes: .NET's contract has "integer or string" everywhere."""
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
    """Return what a row shows of its conversation; a path whose key the row lacks is left out."""
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
        own = row.phone_number
        if own is None:
            yield "attributes.phone_number", None
        elif own.model_fields_set >= PhoneNumber.model_fields.keys():  # else a part was not shown
            yield "attributes.phone_number", own.model_dump()


def _message(row: Row) -> Message | None:
    """Return the last message. Leadping shows no direction, only whether the last event was a note."""
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


INBOX = "/conversations/my"
LONGEST_TOKEN = 65_536
"""Characters of a continuation token, which each next request carries back."""

ACCEPT = (("accept", "application/json"),)  # the contract of August 2026 prefers text/plain


@dataclass(frozen=True, slots=True)
class Ask:
    """One listing request, and with it the place where its walk stands."""

    archive: str | None
    """The value of `archiveFilter`, None to leave it out."""

    size: int
    """Rows of a page."""

    direction: Literal["asc", "desc"] = "desc"
    """The order by `lastEventAt`."""

    path: str = INBOX
    """The list that is asked."""

    token: str | None = None
    """The provider's continuation token as it came; it is good only for the very same request."""

    page: int = 1
    """The number of the page, from 1."""

    mark: str | None = None
    """An earlier token of this walk: to meet it again is to walk in a circle."""

    def request(self) -> Request:
        """Return the request; `pageSize` is a number, and the token is left out of a first page."""
        body: dict[str, Any] = {
            "pageSize": self.size,
            "orderBy": [{"field": "lastEventAt", "direction": self.direction}],
        }
        if self.token is not None:
            body["continuationToken"] = self.token
        params = () if self.archive is None else (("archiveFilter", self.archive),)
        return Request(self.path, "POST", params=params, json=body, headers=ACCEPT)

    def first(self) -> Ask:
        """Return the request for the first page of the same walk."""
        return replace(self, token=None, page=1, mark=None)

    def after(self, listing: Listing) -> Ask | None:
        """Return the next page's request, None at the end; raise SourceChanged in a circle.

        The mark moves at pages 1, 2, 4, 8, … (Brent), so a circle of any length is noticed
        without keeping every token.
        """
        token = listing.token
        if token is None:
            return None
        if token in (self.token, self.mark):
            raise SourceChanged(
                "the list leads in a circle: a continuation token came twice",
                "if it stays, tell Leadping's support; a smaller page_size may help",
            )
        mark = token if self.page & (self.page - 1) == 0 else self.mark
        return replace(self, token=token, page=self.page + 1, mark=mark)


@dataclass(frozen=True, slots=True)
class Listing:
    """One readable page; the fields that `Page` has too mean the same."""

    rows: tuple[Observation, ...] = ()
    token: str | None = None
    total: int | None = None
    unusable: int = 0
    complaints: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[datetime, ...]:
        """Return the rows' `lastEventAt` in the order of the page, leaving out those without."""
        found = (row.fields.get("last_activity_at") for row in self.rows)
        return tuple(at for at in found if at is not None)


Token = Annotated[str, Field(max_length=LONGEST_TOKEN)] | None


class Envelope(Wire):
    """One page as it should be; `continuationToken` null, absent or empty ends the walk."""

    items: Annotated[list[Row], FailFast(), Field(max_length=MOST_ROWS)]
    continuation_token: Token = None
    total_count: Annotated[int, Field(ge=0)] | None = None


class Head(Wire):
    """An envelope whose rows are read one by one."""

    items: Annotated[list[Any], Field(max_length=MOST_ROWS)]
    continuation_token: Token = None
    total_count: Any = None


class Lead(Wire):
    """The part of a lead that shows whether it was deleted (softly: records stay)."""

    id: str = Field(min_length=1)
    deleted_at: Time = None


def hear(ask: Ask, response: Response, *, raw: bool = False) -> Listing:
    """Return the page of a listing request; raise what `Provider.parse` raises.

    A token does not expire by age, but a new version of Leadping may refuse an old one with 400.
    """
    if response.status == 400 and ask.token is not None:
        raise WalkExpired(f"the continuation token is refused ({words(response)})")
    judge(response, refused=refused)
    check_size(response.body)
    if not raw:
        try:
            page = Envelope.model_validate_json(response.body)
        except ValidationError:
            pass  # the slow way names what is wrong, and saves the other rows
        else:
            rows = tuple(observe(row) for row in page.items)
            token = page.continuation_token or None
            return Listing(rows, token, page.total_count, missing=missing(page.items))
    try:
        head = Head.model_validate(json_body(response))
    except ValidationError as error:
        raise _no("page of conversations", error) from None
    return _row_by_row(head, raw=raw)


def _row_by_row(head: Head, *, raw: bool) -> Listing:
    rows: list[Row] = []
    observations: list[Observation] = []
    complaints: list[str] = []
    for place, plain in enumerate(head.items, start=1):
        try:
            row = Row.model_validate(plain)
        except ValidationError as error:
            complaints.append(_complaint(place, plain, error))
        else:
            rows.append(row)
            observations.append(observe(row, plain if raw else None))
    total = number(head.total_count)
    return Listing(
        rows=tuple(observations),
        token=head.continuation_token or None,
        total=total if type(total) is int and total >= 0 else None,
        unusable=len(complaints),
        complaints=tuple(complaints),
        missing=missing(rows),
    )


def _complaint(place: int, plain: Any, error: ValidationError) -> str:
    """Name the row and its unreadable fields, never their values: those may be people's words."""
    known = plain.get("id") if isinstance(plain, Mapping) else None
    name = f"id {str(known)[:60]!r}" if isinstance(known, str | int) and known else "no id"
    return f"row {place} ({name}) cannot be read: {_fields(error) or 'it is not an object'}"


def _fields(error: ValidationError) -> str:
    places = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    return ", ".join(sorted(places))


def _no(what: str, error: ValidationError) -> SourceChanged:
    return SourceChanged(
        f"the answer is not a {what} (wrong: {_fields(error) or 'it is not a JSON object'})",
        "check base_url; if it is right, Leadping's API has changed and inbox-watcher must follow",
    )


def read_lead(response: Response) -> Lead:
    """Return the lead of a 200 answer of `GET /leads/{id}`; raise SourceChanged if it shows none."""
    try:
        return Lead.model_validate(json_body(response))
    except ValidationError as error:
        raise _no("lead", error) from None


def words(response: Response) -> str:
    """Return a refusal in one line: `HTTP 400: Bad Request`.

    Errors are RFC 9457 objects under changing media types, so they are read by their content.
    """
    return describe(response, "detail", "title", "message", "error")


def refused(response: Response) -> SourceRefused:
    """Return the error for a 401 or 403 that concerns the credentials."""
    what = "refuses the token" if response.status == 401 else "forbids reading the inbox"
    return SourceRefused(
        f"Leadping {what} ({words(response)})",
        "set token to an organization API key that begins with sk_ and has not expired; "
        "a source key (lp_src_) is for taking in leads only",
    )
