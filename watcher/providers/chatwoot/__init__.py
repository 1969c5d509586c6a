"""Chatwoot, cloud and self-hosted: one account's conversations.

Rules: pure, like every provider (`watcher.providers`). Answers are read in `listing`; `walk` decides
how a walk goes on.

Facts are from Chatwoot's own source, v4.15.1 and older tags, unless a comment says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from watcher.errors import SourceChanged, SourceRefused
from watcher.providers import (
    VERSION,
    Budget,
    Check,
    Coverage,
    LookUp,
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
from watcher.providers.answers import describe, json_body, judge, said
from watcher.providers.chatwoot.listing import Listing, read_conversation, read_listing
from watcher.providers.chatwoot.versions import limits, read_clock, read_version
from watcher.providers.chatwoot.walk import (
    AboutAt,
    CheckAt,
    LookUpAt,
    NewestAt,
    ProbeAt,
    Step,
    SweepAt,
    WindowAt,
    after_first,
    after_newest,
    after_probe,
    after_walk,
    after_window,
    begin_poll,
    skip_page,
)
from watcher.settings.values import not_address

__all__ = ["Chatwoot", "ChatwootSettings"]

PAGE_SIZE = 25
"""Rows of a page, unless the operator set `CONVERSATION_RESULTS_PER_PAGE` (`conversation_finder.rb`)."""

HALF_A_MINUTE = 30.0

NOT_FOR_YOU = "You are not authorized to do this action"
"""Chatwoot answers a lost permission on one conversation with 401 and these words, never 403
(`request_exception_handler.rb`).
"""

REFUSALS = (
    (
        "invalid access token",
        "Chatwoot does not accept the token",
        "copy the access token from the profile settings of an administrator into `token`",
    ),
    (
        "sign in",
        "Chatwoot got no token: the header Api-Access-Token did not arrive",
        "let the proxy in front of Chatwoot pass that header on, and check that `token` is not empty",
    ),
    (
        "not authorized to access this account",
        "the token's user is not a member of this account",
        "check account_id, or invite the user to the account",
    ),
    (
        "suspended",
        "Chatwoot has suspended this account",
        "ask the administrator of the Chatwoot installation",
    ),
    (
        "bots",
        "the token is a bot's, and bots may not list conversations",
        "use the access token of an administrator",
    ),
)
"""Parts of Chatwoot's 401 texts, what each means, and what to do about it."""


class ChatwootSettings(ProviderSettings):
    """`account_id` is the number in the address of the dashboard (`/app/accounts/3`). `token` is
    a user's access token, best an administrator's: Chatwoot shows an agent only the conversations
    of the agent's own inboxes.
    """

    base_url: str = Field(
        default="https://app.chatwoot.com", pattern=r"^https?://[^/?#\s]+[^?#\s]*$"
    )
    account_id: Annotated[int, not_address("accounts")] = Field(gt=0)


