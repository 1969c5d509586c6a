"""Walks over a provider's answers: where each stands, what it has gathered so far, when it is over.

Rules: `step` is the only place where a page follows from a page; polls, id sets, sweeps, look-ups and
checks differ in what they remember of a page (`take`) and where they go after a failure (`fail`).
A walk does no I/O and commits nothing: who follows it passes in how pages are fetched and absorbed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol

from watcher.errors import SourceChanged, SourceError, SourceUnavailable
from watcher.metrics import MotionName
from watcher.model import Conversation, IdSet, Observation
from watcher.pipeline import Decision
from watcher.pipeline.baseline import Sightings
from watcher.pipeline.poll import PollSummary, goes_past
from watcher.pipeline.sweep import LookUpList, SweepSummary
from watcher.poller.seen_ids import SeenIds
from watcher.providers import (
    Check,
    LookUp,
    Members,
    Motion,
    Page,
    Poll,
    Position,
    Provider,
    Response,
    Sweep,
)
from watcher.providers.stamps import third_latest

__all__ = [
    "VERSION_WAIT",
    "Absorb",
    "Arrivals",
    "CheckWalk",
    "Fetch",
    "LookUpRound",
    "LookUpWalk",
    "PollWalk",
    "Seen",
    "SetWalk",
    "SweepWalk",
    "Walk",
    "ask_version",
    "broken_plugin",
    "find_working_page",
    "follow",
    "step",
]

CHECK_PAGES = 20
"""Pages of a check; providers need one or two, some four."""

POLL_PAGES = 200
"""A poll that never ends is cut here; the sweep sees what it missed."""

SWEEP_PAGES = 200_000
"""A sweep that never ends is given up here."""

CROWD, MOST_ARRIVALS = 1_000, 10_000
"""Rows beyond a source's bound, and rows that are set aside, from which on a sweep ends where they are the
better part of what it has seen.
"""

PAGE_TRIES = 3
"""Failures of one page after which a sweep goes past it, if the provider works otherwise; if it
does not, so many more until that is tried again."""

PROBES = 3
"""Pages after a failing one that are tried to find one that works."""

EXPIRED_RESTARTS = 3
"""Times that a sweep begins again because its page token was refused."""

MOST_RESTARTS = 5
"""Times that a sweep begins again for any reason."""

VERSION_WAIT = 5.0
"""Seconds that a server gets to tell its version: a proxy that swallows the question delays no poll
for longer.
"""

SAMPLE = 5
"""Rows that a whole sweep lacked and that are looked up before the others."""

SEVERAL = 2
"""Rows of the sample that are still there, from which on the listing is not believed."""

LOOK_UP_TRIES = 3
"""Failed look-ups of one row after which it waits for the next sweep."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A page together with the answer that it was read from."""

    page: Page
    response: Response

    repeated: bool = False
    """Whether the answer says again what it said: then the page comes without its rows."""


class Fetch(Protocol):
    """Fetches and reads the page at a position; raises SourceError."""

    async def __call__(self, position: Position, *, urgent: bool, motion: MotionName) -> Seen: ...


Absorb = Callable[[Seen], Awaitable[Decision]]
"""Has a page's rows decided and committed."""

Arrivals = Mapping[str, tuple[Observation, Seen]]
"""Rows that were set aside, each with the page that showed it."""

NOTHING = Decision(None)


class Walk:
    """One walk: a position that moves from page to page, and is None when the walk is over."""

    urgent = True
    """Whether its requests go before others that share the request limit."""

    name: ClassVar[MotionName] = "check"
    """What its requests are counted as."""

    def __init__(self, provider: Provider, motion: Motion, *, most: int | None = None) -> None:
        self._provider = provider
        self._motion = motion
        self._most = most
        self.position: Position = provider.start(motion)
        self.pages = 0
        self.total: int | None = None
        self.cut = False

    def take(self, seen: Seen, decision: Decision) -> None:
        """Remember what a page showed and what was decided about it; move on."""
        page = seen.page
        self.pages += 1
        if page.total is not None:
            self.total = page.total
        self.move(self.after(page))

    def after(self, page: Page) -> Position:
        """Return where the walk goes after a page, None where it is over."""
        # The provider has learned something about the server and asks to begin again with it.
        return self._provider.start(self._motion) if page.fallback else page.next

    def move(self, position: Position) -> None:
        """Go on at a position, unless that would be a page too many."""
        if position is not None and self.pages == self._most:
            self.cut, position = True, None
        self.position = position

    def fail(self, error: SourceError) -> None:
        """Go on after a page that failed, or raise the error."""
        raise error


