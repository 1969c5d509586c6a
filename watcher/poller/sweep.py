"""The complete walk: the only thing that may suspect an absence.

Law: one page a step, so that polls go between two pages. A walk that was cut, or had a page
skipped or a row unread, proves no absence.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from watcher.errors import SourceChanged
from watcher.model import Observation
from watcher.pipeline import SourceReport, judge_absences, judge_arrivals
from watcher.pipeline.schema_drift import MISSING
from watcher.poller.poll import PollWalk, newest_of
from watcher.poller.session import Seen, SourceSession
from watcher.poller.verify import Verification
from watcher.providers import Position, Sweep
from watcher.records import Commit, Hold

__all__ = ["SweepWalk"]

MAX_RESTARTS = 3
MAX_PAGES = 200_000
LOOK_BEHIND = 100
"""Rows behind a hole that are looked up one by one after each sweep."""

HOLE_AFTER = 2
"""Sweeps in a row with skipped pages after which the hole counts as staying."""


@dataclasses.dataclass
class SweepWalk:
    """One walk over the complete list, a page a step.

    `began` is its start by our clock, `started` by the provider's.
    """

    began: datetime
    started: datetime
    position: Position
    seen: set[str] = dataclasses.field(default_factory=set)
    arrivals: dict[str, tuple[Observation, Seen]] = dataclasses.field(default_factory=dict)
    newest: datetime | None = None
    whole: bool = True
    skipped: int = 0
    cut: bool = False
    unusable: int = 0
    pages: int = 0
    rows: int = 0
    total: int | None = None
    missing: frozenset[str] | None = None
    vanished: frozenset[str] = frozenset()
    doubtful: dict[str, tuple[Observation, Seen]] = dataclasses.field(default_factory=dict)
    shown: set[str] = dataclasses.field(default_factory=set)
    page_failures: int = 0
    restarts: int = 0
    first: Position = None

    @classmethod
    def begin(cls, session: SourceSession) -> SweepWalk:
        """Start a walk now."""
        started = session.provider_now()
        position = session.start(Sweep(started))
        return cls(began=session.clock(), started=started, position=position, first=position)

    async def step(self, session: SourceSession) -> bool:
        """Fetch and commit the next page; True when the walk is over. Raises SourceError."""
        seen = await session.fetch(self.position, urgent=False)
        page = seen.page
        decided = session.state.arrivals
        decision = await session.absorb(
            page.rows, seen.response, admit=bool(decided), silent=decided == "discard"
        )
        self.page_failures = 0
        self.pages += 1
        self.rows += len(page.rows)
        self.seen.update(row.id for row in page.rows)
        self.arrivals.update((row.id, (row, seen)) for row in decision.arrivals)
        self.newest = newest_of(page.rows, self.newest)
        self.total = page.total if page.total is not None else self.total
        self.unusable += page.unusable
        self.vanished |= decision.vanished
        self.doubtful.update((row.id, (row, seen)) for row in decision.doubtful)
        for row in page.rows:
            self.shown.update(row.fields.keys() - row.absent)
        if page.rows:
            missing = frozenset(page.missing)
            self.missing = missing if self.missing is None else self.missing & missing
        if page.fallback:
            self._restart(session)
            return False
        if page.next is None:
            self.cut = not page.complete
            self.whole = not (self.cut or self.unusable or self.skipped)
            return True
        if self.pages >= MAX_PAGES:
            raise SourceChanged("the listing never ends", "report this with the provider's name")
        self.position = page.next
        return False

    def expired(self, session: SourceSession) -> None:
        """The resume token is refused: begin the walk again."""
        if self.restarts >= MAX_RESTARTS:
            raise SourceChanged("the provider keeps refusing its own page tokens")
        self._restart(session)

    def _restart(self, session: SourceSession) -> None:
        self.restarts += 1
        if self.restarts > MAX_RESTARTS + 2:
            raise SourceChanged("the listing makes every walk begin again")
        self.position = self.first = session.start(Sweep(self.started))
        self.seen.clear()

    def go_past(self, position: Position, pages: int) -> None:
        """Go on behind so many pages that always fail."""
        self.position = position
        self.skipped += pages
        self.page_failures = 0

    async def settle_doubts(self, session: SourceSession, polls: PollWalk) -> None:
        """Believe rows that lost a value, where other rows of the walk still have that key; ask the
        id sets about the rest.
        """
        known = self.vanished & self.shown
        for row, seen in self.doubtful.values() if known else ():
            await session.absorb([row], seen.response, trusted=known)
        self.vanished -= known
        if self.vanished:
            polls.doubt(self.vanished, self.doubtful, whole=self.whole)

    async def finish_baseline(self, session: SourceSession, holes_before: int) -> bool:
        """End the first sweep: True when the baseline stands, False when another one must follow.

        `holes_before` counts first sweeps in a row that had to skip a page.
        """
        now = session.clock()
        if not self.whole:
            if holes_before + 1 < HOLE_AFTER:
                session.log.warning(
                    "the first sweep was incomplete; it is repeated", rows=self.rows
                )
                return False
        elif not self.seen and session.state.empty_sweeps == 0:
            await session.save(force=True, empty_sweeps=1)
            return False
        count = len(self.seen)
        newest = min(self.newest, self.started) if self.newest is not None else None
        changes = {
            "baselined": now,
            "baseline_started": self.started,
            "polled": self.started,
            "swept": self.began,
            "newest": newest,
            "empty_sweeps": 0,
            "learned": {**session.state.learned, MISSING: sorted(self.missing or ())},
        }
        known = f"{count} conversations known"
        await session.announce(SourceReport("baselined", known, self.began, changes=changes))
        session.metrics.sweeps.labels(session.plan.name, "baseline").inc()
        if not self.whole:
            await self._report_hole(session, now)
        return True

    def _hole(self) -> str:
        if self.skipped:
            return f"{self.skipped} page(s) of the listing always fail"
        if self.unusable:
            return f"{self.unusable} row(s) of the listing cannot be read"
        return "the listing cannot be walked whole"

    async def _report_hole(self, session: SourceSession, now: datetime) -> None:
        hold = Hold(
            kind="hole",
            since=now,
            ids=(),
            known=len(self.seen),
            reason=f"{self._hole()}; what is hidden there is watched less closely",
            remedy="ask the provider's administrator to mend the records that the listing fails on",
        )
        await session.announce(
            SourceReport("held", hold.reason, now, hold.remedy, changes={"hold": hold})
        )

    async def finish(self, session: SourceSession, holes_before: int) -> Verification | None:
        """End a later sweep; gives the look-ups that must follow, None when there are none."""
        now, state = session.clock(), session.state
        outcome = "complete" if self.whole else "incomplete"
        session.metrics.sweeps.labels(session.plan.name, outcome).inc()
        if not self.whole:
            if state.hold is None and holes_before + 1 >= HOLE_AFTER:
                await self._report_hole(session, now)
            await session.save(force=False, swept=self.began)
            await self._admit_few(session, now)
            return await self._look_behind(session)
        if state.hold is not None and state.hold.kind == "hole":
            await self._release(session, state.hold, "mended", now)
        await self._judge_arrivals(session, now)
        return await self._judge_absences(session, now)

    async def move_watermark(self, session: SourceSession, holes_before: int) -> None:
        """Let polls begin where this walk did: what it read they need not read again. That counts
        where a page fails for ever and polls, which go past it, never move their watermark. (Not
        after a walk that lacked rows which the provider counts: nothing says which; nor after one
        that could not read known rows, until that has lasted for as long as a hole must.)
        """
        if self.cut:
            return
        if not self.whole and not (self.seen and holes_before + 1 >= HOLE_AFTER):
            hidden = frozenset(await session.store.present_ids(session.plan.name)) - self.seen
            if hidden:
                return
        state = session.state
        polled = max(state.polled or self.started, self.started)
        seen = min(self.newest, self.started) if self.newest is not None else None
        newest = max(filter(None, (state.newest, seen)), default=None)
        if (polled, newest) != (state.polled, state.newest):
            await session.save(force=False, polled=polled, newest=newest)

    async def _look_behind(self, session: SourceSession) -> Verification | None:
        """Behind a hole that stays, rows are looked up one by one: only the provider's own word
        counts there, never their absence from the listing.
        """
        hold = session.state.hold
        if hold is None or hold.kind != "hole":
            return None
        hidden = sorted(set(await session.store.present_ids(session.plan.name)) - self.seen)
        if not hidden or len(hidden) > LOOK_BEHIND:
            return None
        return Verification(hidden, frozenset(), frozenset(), proof_only=True)

    async def _release(
        self, session: SourceSession, hold: Hold, outcome: str, now: datetime
    ) -> None:
        extra, changes = {"outcome": outcome}, {"hold": None}
        await session.announce(
            SourceReport("released", hold.reason, hold.since, "", extra, changes)
        )

    async def _hold(
        self, session: SourceSession, hold: Hold, now: datetime, changes: dict[str, Any]
    ) -> None:
        extra = {"kind": hold.kind, "count": len(hold.ids)}
        changes = {**changes, "hold": hold}
        await session.announce(SourceReport("held", hold.reason, now, hold.remedy, extra, changes))

    async def _judge_arrivals(self, session: SourceSession, now: datetime) -> None:
        hold = session.state.hold
        if session.state.arrivals:
            await session.save(force=True, arrivals="")
        admit, new_hold, released = judge_arrivals(
            session.policy, self.arrivals.keys(), session.present, hold=hold, now=now
        )
        if released is not None and hold is not None:
            await self._release(session, hold, released, now)
        free = session.state.hold is None  # one hold at a time; the rest waits for a later sweep
        if new_hold is not None and free:
            await self._hold(session, new_hold, now, {})
        if admit:
            for row, seen in self.arrivals.values():
                await session.absorb([row], seen.response, admit=True)

    async def _admit_few(self, session: SourceSession, now: datetime) -> None:
        """A new row is there whether or not the walk was whole; only a crowd needs a whole one."""
        admit, _, _ = judge_arrivals(
            session.policy, self.arrivals.keys(), session.present, hold=None, now=now
        )
        waits = session.state.hold is not None and session.state.hold.kind == "arrivals"
        if admit and not waits:
            for row, seen in self.arrivals.values():
                await session.absorb([row], seen.response, admit=True)

    async def _judge_absences(self, session: SourceSession, now: datetime) -> Verification | None:
        state = session.state
        if state.hold is not None and state.hold.kind == "arrivals":
            await session.save(force=False, swept=self.began)
            return None
        present = frozenset(await session.store.present_ids(session.plan.name))
        verdict = judge_absences(
            session.policy,
            present,
            self.seen,
            suspects_before=frozenset(state.suspects),
            hold=state.hold,
            now=now,
            found_by_lookup=session.found_by_lookup,
        )
        session.found_by_lookup &= present - self.seen
        if verdict.released is not None and state.hold is not None:
            await self._release(session, state.hold, verdict.released, now)
        from_hold = verdict.from_hold | (frozenset(state.held_suspects) & frozenset(verdict.verify))
        changes: dict[str, Any] = {
            "suspects": verdict.verify,
            "held_suspects": tuple(sorted(from_hold)),
            "swept": self.began,
        }
        if verdict.hold is not None:
            await self._hold(session, verdict.hold, now, changes)
        elif (verdict.verify, state.suspects) != ((), ()):
            await session.commit(
                Commit(session.plan.name, dataclasses.replace(session.state, **changes))
            )
        else:
            await session.save(force=False, **changes)
        if not verdict.verify:
            return None
        return Verification(list(verdict.verify), verdict.confirmed, from_hold)