class Chatwoot(Provider):
    """One account of a Chatwoot installation, seen through one user's token."""

    settings_model: ClassVar[type[ProviderSettings]] = ChatwootSettings
    coverage: ClassVar[Coverage] = Coverage(
        never=frozenset({"disposition"}),
        words={
            # `conversation.rb`, enums of the same names
            "status": frozenset({"open", "resolved", "pending", "snoozed"}),
            "priority": frozenset({"low", "medium", "high", "urgent"}),
        },
        attributes={
            "custom_attributes": "map",
            "inbox_id": "string",
            "muted": "bool",
            "snoozed_until": "string",
            "sla_status": "string",
            "contact_identifier": "string",
            "contact_custom_attributes": "map",
        },
    )
    words: ClassVar[frozenset[str]] = frozenset(
        {
            "content",
            "processed_message_content",
            "content_attributes",
            "attachments",
            "mail_subject",
        }
    )
    torn: ClassVar[Parts] = {
        # A page is rendered row by row, and messages, contacts and inboxes are deleted before the
        # conversations (seen on v2.16 to v4.15).
        "last_message": frozenset({"unread", "unread_count"}),
        "contact": frozenset(
            {"attributes.contact_identifier", "attributes.contact_custom_attributes"}
        ),
        "channel": frozenset(),
    }
    unread_cap: int | None = 10
    """`unread_count` counts no further than this (`conversation.rb`, since v3.0.0)."""

    def __init__(self, settings: ChatwootSettings, *, raw: bool = False) -> None:
        super().__init__(settings, raw=raw)
        # The address stands in every event's `url`: credentials for a proxy must not.
        self._base = re.sub(r"//[^/@]*@", "//", settings.base_url.rstrip("/"))
        self._account_id = settings.account_id
        self._path = f"/api/v1/accounts/{settings.account_id}/conversations"
        self._links = f"{self._base}/app/accounts/{settings.account_id}/conversations"
        self._windows: bool | None = None
        self._page_size = PAGE_SIZE
        self._version: str | None = None

    @property
    def account(self) -> str:
        """The installation's address and the account's number."""
        return f"{self._base}|{self._account_id}"

    @property
    def budget(self) -> Budget:
        """The default of `RACK_ATTACK_LIMIT`, per address of the caller; Chatwoot Cloud publishes none."""
        return Budget(f"chatwoot:{urlsplit(self._base).netloc.lower()}", requests=3000, per=60.0)

    @property
    def about(self) -> Position:
        """Return the position of `GET /api`, which every version answers, without a token, too."""
        return AboutAt()

    @property
    def limits(self) -> tuple[str, ...]:
        """Return what the server's version cannot tell."""
        return limits(self._version)

    def authorization(self, token: str) -> Mapping[str, str]:
        """Return the header in its hyphenated form: nginx drops names with underscores by default."""
        return {"Api-Access-Token": token}

    def set_capabilities(self, capabilities: Mapping[str, Any]) -> None:
        """Remember whether the server honours `updated_within`, its page size and its version."""
        windows = capabilities.get("updated_within")
        self._windows = windows if isinstance(windows, bool) else None
        size = capabilities.get("page_size")
        self._page_size = size if type(size) is int and size > 0 else PAGE_SIZE
        version = capabilities.get(VERSION)
        self._version = version if isinstance(version, str) else None

    def start(self, motion: Motion) -> Position:
        """Return the first position of a walk; there are no id sets."""
        match motion:
            case Poll():
                return begin_poll(motion, ignored=self._windows is False)
            case Sweep():
                return SweepAt()
            case LookUp():
                return LookUpAt(motion.conversation.id)
            case Check():
                return CheckAt()
            case _:
                raise ValueError(f"Chatwoot has no id set {motion.name!r}")

    def request(self, position: Position) -> Request:
        """Return the request; without `status=all` resolved conversations would be hidden."""
        order: tuple[tuple[str, str], ...]
        match position:
            case AboutAt():
                return Request("/api")
            case LookUpAt():
                return Request(f"{self._path}/{quote(position.id, safe='')}")
            case WindowAt():
                order = (("updated_within", str(position.seconds)),)
            case ProbeAt():
                order = (("updated_within", "0"),)
            case NewestAt():
                order = (("sort_by", "last_activity_at_desc"), ("page", str(position.page)))
            case SweepAt():
                order = (("sort_by", "created_at_asc"), ("page", str(position.page)))
            case _:
                order = (("sort_by", "created_at_asc"), ("page", "1"))
        status = position.status if isinstance(position, SweepAt) else "all"
        return Request(self._path, params=(("status", status), *order))

    def parse(self, position: Position, response: Response) -> Page:
        """Return the page of an answer; see `Provider.parse`."""
        if isinstance(position, AboutAt):
            return Page(capabilities=read_version(response), clock=read_clock(response))
        if isinstance(position, LookUpAt):
            return self._looked_up(position, response)
        self._judge(response)
        listing = read_listing(response, links=self._links, raw=self.raw)
        capabilities: Mapping[str, Any] = {}
        match position:
            case WindowAt():
                honours = self._windows is True
                step = after_window(position, listing, honoured=honours, size=self._page_size)
            case ProbeAt():
                honoured, step = after_probe(position, listing)
                if honoured is not None:
                    capabilities = {"updated_within": honoured}
            case NewestAt():
                step = after_newest(position, listing)
            case SweepAt():
                step = after_walk(position, listing)
                capabilities = self._learned_of_sweep(position, listing)
            case _:
                step = after_first(listing)
                capabilities = _page_size(listing)
        partial = isinstance(position, SweepAt) and position.status != "all"
        return _page(listing, step, partial=partial, capabilities=capabilities)

    def _learned_of_sweep(self, position: SweepAt, listing: Listing) -> Mapping[str, Any]:
        if position.page > 1 or position.status != "all":
            return {}
        # What a server could not do is forgotten with its version. Where it tells none, polls find out
        # again after each sweep.
        doubtful = self._windows is False and self._version is None
        again = {"updated_within": None} if doubtful else {}
        return {**_page_size(listing), **again}

    def skip(self, position: Position) -> Position | None:
        """Return the position behind a page that always fails.

        A page does that holds a conversation whose contact is gone (known upstream since 2023).
        """
        return skip_page(position)

    def cost(self, rows: int) -> int:
        """Return the pages of a walk, which ends on a short or empty one.

        The page size, which the operator of the installation may change, is what the server showed, or
        the default.
        """
        return rows // self._page_size + 1

    def quota(self, response: Response) -> Quota | None:
        """Return what a 429 says; Chatwoot sends no quota headers."""
        return Quota.used_up(response, _patience(response))

    def _judge(self, response: Response) -> None:
        judge(response, refused=_refusal, patience=_patience(response))

    def _looked_up(self, position: LookUpAt, response: Response) -> Page:
        """Return the page of a look-up.

        `show` is wider than the list: a member of the conversation's team may see here what an
        inbox that is not theirs hides from the list (`conversation_policy.rb`). So `found` for a
        row that the list lacks may mean that access to the inbox was lost; the caller decides.
        """
        if response.status == 404 and isinstance(json_body(response), dict):
            return Page(verdict="deleted")
        if response.status == 401 and said(response, "error").rstrip(".") == NOT_FOR_YOU:
            return Page(verdict="access_lost")
        self._judge(response)
        row, complaints = read_conversation(response, links=self._links, raw=self.raw)
        if row.observation.id != position.id:
            raise SourceChanged("Chatwoot answers a look-up with another conversation")
        return Page(rows=(row.observation,), complaints=complaints, verdict="found")


