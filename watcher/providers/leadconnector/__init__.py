"""HighLevel, and Leadway, which is the same server under another name: conversations by search.

Rules: pure, like every provider. `walk` decides how a walk goes on, `listing` reads the JSON; here are
the motions, the look-ups and the meaning of refusals.

`GET /conversations/search` is documented at HighLevel's marketplace site and by Leadway, with
the same host; what is marked observed was measured by others and published. One status says several
things: 401 alone means a bad token, a missing scope, a missing `Version` header or an unknown
version, so asking for a new token on every 401 is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from watcher.errors import SourceChanged, SourceError, SourceRefused
from watcher.providers import (
    TORN,
    Budget,
    Check,
    Coverage,
    IdSet,
    LookUp,
    Members,
    Motion,
    Page,
    Parts,
    Poll,
    Position,
    Provider,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Sweep,
)
from watcher.providers.answers import describe, foreign_refusal, is_foreign, json_body, judge, said
from watcher.providers.leadconnector.listing import read_answer, read_rows
from watcher.providers.leadconnector.values import EPOCH, whole_number
from watcher.providers.leadconnector.walk import (
    DEFAULT_LIMIT,
    OVERLAP,
    WalkAt,
    advance,
    detour,
)
from watcher.settings.values import not_address

__all__ = ["HighLevel", "HighLevelSettings", "Leadway", "LeadwaySettings"]

MOST_POLL_PAGES = 50


class HighLevelSettings(ProviderSettings):
    """`location_id` is the sub-account; `version` the API version sent with each request (the
    documentation of this path names 2021-04-15). `app_url` is where people open conversations.
    """

    base_url: str = Field(
        "https://services.leadconnectorhq.com", pattern=r"^https?://[^/?#\s]+[^?#\s]*$"
    )
    location_id: Annotated[str, not_address("location")] = Field(pattern=r"^[A-Za-z0-9_-]+$")
    version: str = Field("2021-04-15", pattern=r"^[A-Za-z0-9.-]+$")
    app_url: str | None = Field(
        "https://app.gohighlevel.com", pattern=r"^https?://[^/?#\s]+[^?#\s]*$"
    )
    page_size: int = Field(100, ge=1, le=100)


class LeadwaySettings(HighLevelSettings):
    """As HighLevel; Leadway's documentation names version 2021-07-28, and no address of an app."""

    version: str = Field("2021-07-28", pattern=r"^[A-Za-z0-9.-]+$")
    app_url: str | None = Field(None, pattern=r"^https?://[^/?#\s]+[^?#\s]*$")


@dataclass(frozen=True, slots=True)
class LookUpAt:
    """Where a look-up stands: first the search by id, then, for an absence, the row itself."""

    id: str
    why: Literal["absent", "suspect"]
    direct: bool = False


@dataclass(frozen=True, slots=True)
class CheckAt:
    """The one request of a check."""