class CheckWalk(Walk):
    """Asks whether the list shows what the watcher needs."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider, Check(), most=CHECK_PAGES)

    def move(self, position: Position) -> None:
        """Go on; a check that does not end is a bug of the provider."""
        super().move(position)
        if self.cut:
            raise SourceChanged("the check does not come to an end", "report this as a bug")


class SetWalk(Walk):
    """Reads the members of an id set; `cut` when there are more than `most` pages of them."""

    name = "set"

    def __init__(self, provider: Provider, name: IdSet, *, most: int) -> None:
        super().__init__(provider, Members(name), most=most)
        self.ids: set[str] = set()

    def take(self, seen: Seen, decision: Decision) -> None:
        """Remember the members."""
        self.ids.update(row.id for row in seen.page.rows)
        super().take(seen, decision)


class LookUpWalk(Walk):
    """Asks for one conversation. `verdict` is the provider's word, None where it gave none."""

    name = "look_up"

    def __init__(
        self, provider: Provider, conversation: Conversation, why: Literal["absent", "suspect"]
    ) -> None:
        super().__init__(provider, LookUp(conversation, why))
        self.urgent = why == "suspect"
        self.verdict: Literal["found", "deleted", "access_lost", "unknown"] | None = None
        self.response: Response | None = None

    def take(self, seen: Seen, decision: Decision) -> None:
        """Remember the verdict."""
        self.verdict, self.response = seen.page.verdict, seen.response
        super().take(seen, decision)

    def after(self, page: Page) -> Position:
        """Return where the look-up goes on; a verdict ends it."""
        return page.next if page.verdict is None else None


class PollWalk(Walk):
    """Reads what may have changed lately.

    `failing_polls` counts polls in a row that met a page that fails, this one included; `fresh` are rows
    that did not look as they did at the last look.
    """

    name = "poll"

    def __init__(self, provider: Provider, motion: Poll, *, failing_polls: int) -> None:
        super().__init__(provider, motion)
        self.failing_polls = failing_polls
        self.failed = False
        self.whole = True
        self.newest = motion.newest
        self._stamps: dict[str, datetime] = {}
        self.missing: frozenset[str] = frozenset()
        self.arrivals: dict[str, tuple[Observation, Seen]] = {}
        self.fresh = 0
        self._tried = 0
        self._failed_in_a_row = 0

    def ends_whole(self, page: Page) -> bool:
        """Return whether the poll ends with this page and could read everything before it."""
        return page.next is None and not page.fallback and self.whole and not page.unusable

    def newest_with(self, rows: Iterable[Observation]) -> datetime | None:
        """Return up to when all activity has been seen once the poll has ended with these rows."""
        for row in rows:
            at = row.fields.get("last_activity_at")
            if at is not None:
                self._stamps[row.id] = at
        found = third_latest(self._stamps.values())
        return max((at for at in (self.newest, found) if at is not None), default=None)

    def take(self, seen: Seen, decision: Decision) -> None:
        """Remember new rows, the latest activity and missing keys."""
        page, self._failed_in_a_row = seen.page, 0
        self.whole = self.whole and not page.unusable
        self.newest = self.newest_with(page.rows)
        self.fresh += len(decision.agreed)
        self.arrivals.update((row.id, (row, seen)) for row in decision.arrivals)
        if len(page.rows) > 2:  # one odd row alone is no changed API
            self.missing |= frozenset(page.missing)
        super().take(seen, decision)

    def fail(self, error: SourceError) -> None:
        """Go past a page that failed several polls in a row: one broken record must not blind them."""
        if not isinstance(error, SourceUnavailable | SourceChanged):
            raise error
        if not self.failed:
            self.failed, self.failing_polls = True, self.failing_polls + 1
        self.whole = False
        self._failed_in_a_row += 1
        if not goes_past(error, self._failed_in_a_row, self.failing_polls):
            raise error
        after = self._provider.skip(self.position)
        if after is None:
            raise error
        self.move(after)

    def move(self, position: Position) -> None:
        """Go on, up to a number of pages; the sweep sees what a poll that is cut missed."""
        self._tried += 1
        super().move(position if self._tried < POLL_PAGES else None)

    def summary(self) -> PollSummary:
        """Return what the pages came to."""
        return PollSummary(self.whole, self.newest, self.total, self.missing)


