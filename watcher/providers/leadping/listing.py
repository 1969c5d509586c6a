"""Leadping's listings: the request for a page, and the observations that its answer shows.

Rules: pure; knows one request and one answer, and nothing of polls, sweeps or verdicts.

Facts are from Leadping's published OpenAPI contract (`ConversationResponse`, June to September
2026) and from the older generated documentation of `POST /conversations/my`. No version marks a
property as required, so only `id` is demanded; a key that is absent was not shown.

Every list is read by `POST` with the same body and envelope. The store behind it is Cosmos DB,
whose pages may be short or even empty while more follow: only the continuation token tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from watcher.errors import SourceChanged, SourceRefused, WalkExpired
from watcher.model import Disposition, Message, Observation, rfc3339
from watcher.providers import Request, Response
from watcher.providers.answers import MOST_ROWS, describe, json_body, judge
from watcher.providers.rows import (
    UNSHOWN,
    Row,
    Shown,
    flag,
    iso_time,
    known,
    missing,
    nowhere_readable,
    read_rows,
    shown,
    text,
    whole_number,
)

__all__ = ["ACCEPT", "INBOX", "Ask", "Lead", "Listing", "hear", "read_lead", "refused", "words"]


def reason(value: Any) -> Any:
    """Read a code that may be a number, a number in quotes or a word.

    .NET's contract has "integer or string" everywhere.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    word = text(value)
    return int(word) if word is not None and re.fullmatch("[0-9]{1,9}", word) else word


def time(value: Any) -> datetime | None:
    """Read an ISO 8601 time; year 1 is how .NET writes one that was never set."""
    return None if isinstance(value, str) and value.strip().startswith("0001-") else iso_time(value)


STATUS = ("currentLeadStatus", "currentDisposition")
"""The disposition's key since 4 August 2026 and until then; the shape stayed the same."""

SAME: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "leadId": ("contact.id", text),
    "email": ("contact.email", text),
    "leadPhoneNumber": ("contact.phone", text),
    "status": ("status", text),
    "lastEventAt": ("last_activity_at", time),
    "archiveReason": ("attributes.archive_reason", reason),
    "outboundPhoneNumberOverrideId": ("attributes.outbound_phone_number_override_id", text),
    "activeOutboundPhoneNumberId": ("attributes.active_outbound_phone_number_id", text),
}
"""Keys that are taken over as they are: path in `Observation.fields` and reader.

`nextStep`, `statusReason` and `avatarUrl` are noise.
"""


def observe(row: Row, id_: str, *, raw: bool = False) -> Observation:
    """Return what a row shows of its conversation; a path whose key the row lacks is left out."""
    fields: dict[str, Any] = {path: row.read(key, reader) for key, (path, reader) in SAME.items()}
    first, last = row.text("firstName"), row.text("lastName")
    if first is not UNSHOWN and last is not UNSHOWN:  # one alone would be half a name
        words = [name.strip() for name in (first, last) if name]
        fields["contact.name"] = " ".join(words) or None
    unread, archived = row.read("isUnread", flag), row.read("isArchived", flag)
    if isinstance(unread, bool):  # no flag of a row is nullable: null shows nothing
        fields |= {"unread": unread, "unread_count": None}
    if isinstance(archived, bool):
        fields["archived"] = archived
    fields["last_message"] = _message(row)
    fields["disposition"] = _disposition(row)
    # What is in `attributes` must read from the store as it was written: plain JSON.
    at = row.read("archivedAt", time)
    fields["attributes.archived_at"] = rfc3339(at) if isinstance(at, datetime) else at
    fields["attributes.phone_number"] = _own_number(row)
    # Words that cannot be read are not words that are gone.
    no_words = row.text("lastSnippet") is None
    return Observation(id_, shown(fields), raw=row.plain if raw else None, no_words=no_words)


def _message(row: Row) -> Shown[Message]:
    """Return the last message. Leadping shows no direction, only whether the last event was a note."""
    snippet, at = row.text("lastSnippet"), row.read("lastEventAt", time)
    note = row.read("lastEventIsInternalNote", flag)
    if not (row.has("lastSnippet") and row.has("lastEventAt")):
        return UNSHOWN
    if not (known(snippet) or known(at)):
        # Null twice is no message; what cannot be read may be one.
        return UNSHOWN if UNSHOWN in (snippet, at) else None
    return Message(
        text=known(snippet), direction="internal" if note is True else None, at=known(at)
    )