class HighLevel(Provider):
    """One location at HighLevel. See `watcher.providers.Provider` for what the methods promise."""

    settings_model: ClassVar[type[ProviderSettings]] = HighLevelSettings
    coverage: ClassVar[Coverage] = Coverage(
        # An owner is an id alone; names come from `people`.
        never=frozenset(
            {"assignee.name", "team", "priority", "status", "disposition", "last_message.subject"}
        ),
        attributes={"starred": "bool", "followers": "list"},
    )
    words: ClassVar[frozenset[str]] = frozenset({"lastMessageBody"})
    torn: ClassVar[Parts] = {**TORN, "contact": frozenset({"labels"})}
    """Labels are the contact's tags."""

    settings: HighLevelSettings
    sets: tuple[IdSet, ...] = ("unread", "unassigned")

    def __init__(self, settings: HighLevelSettings, *, raw: bool = False) -> None:
        super().__init__(settings, raw=raw)
        self._limit = settings.page_size
        self._ascending = True

    @property
    def account(self) -> str:
        """The location, at whatever host it is reached."""
        return f"leadconnector/{self.settings.location_id}"

    @property
    def budget(self) -> Budget:
        """100 requests in 10 seconds, 200,000 in a day, per location (documented for apps, assumed for
        tokens).
        """
        return Budget(f"leadconnector:{self.settings.location_id}", 100, INTERVAL, daily=DAILY)

    def set_capabilities(self, capabilities: Mapping[str, Any]) -> None:
        """Remember whether the server walks upwards (`ascending`) and what `limit` it takes."""
        self._ascending = capabilities.get("ascending") is not False
        limit = whole_number(capabilities.get("limit"))
        self._limit = min(self.settings.page_size, limit or self.settings.page_size)

    def start(self, motion: Motion) -> Position:
        """Return the first position of a walk."""
        match motion:
            # A sweep goes upwards, so that no row escapes it by moving: a new message puts its row at
            # the end, which is still to come.
            case Sweep() if self._ascending:
                return WalkAt("asc", self._limit)
            # Where the server cannot, a second, closing descent over what is newer than the sweep's
            # start brings back the rows that jumped to the front.
            case Sweep():
                return WalkAt("desc", self._limit, closes=True)
            case Poll(newest=newest):
                floor = None if newest is None else _ms(newest) - OVERLAP
                return WalkAt("desc", self._limit, floor=floor, most=MOST_POLL_PAGES)
            case Members(name="unread"):
                return WalkAt("desc", self._limit, status="unread")
            case Members(name="unassigned"):
                return WalkAt("desc", self._limit, unassigned=True)
            case LookUp(conversation=conversation, why=why):
                return LookUpAt(conversation.id, why)
            case Check():
                return CheckAt()
        raise ValueError(f"no such walk: {motion}")

    def request(self, position: Position) -> Request:
        """Return the request for a position."""
        headers = (("Version", self.settings.version),)
        if isinstance(position, LookUpAt) and position.direct:
            return Request(f"/conversations/{quote(position.id, safe='')}", headers=headers)
        params = [("locationId", self.settings.location_id)]
        match position:
            case LookUpAt(id=id_):
                params += [("id", id_)]
            case CheckAt():
                params += [("limit", "1")]
            case WalkAt(limit=limit, asked=asked):
                params += [("limit", str(limit)), ("sortBy", "last_message_date")]
                params += [("sort", asked.order), ("status", asked.status)]
                params += [("assignedTo", asked.owner)] if asked.owner else []
                if asked.window is not None:
                    params += zip(("startDate", "endDate"), map(str, asked.window), strict=True)
                if asked.cursor is not None:
                    params += [("startAfterDate", str(asked.cursor))]
        return Request("/conversations/search", params=tuple(params), headers=headers)

    def parse(self, position: Position, response: Response) -> Page:
        """Return the page of an answer; raise SourceError."""
        match position:
            case LookUpAt(direct=True):
                return self._direct(response)
            case LookUpAt():
                return self._looked_up(position, response)
            case CheckAt():
                return self._tried(response)
            case _:
                return self._walked(position, response)

    def skip(self, position: Position) -> Position | None:
        """Return the walk from the other end of the list, which reaches what the page hides."""
        return detour(position) if isinstance(position, WalkAt) else None

    def cost(self, rows: int) -> int:
        """Return the pages of a walk, which ends on a short one.

        Each page but the first repeats the last row of the one before, because rows of one
        millisecond may be on both.
        """
        if rows < self._limit:
            return 1
        return 2 + (rows - self._limit) // max(1, self._limit - 1)

    def quota(self, response: Response) -> Quota | None:
        """Return what the documented X-RateLimit headers say; a 429 without them means a whole interval."""
        if day_is_over(response):
            return Quota(0, LONG_WAIT)
        if response.status == 429:
            return Quota.used_up(response, INTERVAL)
        remaining = whole_number(response.headers.get("x-ratelimit-remaining"))
        if remaining is None:
            return None
        interval = whole_number(response.headers.get("x-ratelimit-interval-milliseconds"))
        return Quota(remaining, min(interval / 1000, LONG_WAIT) if interval else INTERVAL)

    def _walked(self, walk: WalkAt, response: Response) -> Page:
        words = said(response, "message").lower()
        if response.status in (400, 422) and "limit" in words and walk.limit > DEFAULT_LIMIT:
            return Page(
                complete=False, fallback=True, capabilities={"limit": limit_in(words, walk.limit)}
            )
        if response.status in (400, 422) and walk.tie is not None:
            # The filters of a tie's parts are documented, but no known client uses them.
            return Page(next=detour(walk), complete=False)
        accept(response)
        answer, asked = read_answer(response), walk.asked
        proven = asked.owner == "unassigned"
        listing = read_rows(answer, self._link, unassigned=proven, raw=self.raw)
        step = advance(walk, listing.marks, answer.total)
        if step.disordered:
            return Page(complete=False, fallback=True, capabilities={"ascending": False})
        unfiltered = asked.status == "all" and asked.owner is None
        return Page(
            rows=listing.rows,
            next=step.next,
            complete=step.whole,
            total=answer.total if unfiltered else None,
            unusable=listing.unusable,
            complaints=listing.complaints,
            missing=listing.missing,
        )

    def _looked_up(self, look: LookUpAt, response: Response) -> Page:
        """Return the page of a search by id, which shows a row as the list does, perhaps a moment late."""
        accept(response)
        listing = read_rows(read_answer(response), self._link, raw=self.raw)
        rows = tuple(row for row in listing.rows if row.id == look.id)
        if rows:
            return Page(rows=rows, complaints=listing.complaints, verdict="found")
        if look.why == "suspect":
            return Page(verdict="unknown")
        return Page(next=LookUpAt(look.id, look.why, direct=True))

    def _direct(self, response: Response) -> Page:
        """Return the page of GET by id, whose shape proves existence or deletion and nothing else.

        The documentation promises 200, 400 and 401 only, and does not say which of them a
        deleted conversation gets.
        """
        words = said(response, "message", "error")
        # What a proxy says proves nothing about a conversation.
        silent = response.status in (401, 403) and not response.body.strip()
        if response.status >= 300 and (silent or is_foreign(response)):
            judge(response, refused=_refused)
        about_id = response.status == 400 and not DOUBTFUL.search(words)
        if response.status == 404 or about_id:
            return Page(verdict="deleted")
        if response.status in (400, 422):
            return Page(verdict="unknown")
        if response.status in (401, 403) and not known_refusal(words):
            return Page(verdict="access_lost")
        accept(response)
        body = json_body(response)
        if not isinstance(body, dict):
            raise SourceChanged("the answer is not a conversation", "check base_url")
        inner = body.get("conversation")
        shown = inner if isinstance(inner, dict) else body
        return Page(verdict="deleted" if shown.get("deleted") is True else "found")

    def _tried(self, response: Response) -> Page:
        """Return the page of a check: the token works, and it lists this location."""
        accept(response)
        answer = read_answer(response)
        for row in answer.rows:
            place = row.get("locationId") if isinstance(row, dict) else None
            if isinstance(place, str) and place != self.settings.location_id:
                raise SourceRefused(
                    "the provider lists conversations of another location", "correct `location_id`"
                )
        listing = read_rows(answer, self._link, raw=False)
        return Page(
            total=answer.total,
            unusable=listing.unusable,
            complaints=listing.complaints,
            missing=listing.missing,
        )

    def _link(self, id_: str) -> str | None:
        app, place = self.settings.app_url, self.settings.location_id
        if app is None:
            return None
        inside = f"/v2/location/{place}/conversations/conversations/{quote(id_, safe='')}"
        return app.rstrip("/") + inside