def _page(listing: Listing, step: Step, *, partial: bool, capabilities: Mapping[str, Any]) -> Page:
    return Page(
        rows=listing.observations,
        next=step.next,
        complete=step.complete,
        total=None if partial else listing.total,
        unusable=listing.unusable,
        complaints=listing.complaints + step.complaints,
        missing=listing.missing,
        capabilities=capabilities,
    )


def _page_size(listing: Listing) -> Mapping[str, Any]:
    """Return what the first page of a list teaches: only a list that is longer cuts it off."""
    cut = (listing.total or 0) > len(listing.ids) > 0
    return {"page_size": len(listing.ids)} if cut else {}


def _patience(response: Response) -> float:
    """Return the seconds to the end of the minute, or half a minute where the second is not known.

    rack-attack counts in fixed minutes of the server's clock, and sends neither Retry-After nor Date. The
    second try comes in the next minute at the latest, and requests that are refused make none longer.
    """
    return HALF_A_MINUTE if response.date is None else 60.0 - response.date.second


def _refusal(response: Response) -> SourceRefused:
    words = said(response, "error", "errors", "message")
    for part, reason, remedy in REFUSALS:
        if part in words.casefold():
            return SourceRefused(f"{reason} (HTTP {response.status})", remedy)
    cause = describe(response, "error", "errors", "message")
    return SourceRefused(
        f"Chatwoot, or a proxy in front of it, refuses the request ({cause})",
        "check base_url, account_id and the token, which must be an administrator's",
    )
