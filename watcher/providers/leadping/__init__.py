"""Leadping: one organization's inbox, read through `POST /conversations/my`.

Rules: pure, like every provider.

What Leadping has and has not (its OpenAPI contract, June to September 2026): no GET of one
conversation, no creation time, no assignee, labels, priority, message direction or unread count.
`lastEventAt`, the only useful order, moves with messages and notes, not with archiving, reading or
contact edits: the sweep finds those. Archiving and deletion act on the lead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import Field

from watcher.model import derive_id
from watcher.providers import (
    Budget,
    Check,
    Coverage,
    LookUp,
    Motion,
    Page,
    Poll,
    Position,
    Provider,
    ProviderSettings,
    Request,
    Response,
    Sweep,
)
from watcher.providers.answers import is_foreign, judge
from watcher.providers.leadping.archive_check import (
    AllAt,
    ConfirmAt,
    KindAt,
    SearchAt,
    archived_only,
    check,
    hides,
)
from watcher.providers.leadping.listing import ACCEPT, Ask, Listing, hear, read_lead, refused

__all__ = ["Leadping", "LeadpingSettings"]

OVERLAP = timedelta(seconds=120)
"""How far a poll reads on below what is known: an event may become visible late."""

POLL_PAGES = 50
"""Pages after which a poll stops; the sweep finds the rest."""


class LeadpingSettings(ProviderSettings):
    """Settings of a Leadping source.

    `token` is an organization API key (`sk_…`). `organization` is any name for the organization:
    sources with the same one share its request limit, and another one is another account.
    `archive_filter` is what `archiveFilter` takes for "all", by name or by number.
    """

    base_url: str = Field(
        default="https://api.leadping.ai", pattern=r"^https?://[^/?#\s]+[^?#\s]*$"
    )
    organization: str = ""
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    archive_filter: Annotated[
        str, Field(coerce_numbers_to_str=True, pattern=r"^[A-Za-z0-9_-]+$")
    ] = "all"


@dataclass(frozen=True, slots=True)
class PollAt:
    """A newest-first walk that ends below `floor`; None: at the end of the list."""

    ask: Ask
    floor: datetime | None


@dataclass(frozen=True, slots=True)
class SweepAt:
    """An oldest-first walk to the end: a row that moves meanwhile is met again, never missed."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class LookUpAt:
    """A walk through one lead's conversations, in search of one of them."""

    ask: Ask
    """The page."""

    wanted: LookUp
    """The conversation."""

    lead: str
    """The lead that it belongs to."""

    archived: bool = False
    """Whether this is the second walk, through the archived ones alone."""

    clear: bool = True
    """False once a page was refused or a row unreadable: then not to find it proves nothing."""

    others: bool = False
    """True once the lists showed other conversations of the lead."""


@dataclass(frozen=True, slots=True)
class LeadAt:
    """The lead itself, whose lists lacked the conversation."""

    lead: str
    """The lead's id."""

    others: bool
    """Whether its lists showed other conversations."""

    vouched: bool = False
    """Whether it was refused once, and the token was seen to work."""


@dataclass(frozen=True, slots=True)
class VouchAt:
    """A look at the inbox, whether the token still works."""

    ask: Ask
    """The request."""

    lead: LeadAt | None = None
    """What to ask once more if it does (the token may have been renewed just now); None: nothing can be
    proved.
    """


