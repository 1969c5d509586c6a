"""What a provider is: pure functions from a position to a request and from an answer to a page.

Rules: no I/O, no clock, no randomness. A provider never sees a host and puts no secret into a
request: it returns the request's shape, and `watcher.transport` adds base URL and credentials.
What must survive from one page of a walk to the next is in the position, which only the provider
understands.

A walk goes like this:

    position = provider.start(motion)
    while position is not None:
        request  = provider.request(position)
        response = … the caller sends it …
        page     = provider.parse(position, response)   # raises SourceError
        position = page.next

To write a provider, subclass `Provider` and `ProviderSettings`, and register the class under the
entry-point group `watcher.providers` (docs/writing-a-provider.md). `watcher.providers.answers` reads
statuses and bodies, `watcher.providers.rows` rows value by value, and `watcher.testing.provider_suite`
checks what is promised here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator

from watcher.http import retry_after
from watcher.model import Conversation, IdSet, Observation
from watcher.settings.base import Settings

__all__ = [
    "TORN",
    "VERSION",
    "Budget",
    "Check",
    "Coverage",
    "IdSet",
    "LookUp",
    "Members",
    "Motion",
    "Page",
    "Parts",
    "Poll",
    "Position",
    "Provider",
    "ProviderSettings",
    "Quota",
    "Request",
    "Response",
    "Sweep",
]

LONGEST_WAIT = 3_600.0
"""Seconds of `Retry-After` that are believed: one request an hour is no burden for a provider, and
a proxy's header of years must not silence a source for years.
"""

VERSION = "version"
"""The capability that holds the server's own version, as text."""

Position: TypeAlias = Any
"""Where a walk stands: a frozen value of the provider's own. Callers only hand it back."""


