"""What a provider is: pure functions from a position to a request and from a response to a page.

Law: no I/O, no clock, no randomness. A provider never sees a token or a host: it gives the
shape of a request, `watcher.transport` adds base URL and credentials. Whatever must survive
from one page of a walk to the next is in the position, which only the provider understands.

Writing a provider: a module with a pydantic settings model (subclass of `ProviderSettings`) and
a class with the methods of `Provider`; register the class under the entry-point group
`watcher.providers`. The journey of a walk is

    position = provider.start(motion)
    while position is not None:
        request  = provider.request(position)
        response = … the caller sends it …
        page     = provider.parse(position, response)   # raises SourceError
        position = page.next
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from watcher.model import Conversation, Observation

__all__ = [
    "Budget",
    "Check",
    "LookUp",
    "Members",
    "Motion",
    "Page",
    "Poll",
    "Position",
    "Priced",
    "Provider",
    "ProviderSettings",
    "Quota",
    "Request",
    "Response",
    "Sweep",
]

Position = Any
"""A provider's own frozen value: where a walk stands. Callers only hand it back."""


class ProviderSettings(BaseModel):
    """Settings that every provider has; each provider adds its own in a subclass.

    Unknown settings are errors. `base_url` is the API's origin with an optional path, without a
    trailing slash; a subclass gives its default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")
    token: str = Field(min_length=1, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request without host and secret, so that it can be compared, printed and stored.

    `path` begins with `/` and is appended to `base_url`. `headers` holds only what the
    provider's API asks for beside the credentials (a version).
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: tuple[tuple[str, str], ...] = ()
    json: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer of whatever status, whole and within the size limit.

    `headers` have lower-case names. `sent` and `received` are wall times: what the answer shows
    was true at some moment between them. `date` is the server's own clock (its `Date` header),
    None where it sent none.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    sent: datetime
    received: datetime
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """The fast look: everything that may have changed since `since`.

    `since` is the start of the last poll (or sweep) that went through, by the provider's clock;
    `now` is the provider's clock now (estimated from its `Date` headers). `newest` is the
    highest `last_activity_at` ever stored for this source, None where there is none. The
    provider subtracts its own overlap.
    """

    since: datetime
    now: datetime
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """The complete walk. `now` is the provider's clock at its start (estimated)."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Members:
    """One cheap id-set poll (`Provider.sets` names them): a filtered list, walked whole."""

    name: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask for one conversation by itself: to confirm an absence or to follow a suspicion.

    `why` is `absent` when a complete sweep lacked the row, `suspect` when a set poll hinted at
    a change. `conversation` is what was last known.
    """

    conversation: Conversation
    why: Literal["absent", "suspect"]


@dataclass(frozen=True, slots=True)
class Check:
    """Does the token work, and does the list show what the watcher needs? One or two requests.

    Also run once when a source starts: a provider that can prove here that the list would hide
    rows (Leadping's archive filter) raises SourceRefused.
    """


Motion = Poll | Sweep | Members | LookUp | Check


@dataclass(frozen=True, slots=True)
class Page:
    """One parsed response.

    `rows` are the observations, in the order of the page. `next` is None when the walk is over.
    `complete` is only asked of a sweep's last page: False when the provider knows that the walk
    as a whole may have missed rows (it was cut, or moved under it). `total` is the provider's
    own count of all visible conversations, where the answer carries one: a hint, never proof.
    `unusable` counts rows that could not be read (each also has a line in `complaints`, for the
    operator, without message text); a sweep with unusable rows proves no absence.
    `missing` names raw keys that the provider expects in every row and that no row had: a sign
    of a changed API (reported with the names; the old values stand).
    `verdict` is the answer to a LookUp: `found` (rows hold it, or `rows` is empty when the look-up
    proves existence only), `deleted`, `access_lost`, `unknown` (no proof either way).
    `fallback` asks the caller to give this walk up and start it again with `start` (the provider
    has learned something, for example that a parameter is ignored, and says what in `capabilities`).
    `capabilities` are facts about the server to hand to `Provider.set_capabilities` before the next walk.
    """

    rows: tuple[Observation, ...] = ()
    next: Position | None = None
    complete: bool = True
    total: int | None = None
    unusable: int = 0
    complaints: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    verdict: Literal["found", "deleted", "access_lost", "unknown"] | None = None
    fallback: bool = False
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """A published request limit: `requests` in any `per` seconds, shared by all that has `key`.

    `daily` is how many the provider allows in a day on top of that, None where it names no number;
    it is planned with, and kept by the provider alone (`Provider.quota` reads what is left).
    `key` names what shares it at the provider (an organization, a location, a host). Keys must
    not contain a secret: derive them with `watcher.model.derive_id` where they depend on one.
    """

    SAFETY: ClassVar[float] = 0.95
    """Share of a limit that is used: the provider's window does not begin exactly when ours does."""

    RESERVE: ClassVar[float] = 0.2
    """Share of a limit, and of a quota that the provider reported, that sweeps leave to polls."""

    key: str
    requests: int
    per: float
    daily: int | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What an answer says of the budget: `remaining` requests until `resets` seconds pass
    (an hour at most is believed)."""

    remaining: int
    resets: float


@runtime_checkable
class Provider(Protocol):
    """One configured account. Constructed with its settings (and `raw=True` when the source has
    a `fields:` mapping and observations must carry the decoded row).
    """

    settings_model: ClassVar[type[ProviderSettings]]
    """The settings this provider takes in the configuration."""

    sets: tuple[str, ...]
    """Names of the id-set polls, for instance `("unread", "unassigned")`; mostly empty."""

    has_creation_time: bool
    """Whether rows carry `created_at`."""

    unread_cap: int | None
    """The number at which `unread_count` stops counting, None where it counts on."""

    def __init__(self, settings: Any, *, raw: bool = False) -> None: ...

    @property
    def account(self) -> str:
        """Identity of the account at the provider, without secrets; another value is a new
        baseline. Where only the token tells the account (Leadping), a constant plus base URL:
        a renewed token is not another account.
        """
        ...

    @property
    def budget(self) -> Budget:
        """The published limit that this account's requests count against."""
        ...

    def authorization(self, token: str) -> Mapping[str, str]:
        """Give the headers that carry the credentials."""
        ...

    def set_capabilities(self, capabilities: Mapping[str, Any]) -> None:
        """Take over facts about the server (merged from `Page.capabilities`, kept in the store), which
        is the only state a provider has; called before a walk starts.
        """
        ...

    def start(self, motion: Motion) -> Position:
        """Give the first position of a walk."""
        ...

    def request(self, position: Position) -> Request:
        """Give the request for a position: always the same one for the same position."""
        ...

    def parse(self, position: Position, response: Response) -> Page:
        """Read an answer of any status.

        Raises SourceUnavailable (429, 5xx), SourceRefused (401/403 that concern the account),
        SourceChanged (not the promised shape), WalkExpired (the resume token is refused).
        """
        ...

    def skip(self, position: Position) -> Position | None:
        """Give the position after a page that always fails, None where a walk cannot go on."""
        ...

    def member(self, name: str, conversation: Conversation) -> bool:
        """Tell whether a conversation as known belongs to the id set `name`."""
        ...

    def quota(self, response: Response) -> Quota | None:
        """Read what an answer says of the budget: quota headers, or a 429 that says how long nothing
        is left. All sources that share the budget keep to it.
        """
        ...


@runtime_checkable
class Priced(Protocol):
    """What a provider may have besides: it can say beforehand what a walk costs."""

    def cost(self, rows: int) -> int:
        """Give how many requests a walk over so many rows takes, if nothing moves meanwhile: at
        least one, also for none. A quiet poll costs what a walk over no rows costs.
        """
        ...