class Leadping(Provider):
    """A Leadping organization as a provider."""

    settings_model: ClassVar[type[ProviderSettings]] = LeadpingSettings
    coverage: ClassVar[Coverage] = Coverage(
        never=frozenset(
            {
                "assignee",
                "team",
                "priority",
                "labels",
                "channel",
                "unread_count",
                "created_at",
                "waiting_since",
                "last_message.automated",
                "last_message.subject",
                "last_message.attachments",
            }
        ),
        words={
            # Only whether the last event was a note.
            "last_message.direction": frozenset({"internal"}),
            # `ConversationResponse` of the published interface
            "status": frozenset({"needs_reply", "waiting", "failed", "open"}),
        },
        attributes={
            "archive_reason": "string",
            "archived_at": "string",
            "phone_number": "map",
            "active_outbound_phone_number_id": "string",
            "outbound_phone_number_override_id": "string",
        },
    )
    words: ClassVar[frozenset[str]] = frozenset({"lastSnippet"})
    settings: LeadpingSettings

    def __init__(self, settings: LeadpingSettings, *, raw: bool = False) -> None:
        super().__init__(settings, raw=raw)
        self._inbox = Ask(archive=settings.archive_filter, size=settings.page_size)

    @property
    def account(self) -> str:
        """The API, and the organization if the settings name it.

        Otherwise only the token determines the organization, and the token is renewed.
        """
        name = self.settings.organization
        return self._api + (f"#{name}" if name else "")

    @property
    def _api(self) -> str:
        return re.sub(r"//[^/]*@", "//", self.settings.base_url).rstrip("/")

    @property
    def budget(self) -> Budget:
        """The published limit: 300 requests a minute per organization."""
        name = self.settings.organization
        if not name:
            name = derive_id("leadping", self._api, self.settings.token)[:12]
        return Budget(f"leadping {self._api} {name}", requests=300, per=60.0)

    def start(self, motion: Motion) -> Position:
        """Return the first position of a walk; there are no id-set polls."""
        ask = self._inbox
        match motion:
            case Poll():
                return PollAt(ask, None if motion.newest is None else motion.newest - OVERLAP)
            case Sweep():
                return SweepAt(replace(ask, direction="asc"))
            case Check():
                return AllAt(replace(ask, size=min(ask.size, 100)))
            case LookUp():
                lead = motion.conversation.contact.id
                if not lead:
                    return VouchAt(replace(ask, size=1))
                path = f"/conversations/lead/{quote(lead, safe='')}"
                return LookUpAt(replace(ask, path=path, direction="asc"), motion, lead)
        raise ValueError(f"Leadping has no such walk: {motion}")

    def request(self, position: Position) -> Request:
        """Return the request for a position."""
        if isinstance(position, LeadAt):
            return Request(f"/leads/{quote(position.lead, safe='')}", headers=ACCEPT)
        ask: Ask = position.ask
        return ask.request()

    def parse(self, position: Position, response: Response) -> Page:
        """Return the page of an answer; see `Provider.parse`."""
        match position:
            case PollAt(ask, floor):
                listing = hear(ask, response, raw=self.raw)
                below = floor is not None and any(at < floor for at in listing.times)
                enough = below or ask.page >= POLL_PAGES
                further = None if enough else ask.after(listing)
                return _page(listing, further and PollAt(further, floor), total=listing.total)
            case SweepAt(ask):
                listing = hear(ask, response, raw=self.raw)
                further = ask.after(listing)
                return _page(listing, further and SweepAt(further), total=listing.total)
            case AllAt() | KindAt() | SearchAt() | ConfirmAt():
                return check(position, response)
            case LookUpAt():
                return self._look_up(position, response)
            case LeadAt():
                return self._lead(position, response)
            case VouchAt(ask, None):
                return replace(_page(hear(ask, response, raw=self.raw)), verdict="unknown")
            case VouchAt(ask, lead):
                return _page(hear(ask, response, raw=self.raw), lead)
        raise ValueError(f"not a position of Leadping: {position}")

    def _look_up(self, at: LookUpAt, response: Response) -> Page:
        """Return the page of a search in one lead's list; if it is not there, ask on.

        A route that refuses this lead or this filter proves nothing: the next request decides.
        """
        if _about_the_lead(at, response):
            return self._not_listed(replace(at, clear=False), Listing())
        listing = hear(at.ask, response, raw=self.raw)
        if any(row.id == at.wanted.conversation.id for row in listing.rows):
            if at.archived:
                raise hides(self.settings.archive_filter, "archived")
            return replace(_page(listing), verdict="found")
        clear = at.clear and not listing.unusable
        at = replace(at, clear=clear, others=at.others or bool(listing.rows))
        further = at.ask.after(listing)
        if further is not None:
            return _page(listing, replace(at, ask=further))
        return self._not_listed(at, listing)

    def _not_listed(self, at: LookUpAt, listing: Listing) -> Page:
        if at.wanted.why == "suspect":
            return replace(_page(listing), verdict="unknown")  # only a sweep may suspect an absence
        if at.archived or not at.clear:
            return _page(listing, LeadAt(at.lead, at.others))
        first = archived_only(at.ask.first())
        return _page(listing, replace(at, ask=first, archived=True))

    def _lead(self, at: LeadAt, response: Response) -> Page:
        """Return the page of `GET /leads/{id}`.

        Its contract has 404 for an unknown lead and describes 401 as "The user does not own this
        lead". A 401 or 403 may be about the token all the same, whether or not it carries a Bearer
        challenge, so the inbox and the lead are asked once more before it counts. Deletion is soft
        (`deletedAt`); whether a deleted lead is still answered is not published: both are understood.
        """
        # What a proxy says proves nothing about a lead.
        if response.status >= 300 and is_foreign(response):
            judge(response, refused=refused)
        if response.status in (404, 410):
            return Page(verdict="deleted")
        if response.status in (401, 403):
            if at.vouched:
                return Page(verdict="access_lost")
            return Page(next=VouchAt(replace(self._inbox, size=1), replace(at, vouched=True)))
        judge(response, refused=refused)
        if read_lead(response).deleted_at is not None:
            return Page(verdict="deleted")
        # The lead exists, and no conversation is deleted alone: if its lists showed nothing at all,
        # the lists are wrong; if they showed others, two sweeps must agree.
        return Page(verdict="unknown" if at.others else "found")

    def cost(self, rows: int) -> int:
        """Return the pages of a walk; the last one carries no token."""
        return max(1, -(-rows // self.settings.page_size))


def _about_the_lead(at: LookUpAt, response: Response) -> bool:
    """Return whether a refusal is, or may be, about this lead or filter, not about token or walk."""
    if response.status == 400:
        return at.ask.token is None
    return response.status in (401, 403, 404, 405, 410)


def _page(listing: Listing, further: Position | None = None, *, total: int | None = None) -> Page:
    return Page(
        rows=listing.rows,
        next=further,
        total=total,
        unusable=listing.unusable,
        complaints=listing.complaints,
        missing=listing.missing,
    )
