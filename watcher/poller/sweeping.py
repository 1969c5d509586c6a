"""From one sweep to the next: begin, a page a step, past a page that always fails, conclude, verify.

Law: knows nothing of polls' timing; who calls it decides when a step is due.
"""

from __future__ import annotations

import anyio

from watcher.errors import SourceChanged, SourceError, SourceUnavailable, WalkExpired
from watcher.poller.poll import PollWalk
from watcher.poller.session import SourceSession
from watcher.poller.sweep import SweepWalk
from watcher.poller.verify import Verification
from watcher.records import Commit

__all__ = ["Sweeping"]

PAGE_TRIES = 3
"""Failures of one page after which the walk goes past it, if the provider works otherwise; if it
does not, so many more until that is tried again."""

PROBES = 3
"""Pages after a failing one that are tried to find one that works."""

PROGRESS_EVERY = 5.0


class Sweeping:
    """The sweeps of one source. `walk` is the one under way, `verification` what follows it."""

    def __init__(self, session: SourceSession, polls: PollWalk) -> None:
        self.walk: SweepWalk | None = None
        self.verification: Verification | None = None
        self.swept_at: float | None = None
        self._session = session
        self._polls = polls
        self._holes = 0
        self._given_up = 0
        self._progress_due = 0.0

    @property
    def busy(self) -> bool:
        """Whether a walk or its look-ups are under way."""
        return self.walk is not None or self.verification is not None

    @property
    def ahead(self) -> bool:
        """Whether the walk has ended, or got further than the one that was given up before it: the
        first page of a walk that never comes to its end is no sign that all is well.
        """
        return self.walk is None or self.walk.pages > self._given_up

    def abandon(self) -> None:
        """Forget what is under way."""
        self.walk, self.verification = None, None

    async def begin(self) -> None:
        """Begin a walk."""
        session = self._session
        if session.state.baselined is None and session.present:
            # What an unfinished first sweep left behind is no knowledge.
            await session.commit(Commit(session.plan.name, session.state, forget=True))
        self.swept_at = anyio.current_time()
        self._progress_due = self.swept_at + PROGRESS_EVERY
        self.walk = SweepWalk.begin(session)

    async def verify(self) -> None:
        """Look up the next suspect."""
        if self.verification is not None and await self.verification.step(self._session):
            self.verification = None

    async def page(self) -> SweepWalk | None:
        """Fetch the next page; gives the walk when it has ended and is concluded."""
        walk = self.walk
        if walk is None:
            return None
        try:
            over = await walk.step(self._session)
        except WalkExpired:
            try:
                walk.expired(self._session)
            except SourceError:
                self._given_up = walk.pages
                self.walk = None  # the next sweep begins with a new token
                raise
            return None
        except (SourceUnavailable, SourceChanged) as error:
            await self._page_failed(walk, error)
            return None
        if not over:
            self._show_progress(walk)
            return None
        self.walk, self._given_up = None, 0
        await self._conclude(walk)
        return walk

    async def _page_failed(self, walk: SweepWalk, error: SourceError) -> None:
        """Go past a page that keeps failing while a later one works; raises `error` otherwise."""
        if error.concerns_all:
            raise error
        walk.page_failures += 1
        if walk.page_failures % PAGE_TRIES:
            raise error
        position = walk.position
        for number in range(1, PROBES + 1):
            position = self._session.plan.provider.skip(position)
            if position is None:
                raise error
            try:
                await self._session.fetch(position, urgent=False)
            except (SourceUnavailable, SourceChanged):
                continue
            walk.go_past(position, number)
            self._session.log.warning(
                "a page of the listing always fails; the sweep goes past it", reason=error.reason
            )
            return
        raise error

    async def _conclude(self, walk: SweepWalk) -> None:
        session = self._session
        await walk.settle_doubts(session, self._polls)
        if session.state.baselined is None:
            if await walk.finish_baseline(session, self._holes):
                session.log.info("baseline done", conversations=len(walk.seen))
        else:
            self.verification = await walk.finish(session, self._holes)
            await walk.move_watermark(session, self._holes)
        if walk.whole:
            session.last_full_look = max(session.last_full_look, walk.began)
        self._holes = 0 if walk.whole else self._holes + 1
        self._polls.swept()

    def _show_progress(self, walk: SweepWalk) -> None:
        now = anyio.current_time()
        if self._session.state.baselined is None and now >= self._progress_due:
            self._progress_due = now + PROGRESS_EVERY
            self._session.log.info(
                "reading the baseline", conversations=len(walk.seen), of=walk.total
            )
