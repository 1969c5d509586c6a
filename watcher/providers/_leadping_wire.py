"""Leadping on the wire: what a listing request says, how its answer and its refusals are read.

Law: pure; knows one request and one answer, and nothing of polls, sweeps or verdicts.

Every list is read by `POST` with the same body and envelope (Leadping's OpenAPI contract). The
store behind it is Cosmos DB, whose pages may be short or even empty while more follow: only the
continuation token tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import FailFast, Field, ValidationError

from watcher.errors import SourceChanged, SourceRefused, WalkExpired
from watcher.model import Observation
from watcher.providers import Request, Response
from watcher.providers._leadping_rows import Row, Time, Wire, missing, number, observe
from watcher.providers.answers import MOST_ROWS, check_size, json_body, judge, said

__all__ = ["ACCEPT", "INBOX", "Ask", "Lead", "Listing", "hear", "read_lead", "refused", "words"]

INBOX = "/conversations/my"
LONGEST_TOKEN = 65_536
"""Characters of a continuation token, which each next request carries back."""

ACCEPT = (("accept", "application/json"),)  # the contract of August 2026 prefers text/plain


@dataclass(frozen=True, slots=True)
class Ask:
    """One listing request, and with it the place where its walk stands.

    `token` is the provider's continuation token, echoed as it came; a token is good only for the
    very same question. `page` counts from 1. `mark` is an earlier token of this walk: meeting it
    again means walking in a circle.
    """

    archive: str | None
    size: int
    direction: Literal["asc", "desc"] = "desc"
    path: str = INBOX
    token: str | None = None
    page: int = 1
    mark: str | None = None

    def request(self) -> Request:
        """Give the request; `pageSize` is a number, and the token is left out of a first page."""
        body: dict[str, Any] = {
            "pageSize": self.size,
            "orderBy": [{"field": "lastEventAt", "direction": self.direction}],
        }
        if self.token is not None:
            body["continuationToken"] = self.token
        params = () if self.archive is None else (("archiveFilter", self.archive),)
        return Request(self.path, "POST", params=params, json=body, headers=ACCEPT)

    def first(self) -> Ask:
        """Give the request for the first page of the same walk."""
        return replace(self, token=None, page=1, mark=None)

    def after(self, listing: Listing) -> Ask | None:
        """Give the next page's request, None at the end; raises SourceChanged in a circle.

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
        """Give the rows' `lastEventAt` in the order of the page, leaving out those without."""
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
    """The part of a lead that tells whether it was deleted (softly: records stay)."""

    id: str = Field(min_length=1)
    deleted_at: Time = None


def hear(ask: Ask, response: Response, *, raw: bool = False) -> Listing:
    """Read the answer to a listing request; raises what `Provider.parse` raises.

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
            pass  # the slow way says what is wrong, and saves the other rows
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
    return f"row {place} ({name}) cannot be read: {_fields(error) or 'it is no object'}"


def _fields(error: ValidationError) -> str:
    places = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    return ", ".join(sorted(places))


def _no(what: str, error: ValidationError) -> SourceChanged:
    return SourceChanged(
        f"the answer is no {what} (wrong: {_fields(error) or 'it is no JSON object'})",
        "check base_url; if it is right, Leadping's API has changed and inbox-watcher must follow",
    )


def read_lead(response: Response) -> Lead:
    """Read the 200 answer of `GET /leads/{id}`; raises SourceChanged when it shows no lead."""
    try:
        return Lead.model_validate(json_body(response))
    except ValidationError as error:
        raise _no("lead", error) from None


def words(response: Response) -> str:
    """Say in one line what a refusal says: `HTTP 400: Bad Request`.

    Errors are RFC 9457 objects under changing media types, so they are read by their content.
    """
    told = said(response, "detail", "title", "message", "error")
    return f"HTTP {response.status}" + (f": {told}" if told else "")


def refused(response: Response) -> SourceRefused:
    """Explain a 401 or 403 that concerns the credentials."""
    what = "refuses the token" if response.status == 401 else "forbids reading the inbox"
    return SourceRefused(
        f"Leadping {what} ({words(response)})",
        "set token to an organization API key that begins with sk_ and has not expired; "
        "a source key (lp_src_) is for taking in leads only",
    )