class ProviderSettings(Settings):
    """The settings that every provider has; each provider adds its own in a subclass.

    Unknown settings are errors.
    """

    base_url: str = Field(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")
    """The API's origin with an optional path, without a trailing slash; a subclass sets its default."""

    token: str = Field(min_length=1, repr=False)
    """The credential; only `Provider.authorization` makes headers of it."""

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request without host and secret, so that it can be compared, printed and stored."""

    path: str
    """Begins with `/` and is appended to `base_url`."""

    method: Literal["GET", "POST"] = "GET"
    """POST only where the API reads by POST."""

    params: tuple[tuple[str, str], ...] = ()
    """The query, in this order, not yet encoded."""

    json: Any = None
    """The body; None sends none."""

    headers: tuple[tuple[str, str], ...] = ()
    """What the API asks for in addition to the credentials, a version for example."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer of any status, whole and within the size limit."""

    status: int
    """The status code, as the server sent it."""

    body: bytes
    """The unpacked body."""

    headers: Mapping[str, str]
    """Header values by lower-case name."""

    sent: datetime
    """Wall time at which the request went out: what the answer shows was true after it."""

    received: datetime
    """Wall time at which the answer was complete: what it shows was true before it."""

    date: datetime | None = None
    """The server's own clock (its `Date` header), None without one."""

    @property
    def retry_after(self) -> float | None:
        """Seconds that `Retry-After` asks callers to wait, an hour at most; None without it."""
        wait = retry_after(self.headers)
        return None if wait is None else min(wait, LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Poll:
    """The fast look: everything that may have changed since the last one.

    Nothing tells the provider's present: clocks are wrong, and not every server sends its `Date`.
    """

    elapsed: timedelta | None
    """How long ago the last poll or sweep that succeeded began, None where that is not known. A duration
    is the same by every clock.
    """

    newest: datetime | None = None
    """A time by the rows' own stamps up to which all activity (`last_activity_at`) has been seen, None
    where there is none yet. A nonsense date of one or two rows does not count.
    """

    again: timedelta = timedelta(seconds=60)
    """How much of what earlier polls asked for is to be asked for again, because a change may become
    visible later than its own stamp. Little in most polls, more in some; a provider whose index lags has
    an overlap of its own.
    """

    still: datetime | None = None
    """The activity, by the rows' own stamps, up to which nothing can be late any more, None where that is
    not known: a walk by activity may end there.
    """


@dataclass(frozen=True, slots=True)
class Sweep:
    """The complete walk."""


@dataclass(frozen=True, slots=True)
class Members:
    """A poll of one id set (`Provider.sets`): a filtered list, walked whole."""

    name: IdSet


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask for one conversation by itself, to confirm an absence or to follow a suspicion."""

    conversation: Conversation
    """What was last known of it."""

    why: Literal["absent", "suspect"]
    """`absent`: a complete sweep lacked the row. `suspect`: an id set hinted at a change."""


@dataclass(frozen=True, slots=True)
class Check:
    """Does the token work, and does the list show what the watcher needs? A few requests.

    Also run when a source starts: a provider that can prove here that the list hides rows
    (Leadping's archive filter) raises SourceRefused.
    """


Motion: TypeAlias = Poll | Sweep | Members | LookUp | Check


@dataclass(frozen=True, slots=True)
class Page:
    """One parsed answer."""

    rows: tuple[Observation, ...] = ()
    """What the page shows, in its order."""

    next: Position | None = None
    """Where the walk goes on, None at its end."""

    complete: bool = True
    """Read from a sweep's last page alone: False when the provider knows that the walk as a whole may
    have missed rows (it was cut off, or rows moved under it).
    """

    total: int | None = None
    """The provider's own count of all visible conversations, where the answer has one: a hint, never
    a proof.
    """

    unusable: int = 0
    """How many rows have no usable id; a sweep with any proves no absence."""

    complaints: tuple[str, ...] = ()
    """A line for the operator on each row with values that cannot be read, which names conversation and
    keys, never a value; and on each unusable row.
    """

    missing: tuple[str, ...] = ()
    """Raw keys that the provider expects in every row and that no row shows (what cannot be read is not
    shown), the sign of a changed API:
    reported by name, and the old values are kept.
    """

    verdict: Literal["found", "deleted", "access_lost", "unknown"] | None = None
    """The answer to a LookUp. `found`: `rows` holds the conversation, or is empty where the look-up
    proves existence only. `unknown`: no proof either way.
    """

    fallback: bool = False
    """Asks the caller to give up this walk and to start it again, after the provider has learned from
    `capabilities` (that the server ignores a parameter, for example).
    """

    clock: datetime | None = None
    """The present by the clock that dates the rows, where the answer itself tells it; cut to the second.
    A `Date` header is no such thing: a proxy may write it.
    """

    capabilities: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the server, as plain JSON, for `Provider.set_capabilities` before the next walk.

    `VERSION` is what the server says of its version. When it tells another one than before, all other
    facts are forgotten, and a check finds them out anew.
    """


@dataclass(frozen=True, slots=True)
class Budget:
    """A request limit: `requests` in any `per` seconds."""

    SAFETY: ClassVar[float] = 0.95
    """Share of a limit that is used: the provider's window does not begin exactly when ours does."""

    RESERVE: ClassVar[float] = 0.2
    """Share of a limit that is planned for bursts and late polls, and of a quota that the provider reported
    that sweeps leave to polls.
    """

    BURST: ClassVar[float] = 0.05
    """Share of a limit that may be sent at once; the rest is spread over the window."""

    key: str
    """Names what shares the limit at the provider (an organization, a location, a host). It must not
    contain a secret: use `watcher.model.derive_id` where it depends on one.
    """

    requests: int
    """How many requests the limit allows within `per`."""

    per: float
    """The length of the limit's window in seconds."""

    daily: int | None = None
    """How many requests the provider allows in a day in addition, None where it names no number. It is
    planned with; `Provider.quota` reads what is left.
    """

    @property
    def burst(self) -> int:
        """How many requests may be sent at once."""
        return _paced(self.requests, self.per)[0]

    @property
    def interval(self) -> float:
        """Seconds between two requests once the burst is sent: then no window sees more than is used."""
        return _paced(self.requests, self.per)[1]


@lru_cache(maxsize=256)
def _paced(requests: int, per: float) -> tuple[int, float]:
    """Return `Budget.burst` and `Budget.interval`: each request asks for them."""
    used = max(1, int(requests * Budget.SAFETY))
    burst = max(1, int(used * Budget.BURST))
    return burst, per / (used - burst + 1)


@dataclass(frozen=True, slots=True)
class Quota:
    """What an answer says about the budget."""

    remaining: int
    """How many requests are left."""

    resets: float
    """Seconds until more are allowed; an hour at most is believed."""

    @classmethod
    def used_up(cls, response: Response, wait: float | None = None) -> Quota | None:
        """Return the quota of a 429: nothing left for as long as `Retry-After` asks, or for `wait`.

        None for any other answer, and where neither says how long.
        """
        if response.status != 429:
            return None
        asked = response.retry_after
        resets = wait if asked is None else asked
        return None if resets is None else cls(0, resets)


Parts: TypeAlias = Mapping[str, frozenset[str]]
"""Parts of a conversation by the path that shows their loss, each with the paths that go with it."""

TORN: Parts = {
    "last_message": frozenset({"unread", "unread_count", "channel", "last_activity_at"}),
    "contact": frozenset(),
}
"""What a row may lack for a moment at any provider of which nothing else is known."""

AttributeKind: TypeAlias = Literal["string", "number", "bool", "list", "map", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a provider can ever show, so that `check` finds rules that can never match.

    What a source maps with `fields:` is shown in addition.
    """

    never: frozenset[str] = frozenset()
    """Fields of `conversation` that no row shows, such as `assignee` or `last_message.direction`."""

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """All texts that a field can have, by its path, where the provider has a closed set of them."""

    attributes: Mapping[str, AttributeKind] | None = None
    """The keys of `attributes`, with the type of their values; None where they are not known."""


class Provider(ABC):
    """One configured account.

    Compulsory are `settings_model`, `account`, `start`, `request` and `parse`; everything else has a
    default that suits a simple API with a bearer token. Apart from `set_capabilities`, no method
    changes anything.
    """

    settings_model: ClassVar[type[ProviderSettings]]
    """The settings that this provider takes in the configuration."""

    coverage: ClassVar[Coverage] = Coverage()
    """What its rows can show. Default: it may be anything."""

    torn: ClassVar[Parts] = TORN
    """The parts that a row may lack for a moment, while the server reads it or deletes it in steps.

    A part whose value is lost (of `last_message` also: an older one is shown) is believed to be gone
    only when it is missing in two answers a minute apart; so are the paths that go with it, in the
    rows in which it is lost, unless they grew. `contact` stands for `contact.*`: it is lost where its
    id is, or all that was known of it. Default: the last message with what depends on it, and the
    contact. A server that answers from one snapshot of its database has none: `{}`.
    """

    words: ClassVar[frozenset[str]] = frozenset()
    """The keys of its raw rows below which all texts are what people wrote: with `store_texts: false`,
    a source's `fields:` cannot read them. The words of the row's message are known without it. Default: none.
    """

    sets: tuple[IdSet, ...] = ()
    """The id sets that the provider can list cheaply; they find changes that move no order."""

    unread_cap: int | None = None
    """The number at which `unread_count` stops counting, None where it counts on."""

    def __init__(self, settings: Any, *, raw: bool = False) -> None:
        self.settings = settings
        """An instance of `settings_model`."""

        self.raw = raw
        """Whether observations must carry the decoded row, because the source maps fields of it."""

    @property
    @abstractmethod
    def account(self) -> str:
        """Return the account's identity at the provider, without secrets.

        Another value is a new baseline. Where only the token determines the account (Leadping), return
        a constant: a renewed token is not another account.
        """

    @property
    def budget(self) -> Budget:
        """Return the limit that this account's requests count against.

        Default: 60 a minute for the account, for a provider that publishes no limit.
        """
        return Budget(f"{type(self).__name__}:{self.account}", requests=60, per=60.0)

    @property
    def about(self) -> Position | None:
        """Return the position of one request that asks the server for its version.

        It is asked before a check and before each sweep. Its page holds no rows, and `VERSION` in its
        capabilities where the answer tells it. Any error, and any answer without a version (a proxy may
        hide it), is harmless: nothing may depend on a version. Default: None, the API tells none.
        """
        return None

    @property
    def limits(self) -> tuple[str, ...]:
        """Return what the server's version cannot tell, a line for people each.

        The version is the one in the capabilities that were set; without one, nothing is said. Default:
        nothing.
        """
        return ()

    def authorization(self, token: str) -> Mapping[str, str]:
        """Return the headers that carry the credentials. Default: a bearer token."""
        return {"Authorization": f"Bearer {token}"}

    def set_capabilities(self, capabilities: Mapping[str, Any]) -> None:  # noqa: B027 - optional
        """Adopt facts about the server (merged from `Page.capabilities`, kept in the store).

        This is the only state that a provider has; it is called before a walk starts. Default: ignore
        them.
        """

    @abstractmethod
    def start(self, motion: Motion) -> Position:
        """Return the first position of a walk; of the id sets, only those in `sets` are asked for."""

    @abstractmethod
    def request(self, position: Position) -> Request:
        """Return the request for a position: always the same one for the same position."""

    @abstractmethod
    def parse(self, position: Position, response: Response) -> Page:
        """Return the page that an answer of any status shows.

        Raise SourceUnavailable (429, 5xx), SourceRefused (401 and 403 that concern the account),
        SourceChanged (not the promised shape) or WalkExpired (the resume token is refused).
        """

    def skip(self, position: Position) -> Position | None:
        """Return the position behind a page that always fails.

        Default: None, the walk cannot go on.
        """
        return None

    def quota(self, response: Response) -> Quota | None:
        """Return what an answer says about the budget; all sources that share it keep to that.

        Default: a 429 with `Retry-After` means that nothing is left for so long.
        """
        return Quota.used_up(response)

    def cost(self, rows: int) -> int | None:
        """Return how many requests a walk over `rows` rows takes if nothing moves, at least one.

        A quiet poll costs what a walk over no rows costs. `inbox-watcher check` plans with it.
        Default: None, the provider cannot say.
        """
        return None
