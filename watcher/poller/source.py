"""The loop of one source: what is due next, and what a failure means.

Law: one request in flight per source. A failure delays this source alone; it is told once, and
once more when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from watcher.clock import Clock
from watcher.errors import SourceError, SourceRefused, SourceUnavailable, WalkExpired
from watcher.metrics import Metrics
from watcher.pipeline import decide_hold
from watcher.poller.desk import Desk
from watcher.poller.network import Network
from watcher.poller.plan import SourcePlan
from watcher.poller.poll import PollWalk
from watcher.poller.standing import describe, is_stale
from watcher.poller.sweep import SweepWalk
from watcher.poller.troubles import Troubles
from watcher.poller.verify import Verification
from watcher.providers import Check, Sweep
from watcher.records import Commit, Recorded
from watcher.rules import Rule
from watcher.store import Store

__all__ = ["SourcePoller"]

PAGE_TRIES = 3
"""Failures of one page after which the walk goes past it, if the provider works otherwise."""

PROGRESS_EVERY = 5.0


class SourcePoller:
    """Polls and sweeps one source until cancelled."""

    def __init__(
        self,
        plan: SourcePlan,
        *,
        store: Store,
        rules: Callable[[], tuple[Rule, ...]],
        clock: Clock,
        network: Network,
        publish: Callable[[Sequence[Recorded]], None],
        metrics: Metrics,
    ) -> None:
        self.plan = plan
        self.desk = Desk(
            plan, store=store, rules=rules, clock=clock, publish=publish, metrics=metrics
        )
        self.network = network
        self.log = self.desk.log
        self.attempted = False
        self._looked = False
        self._poll = PollWalk()
        self._sweep: SweepWalk | None = None
        self._verification: Verification | None = None
        self._checked = False
        self._troubles = Troubles(self.desk, network)
        self._holes = 0
        self._poll_due = 0.0
        self._sweep_due = 0.0
        self._not_before = 0.0
        self._progress_due = 0.0
        self._drift: int | None = None
        self._swept_at: float | None = None
        self._wake = anyio.Event()

    # -- the loop ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll and sweep until cancelled; only a broken store ends it with an error."""
        await self.open()
        await anyio.sleep(self.plan.offset)
        while True:
            delay = self._delay()
            if delay > 0:
                with anyio.move_on_after(delay):
                    await self._wake.wait()
                self._wake = anyio.Event()
                continue
            await self.attempt()

    async def open(self) -> None:
        """Take up what is remembered; compute what is due."""
        await self.desk.open()
        self.network.join(self.plan.name, self.poke)
        now, state = anyio.current_time(), self.desk.state
        self._poll_due = now
        if state.baselined is not None and state.swept is not None:
            age = (self.desk.clock() - state.swept).total_seconds()
            self._sweep_due = now + max(0.0, self.plan.sweep_every - max(0.0, age))
        else:
            self._sweep_due = now

    async def attempt(self) -> bool:
        """Do the next due thing; True if it went well."""
        try:
            await self._step()
        except SourceError as error:
            await self._failed(error)
            self.attempted = True
            return False
        await self._worked()
        return True

    async def once(self) -> bool:
        """Make one pass: a poll where one is possible, and what else is due; True if all went well.

        A first sweep that must be repeated (it was empty, or incomplete) is repeated once.
        """
        await self.open()
        self._poll_due = anyio.current_time()
        sweeps = 0
        while self._busy() or self._due() <= anyio.current_time():
            sweeping = self._sweep is not None
            if not await self.attempt():
                self.log.warning("the pass ends here", reason=self._troubles.last_reason)
                return False
            if sweeping and self._sweep is None and self.desk.state.baselined is None:
                sweeps += 1
                if sweeps >= 2:
                    return False
                self._sweep_due = anyio.current_time()
        return True

    def poke(self) -> None:
        """Make the source try at once."""
        self._poll_due = anyio.current_time()
        self._wake.set()

    def _busy(self) -> bool:
        return self._sweep is not None or self._verification is not None or not self._checked

    def _due(self) -> float:
        if self.desk.state.baselined is None:
            return self._sweep_due
        return min(self._poll_due, self._sweep_due)

    def _delay(self) -> float:
        """Give the seconds until something is to be done."""
        now = anyio.current_time()
        due = now if self._busy() else self._due()
        return max(due, self._not_before) - now

    async def _step(self) -> None:
        now, live = anyio.current_time(), self.desk.state.baselined is not None
        if not self._checked:
            await self._check()
        elif live and self._poll_due <= now:
            self._poll_due = now + self.plan.poll_every
            await self._poll.run(self.desk)
            self._after_poll()
        elif self._verification is not None:
            if await self._verification.step(self.desk):
                self._verification = None
        elif self._sweep is not None:
            await self._sweep_page(self._sweep)
        elif self._sweep_due <= now:
            await self._begin_sweep(now, live)

    async def _check(self) -> None:
        """Ask whether the list shows what the watcher needs, before anything is believed."""
        position = self.desk.start(Check())
        while position is not None:
            position = (await self.desk.fetch(position, urgent=True)).page.next
        self._checked = True

    # -- polls and sweeps -------------------------------------------------------------------

    def _after_poll(self) -> None:
        self.attempted = True
        self._looked = True
        now = anyio.current_time()
        if self._poll.crowded:
            self._sweep_due = min(self._sweep_due, now)
        if self._poll.total is None or self._sweep is not None or self._swept_at is None:
            return
        # The provider's own count drifts from ours: rows came or went that polls do not show.
        drift = self._poll.total - self.desk.present
        if self._drift is None:
            self._drift = drift
        elif drift != self._drift:
            pause = min(self.plan.sweep_every, 10 * self.plan.poll_every)
            self._sweep_due = min(self._sweep_due, max(now, self._swept_at + pause))

    async def _begin_sweep(self, now: float, live: bool) -> None:
        if not live and self.desk.present:
            # What an unfinished first sweep left behind is no knowledge.
            await self.desk.commit(Commit(self.plan.name, self.desk.state, forget=True))
        self._sweep_due = now + self.plan.sweep_every
        self._swept_at = now
        self._progress_due = now + PROGRESS_EVERY
        self._sweep = SweepWalk.begin(self.desk)

    async def _sweep_page(self, sweep: SweepWalk) -> None:
        try:
            over = await sweep.step(self.desk)
        except WalkExpired:
            sweep.expired(self.desk)
            return
        except SourceUnavailable as error:
            if error.connect or error.retry_after is not None:
                raise
            await self._page_failed(sweep, error)
            return
        except SourceRefused:
            raise
        except SourceError as error:
            await self._page_failed(sweep, error)
            return
        if not over:
            self._show_progress(sweep)
            return
        self._sweep = None
        await self._end_sweep(sweep)

    async def _page_failed(self, sweep: SweepWalk, error: SourceError) -> None:
        """Go past a page that keeps failing while the provider answers otherwise."""
        sweep.page_failures += 1
        if sweep.page_failures < PAGE_TRIES or sweep.position == sweep.first:
            raise error
        await self.desk.fetch(self.desk.start(Sweep(sweep.started)), urgent=False)
        if not sweep.skip(self.desk):
            raise error
        self.log.warning(
            "a page of the listing always fails; the sweep goes past it", reason=error.reason
        )

    async def _end_sweep(self, sweep: SweepWalk) -> None:
        desk, live = self.desk, self.desk.state.baselined is not None
        if not live:
            done = await sweep.finish_baseline(desk, self._holes)
            self._holes = 0 if sweep.whole else self._holes + 1
            now = anyio.current_time()
            if done:
                self.log.info("baseline done", conversations=len(sweep.seen))
                self._poll_due = now
            else:
                self._sweep_due = now + self.plan.poll_every
        else:
            self._verification = await sweep.finish(desk, self._holes)
            self._holes = 0 if sweep.whole else self._holes + 1
        self._drift = None
        self._poll.swept()
        self.attempted = True
        self._looked = True
        await self._troubles.judge_schema(sweep.missing or frozenset(), sweep.vanished)

    def _show_progress(self, sweep: SweepWalk) -> None:
        now = anyio.current_time()
        if self.desk.state.baselined is None and now >= self._progress_due:
            self._progress_due = now + PROGRESS_EVERY
            self.log.info("reading the baseline", conversations=len(sweep.seen), of=sweep.total)

    async def _worked(self) -> None:
        await self._troubles.worked()
        if self._poll.missing or self._poll.vanished:
            await self._troubles.judge_schema(self._poll.missing, self._poll.vanished)

    async def _failed(self, error: SourceError) -> None:
        now = anyio.current_time()
        pause = await self._troubles.failed(error)
        self._not_before = now + pause
        if not pause:
            self._poll_due = now

    # -- people -----------------------------------------------------------------------------

    async def release(self, *, accept: bool) -> bool:
        """Carry out a person's decision about the held sweep; False when none is held."""
        if self.desk.state.hold is None:
            return False
        commit, failed = decide_hold(
            self.desk.watch, self.desk.state, accept=accept, now=self.desk.clock()
        )
        await self.desk.commit(commit)
        self.desk.count_failed(failed)
        self.desk.metrics.held.labels(self.plan.name).set(0)
        self._sweep, self._verification = None, None
        self._sweep_due = anyio.current_time()
        self._wake.set()
        return True

    def status(self) -> dict[str, Any]:
        """Tell people how the source stands (plain JSON)."""
        return describe(self.desk, self._sweep, attempted=self.attempted, looked=self._looked)

    def stale(self) -> bool:
        """Tell whether the last good look is too long ago (three polls, at least a minute)."""
        return is_stale(self.desk, looked=self._looked)