def _disposition(row: Row) -> Shown[Disposition]:
    current, former = (row.object(key) for key in STATUS)
    if not isinstance(current, Row) and not row.failed(STATUS[0]) and isinstance(former, Row):
        current = former
    if not isinstance(current, Row):
        # Null and absent: the one that is there shows that there is none.
        return UNSHOWN if row.failed(*STATUS) or not row.has(*STATUS) else None
    before = row.unreadable
    person, machine = (known(current.text(f"changedBy{who}Id")) for who in ("User", "Automation"))
    disposition = Disposition(
        id=known(current.text("id")),
        label=known(current.text("displayName")),
        outcome=known(current.text("outcome")),
        changed_at=known(current.read("changedAt", time)),
        changed_by=person or machine,
    )
    if disposition != Disposition():
        return disposition
    return UNSHOWN if row.unreadable != before else None


def _own_number(row: Row) -> Any:
    """Return the organization's own number, the one that sends, as plain JSON."""
    own = row.object("phoneNumber")
    if not isinstance(own, Row):
        return own
    parts = {key: own.text(key) for key in ("id", "name", "value")}
    return UNSHOWN if UNSHOWN in parts.values() else parts  # a part was not shown


def gone(rows: Sequence[Row]) -> tuple[str, ...]:
    """Name the raw keys that every row should have and that none of these shows.

    `isUnread`, `isArchived` and `lastEventAt` are demanded always. Snippet and disposition may be
    null, and a server that leaves nulls out would show a young inbox without them: they are
    demanded only from rows that have some null written out.
    """
    if not rows:
        return ()
    lacking = [
        *missing(rows, ("isUnread", "isArchived"), nullable=False),
        *missing(rows, ("lastEventAt",)),
    ]
    if any(row.plain.get(key, "") is None for row in rows for key in KEYS):
        lacking += missing(rows, ("lastSnippet",))
        if not any(row.has(*STATUS) for row in rows):
            lacking.append("currentLeadStatus")
    return tuple(dict.fromkeys((*lacking, *nowhere_readable(rows))))


KEYS = (*SAME, *STATUS, "firstName", "lastName", "lastSnippet", "lastEventIsInternalNote", "isUnread",
        "isArchived", "archivedAt", "phoneNumber")  # fmt: skip
"""The keys of a row that are read."""


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


class Wire(BaseModel):
    """The frame of an answer: keys in camel case, unknown ones ignored, ids sometimes numbers."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, coerce_numbers_to_str=True
    )


Token = Annotated[str, Field(max_length=LONGEST_TOKEN)] | None


class Head(Wire):
    """One page; `continuationToken` null, absent or empty ends the walk."""

    items: Annotated[list[Any], Field(max_length=MOST_ROWS)]
    continuation_token: Token = None
    total_count: Any = None


def _optional_time(value: Any) -> datetime | None:
    return None if value is None else time(value)


class Lead(Wire):
    """The part of a lead that shows whether it was deleted (softly: records stay)."""

    id: str = Field(min_length=1)
    deleted_at: Annotated[datetime | None, BeforeValidator(_optional_time)] = None


def hear(ask: Ask, response: Response, *, raw: bool = False) -> Listing:
    """Return the page of a listing request; raise what `Provider.parse` raises.

    A token does not expire by age, but a new version of Leadping may refuse an old one with 400.
    """
    if response.status == 400 and ask.token is not None:
        raise WalkExpired(f"the continuation token is refused ({words(response)})")
    judge(response, refused=refused)
    try:
        head = Head.model_validate(json_body(response))
    except ValidationError as error:
        raise _no("page of conversations", error) from None
    read = read_rows(head.items, lambda row, id_: observe(row, id_, raw=raw))
    return Listing(
        rows=read.seen,
        token=head.continuation_token or None,
        total=known(Row({"n": head.total_count}).read("n", whole_number)),
        unusable=read.unusable,
        complaints=read.complaints,
        missing=gone(read.readers),
    )


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