class SweepWalk(Walk):
    """Reads the complete list.

    `began` is its start by our clock, `told` by the one that dates the rows, where the server has told
    it; `estimate` is the same as the provider's `Date` has it, where it
    tells one. `doubtful` are rows that lost values together with all others of their page.
    """

    name = "sweep"
    urgent = False

    def __init__(
        self, provider: Provider, *, began: datetime, told: datetime | None = None
    ) -> None:
        super().__init__(provider, Sweep())
        self._told = told
        self.began = self.estimate = began
        self.passed = timedelta(0)
        self.ids = SeenIds()
        self.arrivals: dict[str, tuple[Observation, Seen]] = {}
        self.doubtful: dict[str, tuple[Observation, Seen]] = {}
        self._page_failures = 0
        self._sightings = Sightings()
        self._rows = 0
        self._skipped = 0
        self._unusable = 0
        self._missing: frozenset[str] | None = None
        self._lost: frozenset[str] = frozenset()
        self._shown: set[str] = set()
        self._restarts = 0
        self.refused = 0
        self.bound = ""

    def refuse(self, rows: int, bound: str) -> None:
        """Note that so many rows of the page were not taken in, because of a bound of the source."""
        if rows:
            self.refused += rows
            self.bound = bound

    def take(self, seen: Seen, decision: Decision) -> None:
        """Remember which rows there were, and what they lacked."""
        page = seen.page
        self._page_failures = 0
        self.ids.update(row.id for row in page.rows)
        self._rows += len(page.rows)
        for row in page.rows:
            self._sightings.note(row, self.passed)
        self._unusable += page.unusable
        self._lost |= decision.vanished
        self.arrivals.update((row.id, (row, seen)) for row in decision.arrivals)
        self.doubtful.update((row.id, (row, seen)) for row in decision.doubtful)
        for row in page.rows:
            self._shown.update(row.fields.keys() - row.absent)
        if page.rows:
            missing = frozenset(page.missing)
            self._missing = missing if self._missing is None else self._missing & missing
        super().take(seen, decision)

    def after(self, page: Page) -> Position:
        """Return where the sweep goes on: from its beginning, where the provider asks for that."""
        if page.fallback:
            return self._restart()
        if page.next is None:
            self.cut = not page.complete
        elif max(self.refused, len(self.arrivals) - MOST_ARRIVALS) > max(CROWD, len(self.ids) // 2):
            # What comes of such a list is neither stored nor remembered: there is no end to it.
            self.cut = True
            return None
        elif self.pages >= SWEEP_PAGES:
            raise SourceChanged("the listing never ends", "report this with the provider's name")
        return page.next

    def expire(self) -> None:
        """Begin again after a refused page token; raise SourceChanged where that does not help."""
        if self._restarts >= EXPIRED_RESTARTS:
            raise SourceChanged("the provider keeps refusing its own page tokens")
        self.position = self._restart()

    def _restart(self) -> Position:
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            raise SourceChanged("the listing makes every walk begin again")
        self.ids.clear()
        return self._provider.start(self._motion)

    def is_stuck(self, error: SourceError) -> bool:
        """Note that the page failed; return whether later ones are to be tried now."""
        if error.concerns_all:
            return False
        self._page_failures += 1
        return self._page_failures % PAGE_TRIES == 0

    def go_past(self, position: Position, pages: int) -> None:
        """Go on behind so many pages that always fail."""
        self.position = position
        self._skipped += pages
        self._page_failures = 0

    def summary(self, incomplete_before: int) -> SweepSummary:
        """Return what the sweep came to; `incomplete_before` sweeps in a row were not whole."""
        return SweepSummary(
            began=self.began,
            started=self._told or self._sightings.started(self.estimate),
            top=None if self._told else self._sightings.top,
            seen=self.ids,
            arrivals=self.arrivals.keys(),
            newest=self._sightings.newest,
            cut=self.cut,
            skipped=self._skipped,
            unusable=self._unusable,
            missing=self._missing or frozenset(),
            lost=self._lost,
            shown=self._shown,
            total=self.total,
            incomplete_before=incomplete_before,
            refused=self.refused,
            bound=self.bound,
        )


class LookUpRound:
    """The look-ups that follow a sweep, one a step. `undecided` are the ids that stay suspects, `since`
    is when the sweep ended, by our clock: what is seen after that is there.

    A sample of what a whole sweep lacked comes first. Where several of it are still there, the listing was
    wrong: nothing is concluded of the others, and the next sweep that lacks them begins anew.
    """

    def __init__(self, wanted: LookUpList, since: datetime) -> None:
        self.wanted = wanted
        self.since = since
        self._sample = _sample(wanted)
        rest = (key for key in wanted.ids if key not in self._sample)
        self.waiting = [*self._sample, *rest]
        self.undecided: list[str] = []
        self._found = 0
        self._failures: dict[str, int] = {}

    def find(self, key: str) -> bool:
        """Note that a row is still there; return whether the listing is not believed any more, and the
        others are left alone.
        """
        self._found += key in self._sample
        if self._found < SEVERAL or not self.waiting:
            return False
        self.waiting.clear()
        self.undecided.clear()
        return True

    def settle(self, key: str, *, decided: bool) -> None:
        """Be done with a row, whether or not it could be decided."""
        self.waiting.remove(key)
        if not decided:
            self.undecided.append(key)

    def fail(self, key: str) -> None:
        """Note that a row could not be looked up: the others come first now, and after some tries it
        waits for the next sweep. While it is deleted, a server may answer 500 for a moment.
        """
        self._failures[key] = self._failures.get(key, 0) + 1
        if self._failures[key] >= LOOK_UP_TRIES:
            self.settle(key, decided=False)
        else:
            self.waiting.remove(key)
            self.waiting.append(key)


def _sample(wanted: LookUpList) -> tuple[str, ...]:
    """Return the rows to ask for first, from all over the list; none where it is short. Rows that the
    listing lacks time and again say nothing about it, and after one that was not whole most are there.
    """
    news = [key for key in wanted.ids if key not in wanted.again]
    if wanted.proof_only or len(news) <= SAMPLE:
        return ()
    return tuple(news[number * len(news) // SAMPLE] for number in range(SAMPLE))


async def step(walk: Walk, fetch: Fetch, absorb: Absorb | None = None) -> None:
    """Fetch the page at the walk's position, have its rows absorbed, and move on.

    Raises SourceError where the walk does not go past a page that fails.
    """
    try:
        seen = await fetch(walk.position, urgent=walk.urgent, motion=walk.name)
    except SourceError as error:
        walk.fail(error)
        return
    walk.take(seen, await absorb(seen) if absorb is not None else NOTHING)


async def follow(walk: Walk, fetch: Fetch, absorb: Absorb | None = None) -> None:
    """Make all steps of a walk; raises SourceError."""
    while walk.position is not None:
        await step(walk, fetch, absorb)


async def ask_version(provider: Provider, fetch: Fetch) -> None:
    """Have a server tell its version, where it can be asked for one; what fetches remembers it.

    That nothing is told is no failure: a proxy may hide it, and nothing depends on it. Whoever calls
    waits no longer than `VERSION_WAIT`.
    """
    if provider.about is None:
        return
    with suppress(SourceError):
        await fetch(provider.about, urgent=False, motion="check")


async def find_working_page(walk: SweepWalk, provider: Provider, fetch: Fetch) -> bool:
    """Have a sweep go past a page that keeps failing; return False where no later one works either.

    The pages in between are left out: a sweep that skipped one proves no absence.
    """
    position = walk.position
    for number in range(1, PROBES + 1):
        position = provider.skip(position)
        if position is None:
            return False
        try:
            await fetch(position, urgent=walk.urgent, motion=walk.name)
        except (SourceUnavailable, SourceChanged):
            continue
        walk.go_past(position, number)
        return True
    return False


def broken_plugin(error: Exception) -> SourceChanged:
    """Return what is reported where a provider plug-in raises what it may not."""
    return SourceChanged(
        f"the provider plug-in failed on an answer ({type(error).__name__})",
        "report this to the author of the provider plug-in",
    )
