"""The fast look: recent activity, then the cheap id sets. An accelerator; the sweep is the truth.

Law: a row that a poll does not show means nothing. Membership in a set is only a suspicion: the
row itself is asked for. Only a poll that could read all of it, or a sweep (`SweepWalk.move_watermark`
says which), moves the watermark: after a poll that went past a page that fails, or met rows that
cannot be read, the next asks for the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import anyio

from watcher.errors import SourceChanged, SourceError, SourceUnavailable
from watcher.model import Observation
from watcher.pipeline import judge_arrivals, value_at
from watcher.poller.session import Seen, SourceSession
from watcher.providers import IdSet, LookUp, Members, Motion, Page, Poll, Position

__all__ = ["PollWalk", "newest_of"]

SET_PAGES = 3
"""Set polls run only while the set fits in so many pages."""

SUSPECTS_PER_POLL = 20
"""Look-ups that one poll may spend on suspicions; the next poll goes on."""

PAGE_TRIES = 3
"""Failures of polls in a row after which they go past the page that fails."""

PAGES_PAST = 2
"""Pages that a poll tries behind a failing one: a provider that is down is not asked for them all."""

CLOCK_OFF = timedelta(seconds=30)
"""By how much the provider's clock may turn out later than it was taken to be: what every provider's
overlap makes good.
"""

MAX_PAGES = 200
"""A walk that never ends is cut here; the sweep sees what it missed."""


class PollWalk:
    """What one source's polls remember of each other. `sizes` are the rows of each id set, of one
    that is too large as many as were looked at.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.missing: frozenset[str] = frozenset()
        self.vanished: frozenset[str] = frozenset()
        self.crowded = False
        self.sizes: dict[str, int] = {}
        self._doubtful: dict[str, frozenset[str]] = {}
        self._whole = False
        self._failures = 0
        self._excused: dict[str, set[str]] = {}
        self._too_large: set[str] = set()
        self._told: set[str] = set()

    def doubt(self, paths: frozenset[str], ids: Iterable[str], *, whole: bool = False) -> None:
        """Have the next poll ask the id sets, however large, about rows that lost these paths.

        After a `whole` listing without such a key, what the sets do not explain is reported.
        """
        self._whole = self._whole or whole
        for key in ids:
            self._doubtful[key] = self._doubtful.get(key, frozenset()) | paths

    def swept(self) -> None:
        """After a sweep, sets are tried again and suspicions asked again."""
        self._excused.clear()
        self._too_large.clear()

    async def run(self, session: SourceSession) -> None:
        """Make one poll; raises SourceError."""
        began, at = session.clock(), anyio.current_time()
        started = session.provider_now()
        since = session.state.polled or session.state.baseline_started or started
        newest = session.state.newest
        motion: Motion = Poll(since=since, now=started, newest=newest)
        self.total, self.missing, self.vanished = None, frozenset(), frozenset()
        self.crowded = False
        arrivals: dict[str, tuple[Observation, Seen]] = {}
        position, failed, in_a_row = session.start(motion), False, 0
        whole = True
        for _ in range(MAX_PAGES):
            try:
                seen = await session.fetch(position, urgent=True)
            except (SourceUnavailable, SourceChanged) as error:
                self._failures += not failed
                failed, whole, in_a_row = True, False, in_a_row + 1
                position = self._past(session, position, error, in_a_row)
                continue
            page, in_a_row = seen.page, 0
            whole = whole and not page.unusable
            newest = newest_of(page.rows, newest)
            last = page.next is None and not page.fallback
            polled = _looked_until(session, since, started, at)
            cursor = {"newest": newest, "polled": polled} if last and whole else None
            decision = await session.absorb(page.rows, seen.response, cursor=cursor)
            arrivals.update((row.id, (row, seen)) for row in decision.arrivals)
            self._note(page)
            self.doubt(decision.vanished, (row.id for row in decision.doubtful))
            if last:
                break
            position = session.start(motion) if page.fallback else page.next
            await anyio.lowlevel.checkpoint()
        self._failures *= failed  # a page that fails every time is passed at once every time
        await self._admit(session, arrivals)
        for name in session.plan.provider.sets:
            if self._doubtful or name not in self._too_large:
                await self._members(session, name)
        await self._settle_doubts(session)
        if whole:
            polled = _looked_until(session, since, started, at)
            await session.save(force=newest != session.state.newest, newest=newest, polled=polled)
            session.last_full_look = began
        session.metrics.polls.labels(session.plan.name).inc()

    def _past(
        self, session: SourceSession, position: Position, error: SourceError, in_a_row: int
    ) -> Position:
        """Give the position after a page that failed several polls in a row, where there is one:
        a single broken record must not blind the polls. Raises `error` otherwise.
        """
        if error.concerns_all or in_a_row > PAGES_PAST:
            raise error
        after = session.plan.provider.skip(position) if self._failures >= PAGE_TRIES else None
        if after is None:
            raise error
        return after

    def _note(self, page: Page) -> None:
        if page.total is not None:
            self.total = page.total
        if len(page.rows) > 2:  # one odd row alone is no changed API
            self.missing |= frozenset(page.missing)

    async def _settle_doubts(self, session: SourceSession) -> None:
        """What the id sets proved is committed; what still stands against the rows is reported."""
        if not self._doubtful:
            return
        doubtful, whole = self._doubtful, self._whole
        self._doubtful, self._whole = {}, False
        if not whole:
            return
        known = await session.store.known(session.plan.name, doubtful)
        self.vanished = frozenset(
            path
            for key, paths in doubtful.items()
            if key in known and known[key].present
            for path in paths
            if value_at(known[key], path) is not None
        )

    async def _admit(
        self, session: SourceSession, arrivals: dict[str, tuple[Observation, Seen]]
    ) -> None:
        """Let new rows in that have no creation time, unless they are implausibly many: then the
        sweep decides.
        """
        if not arrivals:
            return
        admit, _, _ = judge_arrivals(
            session.policy, arrivals.keys(), session.present, hold=None, now=session.clock()
        )
        waits = session.state.hold is not None and session.state.hold.kind == "arrivals"
        if not admit or waits or session.state.arrivals:
            self.crowded = True
            return
        for row, seen in arrivals.values():
            await session.absorb([row], seen.response, admit=True)

    async def _members(self, session: SourceSession, name: IdSet) -> None:
        """Walk an id set; ask for the known members that it lacks."""
        shown: set[str] = set()
        position = session.start(Members(name))
        for _ in range(MAX_PAGES if self._doubtful else SET_PAGES):
            seen = await session.fetch(position, urgent=True)
            await session.absorb(seen.page.rows, seen.response)
            shown.update(row.id for row in seen.page.rows)
            if seen.page.fallback:
                return  # the provider learned something; the next poll asks differently
            position = seen.page.next
            if position is None:
                break
        else:
            self.sizes[name] = len(shown)
            self._too_large.add(name)
            if name not in self._told:
                self._told.add(name)
                session.log.info("an id set is too large to be polled; sweeps watch it", set=name)
            return
        self.sizes[name] = len(shown)
        excused = self._excused.setdefault(name, set())
        known = set(await session.store.ids_in_set(session.plan.name, name))
        excused &= known - shown
        suspects = sorted(known - shown - excused)[:SUSPECTS_PER_POLL]
        for key in suspects:
            await self.look_up(session, key)
        still = set(await session.store.ids_in_set(session.plan.name, name)) if suspects else set()
        excused.update(key for key in suspects if key in still)

    async def look_up(self, session: SourceSession, key: str) -> None:
        """Ask for one conversation and commit what it shows; raises SourceError."""
        snapshot = (await session.store.known(session.plan.name, [key])).get(key)
        if snapshot is None:
            return
        position = session.start(LookUp(snapshot.conversation, "suspect"))
        while position is not None:
            seen = await session.fetch(position, urgent=True)
            await session.absorb(seen.page.rows, seen.response)
            position = seen.page.next


def _looked_until(
    session: SourceSession, since: datetime, started: datetime, at: float
) -> datetime:
    """Give until when a poll that began at loop time `at` has looked, by the provider's clock as its
    answers tell it by now. Where our clock had been set back, the poll asked for too short a time:
    the next one asks again from `since` on.
    """
    known = session.provider_now() - timedelta(seconds=anyio.current_time() - at)
    return since if known - started > CLOCK_OFF else min(started, known)


def newest_of(rows: tuple[Observation, ...], newest: datetime | None) -> datetime | None:
    """Give the latest activity among the rows and `newest`."""
    for row in rows:
        at = row.fields.get("last_activity_at")
        if at is not None and (newest is None or at > newest):
            newest = at
    return newest
