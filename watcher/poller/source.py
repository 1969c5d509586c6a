"""The loop of one source: what is due next, and what a failure means.

Law: one request in flight per source. A failure delays this source alone; it is told once, and
once more when it is over.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

import anyio

from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.model import rfc3339
from watcher.pipeline import SourceReport, decide_hold
from watcher.pipeline.health import (
    Step,
    after_failure,
    after_success,
    check_may_pass,
    concern,
    judge_schema,
)
from watcher.poller.network import Network
from watcher.poller.plan import SourcePlan
from watcher.poller.poll import PollWalk
from watcher.poller.request_plan import RequestPlan
from watcher.poller.schedule import LONGEST_WAIT, Dues, Stage, delay, next_step
from watcher.poller.session import SourceSession
from watcher.poller.status import describe, is_stale, lag, request_plan
from watcher.poller.sweep import SweepWalk
from watcher.poller.sweeping import Sweeping
from watcher.providers import Check
from watcher.runtime import Runtime

__all__ = ["SourcePoller"]


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
        self._checked = False
        self._check_failures = 0
        self._dues = Dues()
        self._failures: dict[Step, int] = {}
        self._renewed = False
        self._last_reason = ""
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
        self._dues.poll = self._dues.sweep = now
        if state.baselined is not None and state.swept is not None:
            age = (self.session.clock() - state.swept).total_seconds()
            self._dues.sweep = now + max(0.0, self.plan.sweep_every - max(0.0, age))

    async def attempt(self) -> bool:
        """Do the next due thing; True if it went well."""
        async with self._step:
            step = self._next()
            if step is None:
                return True
            try:
                await self._do(step)
            except SourceError as error:
                await self._failed(step, error)
                self.attempted = True
                return False
            self._dues.succeed(step)
            if step != "sweep" or self._sweeping.ahead:
                await self._worked(step)
            return True

    async def once(self) -> bool:
        """Make one pass: a poll where one is possible, and what else is due; True if all went well.

        A first sweep that must be repeated (it was empty, or incomplete) is repeated once.
        """
        await self.open()
        self._dues.poll = anyio.current_time()
        sweeps = 0
        while (step := self._next()) is not None:
            if not await self.attempt():
                self.log.warning("the pass ends here", reason=self._last_reason)
                return False
            if step == "poll":
                self._dues.poll = math.inf  # one is enough, however long it took
            if step == "sweep" and not self._sweeping.busy:
                sweeps += self.session.state.baselined is None
                if sweeps >= 2:
                    return False
                if self.session.state.baselined is None:
                    self._dues.sweep = anyio.current_time()
                else:
                    self._dues.poll = math.inf  # what a sweep has just shown needs no poll
        return True

    def poke(self) -> None:
        """Make the source try at once."""
        self._dues.poll = anyio.current_time()
        self._wake.set()

    @property
    def _stage(self) -> Stage:
        if not self._checked:
            return "check"
        return "baseline" if self.session.state.baselined is None else "watching"

    @property
    def _under_way(self) -> Literal["look_up", "sweep"] | None:
        if self._sweeping.verification is not None:
            return "look_up"
        return "sweep" if self._sweeping.walk is not None else None

    def _next(self) -> Step | None:
        if self._halted:
            return None
        return next_step(self._dues, self._stage, self._under_way, anyio.current_time())

    def delay(self) -> float:
        """Return the seconds until something is to be done."""
        if self._halted:
            return LONGEST_WAIT
        return delay(self._dues, self._stage, self._under_way, anyio.current_time())

    async def _do(self, step: Step) -> None:
        now = anyio.current_time()
        self._dues.begin(step)
        match step:
            case "check":
                await self._check()
            case "poll":
                self._dues.poll = now + self.plan.poll_every
                await self._poll.run(self.session)
                await self._after_poll()
            case "look_up":
                await self._sweeping.verify()
            case "sweep":
                if self._sweeping.walk is None:
                    self._dues.sweep = now + self.plan.sweep_every
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
            if not check_may_pass(error, self._check_failures):
                raise
        self._checked = True

    async def _after_poll(self) -> None:
        self.attempted = True
        self.looked = self.session.clock()
        now = anyio.current_time()
        if self._poll.crowded and self.session.state.hold is None:
            self._dues.hurry_sweep(now)
        await self._judge_schema(self._poll.missing, self._poll.vanished, whole=False)
        swept_at = self._sweeping.swept_at
        if self._poll.total is None or self._sweeping.busy or swept_at is None:
            return
        # The provider's own count drifts from ours: rows came or went that polls do not show.
        drift = self._poll.total - self.session.present
        if self._drift is None:
            self._drift = drift
        elif drift != self._drift:
            pause = min(self.plan.sweep_every, 10 * self.plan.poll_every)
            self._dues.hurry_sweep(max(now, swept_at + pause))

    async def _after_sweep(self, walk: SweepWalk) -> None:
        self._drift = None
        self.attempted = True
        self.looked = self.session.clock()
        now = anyio.current_time()
        if self.session.state.baselined is None:
            self._dues.sweep = now + self.plan.poll_every
            return
        self._dues.hurry_poll(now)
        missing = walk.missing or frozenset()
        await self._judge_schema(missing, frozenset(), whole=not walk.vanished)

    async def _judge_schema(
        self, missing: frozenset[str], vanished: frozenset[str], *, whole: bool
    ) -> None:
        now = self.session.clock()
        report = judge_schema(self.session.state, missing, vanished, whole=whole, now=now)
        if report is not None:
            await self._report(report)

    async def _worked(self, step: Step) -> None:
        """An attempt went well; the source works again when no other step fails."""
        self._failures.pop("sweep" if step == "look_up" else step, None)
        self._renewed = False
        await self.network.reachable(self.plan.name)
        report = after_success(self.session.state.failing, others_fail=bool(self._failures))
        if report is not None:
            await self._report(report)

    async def _failed(self, step: Step, error: SourceError) -> None:
        """Pause what failed, and report it when it has lasted."""
        now, failures, renewed = anyio.current_time(), 0, False
        if (counts_for := concern(step, error)) is not None:
            failures = self._failures[counts_for] = self._failures.get(counts_for, 0) + 1
            self._last_reason = str(error)
            refused = isinstance(error, SourceRefused)
            renewed = refused and not self._renewed and self.plan.renew()
            if renewed:
                self._renewed = True
                self.log.info("the credentials were renewed; trying again")
            else:
                await self._tell_network(error)
                self.log.debug(
                    "an attempt failed", step=step, reason=error.reason, attempt=failures
                )
        reaction = after_failure(
            step,
            error,
            failures,
            self.session.state,
            poll_every=self.plan.poll_every,
            network_failing=self.network.failing,
            renewed=renewed,
            now=self.session.clock(),
        )
        for report in reaction.reports:
            await self._report(report)
        self._dues.fail(step, reaction, now)

    async def _tell_network(self, error: SourceError) -> None:
        """Tell whether the attempt connected: when none does, our own network fails."""
        if isinstance(error, SourceUnavailable) and error.connect:
            await self.network.unreachable(self.plan.name)
        elif error.reached:
            await self.network.reachable(self.plan.name)

    async def _report(self, report: SourceReport) -> None:
        """Record that the source fails, or works again."""
        if report.kind == "failing":
            self.log.error("the source fails", reason=report.reason, remedy=report.remedy)
        else:
            since = rfc3339(report.since)
            self.log.info("a trouble is over", since=since, reason=report.reason)
        await self.session.announce(report)

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
            self._dues.sweep = anyio.current_time()
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
            if self._halted or self.looked is None or anyio.current_time() < self._dues.not_before:
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