class Leadway(HighLevel):
    """One account (Leadway's word for a location) at Leadway."""

    settings_model: ClassVar[type[ProviderSettings]] = LeadwaySettings


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


INTERVAL = 10.0
"""Seconds of the rate limit's window, to wait after a 429 (no `Retry-After` is documented)."""

DAILY = 200_000
"""Requests that a location may make in a day (documented)."""

LONG_WAIT = 900.0
"""Seconds to wait when the day's requests are used up; no answer says when the day ends."""

RENEW = "put in a new token of a Private Integration in the sub-account"

REFUSALS = (
    ("version header was not found", "the provider misses the Version header",
     "set `version`, or see whether a proxy drops it"),
    ("version header is invalid", "the provider does not know this API version",
     "correct `version`, for instance 2021-04-15 or 2021-07-28"),
    ("not authorized for this scope", "the token lacks a scope",
     "add the scope conversations.readonly to the token"),
    ("does not have access to this location", "the token belongs to another location",
     "correct `location_id`, or use a token of that location"),
    ("invalid private integration token", "the token is not valid", RENEW),
    ("access token is invalid", "the token is not valid", RENEW),
    ("access token has expired", "the token has expired",
     "an OAuth access token lives for a day: have its file renewed, or take a Private Integration's"),
    ("invalid jwt", "the token is not valid", RENEW),
)  # fmt: skip
"""What 401 and 403 say: texts (observed; the invalid token's is documented), cause, remedy."""

DOUBTFUL = re.compile(r"version|location|header|required|missing|must|should|mongo|time", re.I)
"""A 400 with such words is about the request or the server's own trouble, not about the id."""


def accept(response: Response) -> None:
    """Raise the SourceError that stands for the recovery, unless the answer is a success (2xx)."""
    words = said(response, "message", "error")
    if response.status in (400, 422) and "location" in words.lower():
        raise SourceRefused(
            f"the provider does not take the location (HTTP {response.status}: {words})",
            "correct `location_id`",
        )
    judge(response, refused=_refused, patience=LONG_WAIT if day_is_over(response) else INTERVAL)


def day_is_over(response: Response) -> bool:
    """Return whether the day's requests are used up (documented header)."""
    return whole_number(response.headers.get("x-ratelimit-daily-remaining")) == 0


def known_refusal(words: str) -> tuple[str, str] | None:
    """Return cause and remedy of a refusal that concerns the whole account, None for any other."""
    for text, reason, remedy in REFUSALS:
        if text in words.lower():
            return reason, remedy
    return None


def limit_in(words: str, asked: int) -> int:
    """Return the largest `limit` that the refusal of a larger one names, else the default."""
    named = (int(number) for number in re.findall(r"\b[0-9]{1,4}\b", words))
    return max((n for n in named if DEFAULT_LIMIT <= n < asked), default=DEFAULT_LIMIT)


def _refused(response: Response) -> SourceError:
    if not response.body.strip():  # HighLevel itself always says why
        return foreign_refusal(response)
    words = said(response, "message", "error")
    reason, remedy = known_refusal(words) or (
        "the provider refuses the token",
        "check the token, its scope conversations.readonly, and `location_id`",
    )
    return SourceRefused(f"{reason} ({describe(response, 'message', 'error')})", remedy)
