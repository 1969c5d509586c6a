"""The loop of one source: what is due next, and what a failure means.

Law: one request in flight per source. A failure delays this source alone; it is told once, and
once more when it is over.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

import anyio

from watcher.errors import SourceChanged, SourceError, SourceUnavailable
from watcher.pipeline import decide_hold
from watcher.poller.network import Network
from watcher.poller.plan import SourcePlan
from watcher.poller.poll import PollWalk
from watcher.poller.request_plan import RequestPlan
from watcher.poller.session import SourceSession
from watcher.poller.status import describe, is_stale, lag, request_plan
from watcher.poller.sweep import SweepWalk
from watcher.poller.sweeping import Sweeping
from watcher.poller.troubles import Troubles
from watcher.providers import Check
from watcher.runtime import Runtime

__all__ = ["SourcePoller"]

Motion = Literal["check", "poll", "verify", "sweep"]

CHECK_TRIES = 3
"""Failures of the check after which the walks themselves find out."""

LOOK_UP_PAUSE = 5.0
POLL_AGAIN = 30.0
LONGEST_WAIT = 3600.0


class SourcePoller:
    """Polls and sweeps one source until cancelled."""

    def __init__(self, plan: SourcePlan, runtime: Runtime, network: Network) -> None:
        self.plan = plan
        self.session = SourceSession(plan, runtime)
        self.network = network
        self.log = self.session.log
        self.attempted = False
        self.looked: datetime | None = None
        self._began = runtime.clock()
        self._poll = PollWalk()
        self._sweeping = Sweeping(self.session, self._poll)
        self._troubles = Troubles(self.session, network)
        self._checked = False
        self._check_failures = 0
        self._polled_last = False
        self._poll_due = self._sweep_due = 0.0
        self._not_before = 0.0
        self._paused: dict[str, float] = {}
        self._drift: int | None = None
        self._wake = anyio.Event()
        self._step = anyio.Lock()
        self._halted = False

    async def run(self) -> None:
        """Poll and sweep until cancelled; only a broken store ends it with an error."""
        await self.open()
        await anyio.sleep(self.plan.offset)
        while True:
            delay = self.delay()
            if delay > 0:
                with anyio.move_on_after(delay):
                    await self._wake.wait()
                self._wake = anyio.Event()
                continue
            await self.attempt()

    async def open(self) -> None:
        """Take up what is remembered; compute what is due."""
        await self.session.open()
        self.network.join(self.plan.name, self.poke)
        now, state = anyio.current_time(), self.session.state
        self._poll_due = self._sweep_due = now
        if state.baselined is not None and state.swept is not None:
            age = (self.session.clock() - state.swept).total_seconds()
            self._sweep_due = now + max(0.0, self.plan.sweep_every - max(0.0, age))

    async def attempt(self) -> bool:
        """Do the next due thing; True if it went well."""
        async with self._step:
            motion = self._next()
            if motion is None:
                return True
            try:
                await self._do(motion)
            except SourceError as error:
                await self._failed(motion, error)
                self.attempted = True
                return False
            self._paused.pop(motion, None)
            if motion != "sweep" or self._sweeping.ahead:
                await self._troubles.worked(motion)
            return True

    async def once(self) -> bool:
        """Make one pass: a poll where one is possible, and what else is due; True if all went well.

        A first sweep that must be repeated (it was empty, or incomplete) is repeated once.
        """
        await self.open()
        self._poll_due = anyio.current_time()
        sweeps = 0
        while (motion := self._next()) is not None:
            if not await self.attempt():
                self.log.warning("the pass ends here", reason=self._troubles.last_reason)
                return False
            if motion == "poll":
                self._poll_due = math.inf  # one is enough, however long it took
            if motion == "sweep" and not self._sweeping.busy:
                sweeps += self.session.state.baselined is None
                if sweeps >= 2:
                    return False
                if self.session.state.baselined is None:
                    self._sweep_due = anyio.current_time()
                else:
                    self._poll_due = math.inf  # what a sweep has just shown needs no poll
        return True

    def poke(self) -> None:
        """Make the source try at once."""
        self._poll_due = anyio.current_time()
        self._wake.set()

    def _next(self) -> Motion | None:
        """Give what is due now. A poll goes between two pages of a sweep, and a page between two
        polls, so that neither starves the other; a motion that failed pauses.
        """
        now = anyio.current_time()
        for motion in () if self._halted else self._wanted(now):
            if max(self._not_before, self._paused.get(motion, 0.0)) <= now:
                return motion
        return None

    def _wanted(self, now: float) -> list[Motion]:
        if not self._checked:
            return ["check"]
        walk: list[Motion] = []
        if self._sweeping.verification is not None:
            walk = ["verify"]
        elif self._sweeping.walk is not None or self._sweep_due <= now:
            walk = ["sweep"]
        if self.session.state.baselined is None or self._poll_due > now:
            return walk
        return [*walk, "poll"] if self._polled_last else ["poll", *walk]

    def delay(self) -> float:
        """Give the seconds until something is to be done."""
        now = anyio.current_time()
        if self._next() is not None:
            return 0.0
        dues = [self._poll_due if self.session.state.baselined is not None else math.inf]
        dues.append(now if self._sweeping.busy else self._sweep_due)
        motions: list[Motion] = ["poll", "verify" if self._sweeping.verification else "sweep"]
        if not self._checked:
            dues, motions = [now], ["check"]
        waits = (
            max(due, self._not_before, self._paused.get(motion, 0.0))
            for due, motion in zip(dues, motions, strict=True)
        )
        return LONGEST_WAIT if self._halted else min(max(min(waits) - now, 0.0), LONGEST_WAIT)

    async def _do(self, motion: Motion) -> None:
        now = anyio.current_time()
        self._polled_last = motion == "poll"
        match motion:
            case "check":
                await self._check()
            case "poll":
                self._poll_due = now + self.plan.poll_every
                await self._poll.run(self.session)
                await self._after_poll()
            case "verify":
                await self._sweeping.verify()
            case "sweep":
                if self._sweeping.walk is None:
                    self._sweep_due = now + self.plan.sweep_every
                    await self._sweeping.begin()
                ended = await self._sweeping.page()
                if ended is not None:
                    await self._after_sweep(ended)

    async def _check(self) -> None:
        """Ask whether the list shows what the watcher needs, before anything is believed.

        Only a refusal stands in the way for good: a page that fails is the sweep's matter.
        """
        position = self.session.start(Check())
        try:
            while position is not None:
                position = (await self.session.fetch(position, urgent=True)).page.next
        except (SourceUnavailable, SourceChanged) as error:
            self._check_failures += 1
            if error.concerns_all or self._check_failures < CHECK_TRIES:
                raise
        self._checked = True

    async def _after_poll(self) -> None:
        self.attempted = True
        self.looked = self.session.clock()
        now = anyio.current_time()
        if self._poll.crowded and self.session.state.hold is None:
            self._sweep_due = min(self._sweep_due, now)
        await self._troubles.judge_schema(self._poll.missing, self._poll.vanished, whole=False)
        swept_at = self._sweeping.swept_at
        if self._poll.total is None or self._sweeping.busy or swept_at is None:
            return
        # The provider's own count drifts from ours: rows came or went that polls do not show.
        drift = self._poll.total - self.session.present
        if self._drift is None:
            self._drift = drift
        elif drift != self._drift:
            pause = min(self.plan.sweep_every, 10 * self.plan.poll_every)
            self._sweep_due = min(self._sweep_due, max(now, swept_at + pause))

    async def _after_sweep(self, walk: SweepWalk) -> None:
        self._drift = None
        self.attempted = True
        self.looked = self.session.clock()
        now = anyio.current_time()
        if self.session.state.baselined is None:
            self._sweep_due = now + self.plan.poll_every
            return
        self._poll_due = min(self._poll_due, now)
        missing = walk.missing or frozenset()
        await self._troubles.judge_schema(missing, frozenset(), whole=not walk.vanished)

    async def _failed(self, motion: Motion, error: SourceError) -> None:
        """Pause what failed; everything, where the failure concerns every request."""
        now = anyio.current_time()
        if motion == "verify" and not error.concerns_all:
            self._paused[motion] = now + LOOK_UP_PAUSE  # one row's trouble is not the source's
            return
        if not (pause := await self._troubles.failed(motion, error)):
            self._poll_due = now
        elif motion == "poll":
            self._poll_due = min(self._poll_due, now + max(pause, POLL_AGAIN))
        if error.concerns_all or motion == "check":
            self._not_before = now + pause
        else:
            self._paused[motion] = now + pause

    async def release(self, *, accept: bool) -> bool:
        """Carry out a person's decision about the held sweep; False when none is held."""
        await self.session.opened.wait()  # what a daemon that starts has not read yet is held, too
        async with self._step:  # never in the middle of a page
            if self.session.state.hold is None:
                return False
            now = self.session.clock()
            commit, failed = decide_hold(
                self.session.policy, self.session.state, accept=accept, now=now
            )
            await self.session.commit(commit)
            self.session.warnings.rules(failed)
            self.session.metrics.held.labels(self.plan.name).set(0)
            self._sweeping.abandon()
            self._sweep_due = anyio.current_time()
            self._wake.set()
        return True

    async def halt(self) -> None:
        """Begin no further step, and wait for the one under way."""
        self._halted = True
        async with self._step:
            pass

    async def confirm(self, conversation: str) -> bool:
        """Ask the provider about one conversation now and commit what it shows; False if it cannot
        be asked, or has not been looked at in this run.
        """
        async with self._step:
            if self._halted or self.looked is None or anyio.current_time() < self._not_before:
                return False
            try:
                await self._poll.look_up(self.session, conversation)
            except SourceError:
                return False
        return True

    def request_plan(self) -> RequestPlan | None:
        """Tell what the source asks of its provider, None where the provider does not say."""
        return request_plan(self.session, self._poll.sizes)

    def status(self) -> dict[str, Any]:
        """Tell people how the source stands (plain JSON)."""
        walk = self._sweeping.walk
        return describe(self.session, walk, attempted=self.attempted, looked=self.looked)

    def lag(self) -> float:
        """Give the seconds since the last good poll or sweep, or since the watching began."""
        return lag(self.session, self.looked or self._began)

    def stale(self) -> bool:
        """Tell whether that is too long."""
        return is_stale(self.session, self.looked)
