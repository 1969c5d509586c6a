"""The loop of one source: does what is due, and carries out what was concluded from it.

Rules: one request in flight per source; a failure delays this source alone. What pages, sweeps and
failures mean is concluded in `watcher.pipeline`, what is due in `watcher.poller.schedule`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import anyio
import anyio.lowlevel

from watcher.clock import loop_time
from watcher.errors import (
    Conflict,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WalkExpired,
)
from watcher.looks import Looks
from watcher.model import IdSet, rfc3339
from watcher.pipeline import Decision, SourceReport, decide_hold, torn
from watcher.pipeline import poll as polls
from watcher.pipeline import sweep as sweeps
from watcher.pipeline.announce import StateUpdate
from watcher.pipeline.health import (
    Step,
    after_failure,
    after_success,
    check_may_pass,
    concern,
    judge_schema,
)
from watcher.pipeline.lookback import Lookback, leaves_gap
from watcher.poller.alarm import Alarm
from watcher.poller.network import Network
from watcher.poller.plan import SourcePlan
from watcher.poller.request_plan import RequestPlan, estimate
from watcher.poller.schedule import LONGEST_WAIT, Dues, Stage, delay, next_step
from watcher.poller.session import UNCHANGED, SourceSession
from watcher.poller.walks import (
    POLL_PAGES,
    VERSION_WAIT,
    CheckWalk,
    LookUpRound,
    LookUpWalk,
    PollWalk,
    Seen,
    SetWalk,
    SweepWalk,
    ask_version,
    find_working_page,
    follow,
    step,
)
from watcher.providers import Poll
from watcher.records import Action, Actor, Commit, decided
from watcher.runtime import Runtime
from watcher.standing import Standing, standings

__all__ = ["SourcePoller"]

NOBODY: frozenset[str] = frozenset()
"""One for all: in CPython each empty one is an object of its own, of two hundred bytes."""

ASKED_EVERY = 10.0
"""Seconds between two times that people can have a source read."""

PROGRESS_EVERY = 5.0
"""Seconds between two lines about a baseline that is being read."""


@dataclass(slots=True)
class _Set:
    """What polls remember of one id set."""

    size: int | None = None
    """Its rows; of one that is too large as many as were read."""

    too_large: bool = False
    """Whether polls leave it out until the next sweep has ended."""

    excused: frozenset[str] = NOBODY
    """Known members that it lacks and that were looked up already."""

    logged: bool = False
    """Whether the log says that it is too large."""


class SourcePoller:
    """Polls and sweeps one source until cancelled."""

    __slots__ = (
        "_asked",
        "_asked_for",
        "_began",
        "_check_failures",
        "_checked",
        "_doubts",
        "_doubts_whole",
        "_drift",
        "_dues",
        "_failing_polls",
        "_failures",
        "_found_by_lookup",
        "_given_up",
        "_halted",
        "_incomplete",
        "_lacked",
        "_lock",
        "_look_ups",
        "_lookback",
        "_progress_due",
        "_renewed",
        "_sets",
        "_swept_at",
        "_version_asked",
        "_wake",
        "_walk",
        "attempted",
        "log",
        "looked",
        "looks",
        "network",
        "plan",
        "session",
        "trouble",
    )

    def __init__(self, plan: SourcePlan, runtime: Runtime, network: Network) -> None:
        self.plan = plan
        self.session = SourceSession(plan, runtime)
        self.network = network
        self.log = self.session.log
        self.attempted = False
        self.looked: datetime | None = None
        self.looks = Looks()
        self._began = runtime.clock()

        self._dues = Dues()
        self._checked = False
        self._version_asked = -math.inf
        self._halted = False
        self._wake = Alarm()
        self._asked_for = -math.inf
        self._lock = asyncio.Lock()  # a tenth of the memory of anyio's

        self._failures: dict[Step, int] = {}
        self._check_failures = 0
        self._renewed = False
        self.trouble = ""

        self._failing_polls = 0
        self._lookback = Lookback()
        self._sets: dict[IdSet, _Set] = {name: _Set() for name in plan.provider.sets}
        self._doubts: dict[str, frozenset[str]] = {}
        self._doubts_whole = False
        self._asked: dict[str, datetime] = {}
        self._drift: int | None = None

        self._walk: SweepWalk | None = None
        self._look_ups: LookUpRound | None = None
        self._swept_at: float | None = None
        self._incomplete = 0
        self._given_up = 0
        self._found_by_lookup = NOBODY
        self._lacked: Mapping[str, int] = {}
        self._progress_due = 0.0

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll and sweep until cancelled; only a broken store ends it with an error."""
        await self.open()
        await anyio.sleep(self.plan.offset)
        while True:
            seconds = self.delay()
            if seconds > 0:
                await self._wake.wait(seconds)
                continue
            await self.attempt()

    async def open(self) -> None:
        """Load what is remembered; compute what is due."""
        await self.session.open()
        self.network.join(self.plan.name, self.poke)
        now, state = loop_time(), self.session.state
        self._dues.poll = self._dues.sweep = now
        if state.baselined is not None and state.swept is not None:
            age = (self.session.clock() - state.swept).total_seconds()
            self._dues.sweep = now + max(0.0, self.plan.sweep_every - max(0.0, age))

    async def attempt(self) -> bool:
        """Do the next due step; return whether it went well."""
        async with self._lock:
            due = self._next()
            if due is None:
                return True
            try:
                try:
                    await self._do(due)
                finally:
                    self.session.share.leave()
            except SourceError as error:
                await self._failed(due, error)
                self.attempted = True
                return False
            self._dues.succeed(due)
            # The first pages of a sweep that never comes to its end are no sign that all is well.
            if due != "sweep" or self._walk is None or self._walk.pages > self._given_up:
                await self._worked(due)
            await self.session.look_for_existing()
            return True

    async def once(self) -> bool:
        """Make one pass: a poll where one is possible, and what else is due; return whether all
        went well (else `trouble` says why not).

        A first sweep that must be repeated (it was empty, or incomplete) is repeated once.
        """
        await self.open()
        try:
            return await self._pass()
        finally:  # there is no later look that would save when this one was
            await self.session.save(StateUpdate({}, force=True))

    async def _pass(self) -> bool:
        self._dues.poll = loop_time()
        first_sweeps = 0
        while (due := self._next()) is not None:
            if not await self.attempt():
                self.log.warning("the pass ends here", reason=self.trouble)
                return False
            if due == "poll":
                self._dues.poll = math.inf  # one is enough, however long it took
            if due == "sweep" and self._under_way is None:
                first_sweeps += self.session.state.baselined is None
                if first_sweeps >= 2:
                    self.trouble = (
                        "two sweeps did not show the whole inbox; there is no baseline yet"
                    )
                    return False
                if self.session.state.baselined is None:
                    self._dues.sweep = loop_time()
                else:
                    self._dues.poll = math.inf  # what a sweep has just shown needs no poll
        return True

    def poke(self) -> None:
        """Make the source try at once."""
        self._dues.poll = loop_time()
        self._wake.ring()

    def delay(self) -> float:
        """Return the seconds until something is to be done."""
        if self._halted:
            return LONGEST_WAIT
        return delay(self._dues, self._stage, self._under_way, loop_time())

    def _next(self) -> Step | None:
        if self._halted:
            return None
        return next_step(self._dues, self._stage, self._under_way, loop_time())

    @property
    def _stage(self) -> Stage:
        if not self._checked:
            return "check"
        return "baseline" if self.session.state.baselined is None else "watching"

    @property
    def _under_way(self) -> Literal["look_up", "sweep"] | None:
        if self._look_ups is not None:
            return "look_up"
        return "sweep" if self._walk is not None else None

    async def _do(self, due: Step) -> None:
        self._dues.begin(due)
        match due:
            case "check":
                await self._check()
            case "poll":
                self._dues.poll = loop_time() + self.plan.poll_every
                await self._poll()
            case "look_up":
                await self._look_up_next()
            case "sweep":
                if self._walk is None:
                    await self._begin_sweep()
                await self._sweep_page()

    async def _check(self) -> None:
        """Ask whether the list shows what the watcher needs, before anything is believed."""
        await self._ask_version()
        try:
            await follow(CheckWalk(self.plan.provider), self.session.fetch)
        except (SourceUnavailable, SourceChanged) as error:
            self._check_failures += 1
            if not check_may_pass(error, self._check_failures):
                raise
        self._checked = True

    async def _ask_version(self) -> None:
        """Ask the server for its version, unless it was asked just before; another one than the last may
        have other abilities, which a check finds out.
        """
        now = loop_time()
        if now - self._version_asked < self.plan.sweep_every / 2:
            return
        self._version_asked, before = now, self.session.version
        with anyio.move_on_after(VERSION_WAIT):
            await ask_version(self.plan.provider, self.session.fetch)
        if self.session.version != before:
            self._checked = False

    # -- polls --------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Make one poll and carry out what it comes to; raises SourceError."""
        session = self.session
        began, at, refused = session.clock(), loop_time(), session.refused
        reach = self._lookback.reach(session.state.polled, began, at)
        motion = Poll(reach.elapsed, session.state.newest, reach.again, self._lookback.still)
        walk = PollWalk(self.plan.provider, motion, failing_polls=self._failing_polls)
        took = 0.0

        async def absorb(seen: Seen) -> Decision:
            nonlocal took
            took = took or loop_time() - at
            if leaves_gap(reach, took):
                walk.whole = False
            cursor = None
            if walk.ends_whole(seen.page):
                cursor = {"newest": walk.newest_with(seen.page.rows), "polled": began}
            decision = await session.absorb(seen.page.rows, seen.response, cursor=cursor)
            if decision is UNCHANGED and not seen.repeated:
                session.answers.keep(walk.position, seen.page, seen.response)
            self._doubt(decision.vanished, (row.id for row in decision.doubtful))
            if seen.page.next is not None or seen.page.fallback:
                await anyio.lowlevel.checkpoint()  # an endless listing must not stop the others
            return decision

        try:
            await follow(walk, session.look, absorb)
        finally:
            self._failing_polls = walk.failing_polls
        if not walk.failed:
            self._failing_polls = 0
        crowded = await self._let_in(walk)
        for name, known in self._sets.items():
            if self._doubts or not known.too_large:
                await self._poll_set(name, known)
        await self._look_at_torn()
        vanished = await self._settle_doubts()
        conclusion = polls.conclude(
            walk.summary(),
            session.state,
            known=session.present,
            began=began,
            vanished=vanished,
            crowded=crowded,
            drift=self._drift,
            compares=self._swept_at is not None and self._under_way is None,
            now=session.clock(),
        )
        if conclusion.update is not None:
            await session.save(conclusion.update)
            session.looked_at_all(began)
            self._lookback = self._lookback.after_poll(
                reach, at, took=took, newest=walk.newest, rows=walk.fresh
            )
        else:
            self._lookback = self._lookback.after_failure()
        session.counts.polls.inc()
        if session.refused > refused and session.state.hold is None:
            self._dues.hurry_sweep(self._soon())  # it tells
        await self._after_poll(conclusion)

    async def _after_poll(self, conclusion: polls.PollConclusion) -> None:
        self.attempted = True
        self.looked = self.session.clock()
        self.looks.note(self.looked, "poll", "ok")
        self._drift = conclusion.drift
        if conclusion.sweep == "now":
            self._dues.hurry_sweep(loop_time())
        elif conclusion.sweep == "soon" and self._swept_at is not None:
            self._dues.hurry_sweep(self._soon())
        if conclusion.report is not None:
            await self._report(conclusion.report)

    def _soon(self) -> float:
        """Return when a sweep may come that is not due yet."""
        now, pause = loop_time(), min(self.plan.sweep_every, 10 * self.plan.poll_every)
        return now if self._swept_at is None else max(now, self._swept_at + pause)

    async def _let_in(self, walk: PollWalk) -> bool:
        """Let new rows in that have no creation time; return whether they are too many."""
        session, arrivals = self.session, walk.arrivals
        if not arrivals:
            return False
        if not sweeps.may_come_in(session.policy, session.state, arrivals.keys(), session.present):
            return True
        await session.let_in(arrivals)
        return False

    async def _poll_set(self, name: IdSet, known: _Set) -> None:
        """Read an id set; look up the known members that it lacks."""
        session = self.session
        most = POLL_PAGES if self._doubts else polls.SET_PAGES
        walk = SetWalk(self.plan.provider, name, most=most)
        await follow(walk, session.fetch, self._absorb)
        known.size = len(walk.ids)
        if walk.cut:
            known.too_large = True
            if not known.logged:
                known.logged = True
                self.log.info("an id set is too large to be polled; sweeps watch it", set=name)
            return
        members = frozenset(await session.store.ids_in_set(self.plan.name, name))
        known.excused &= members - walk.ids
        wanted = polls.suspects(members, walk.ids, known.excused)
        for key in wanted:
            await self._look_up(key)
        if wanted:
            still = frozenset(await session.store.ids_in_set(self.plan.name, name))
            known.excused |= still.intersection(wanted)

    async def _look_up(self, key: str) -> None:
        """Ask for one conversation and commit what it shows; raises SourceError."""
        snapshot = await self.session.snapshot(key)
        if snapshot is not None:
            walk = LookUpWalk(self.plan.provider, snapshot.conversation, "suspect")
            await follow(walk, self.session.fetch, self._absorb)

    async def _look_at_torn(self) -> None:
        """Ask for rows that lost something a while ago: no poll may ever show them again."""
        session = self.session
        self._asked = {key: at for key, at in self._asked.items() if key in session.doubts}
        since = {key: doubt.since for key, doubt in session.doubts.items()}
        for key in torn.look_again(since, self._asked, session.clock()):
            self._asked[key] = session.clock()
            try:
                snapshot = await session.snapshot(key)
                if snapshot is not None and snapshot.present:
                    conversation = snapshot.conversation
                    walk = LookUpWalk(self.plan.provider, conversation, "absent")
                    await self._take_word(walk, key)
            except (SourceUnavailable, SourceChanged) as error:
                # In the middle of a deletion, a look-up fails: the row is asked for again later.
                if error.concerns_all:
                    raise

    async def _absorb(self, seen: Seen) -> Decision:
        return await self.session.absorb(seen.page.rows, seen.response)

    def _doubt(self, paths: frozenset[str], ids: Iterable[str]) -> None:
        """Have the next poll ask the id sets, however large, about rows that lost these paths."""
        for key in ids:
            self._doubts[key] = self._doubts.get(key, frozenset()) | paths

    async def _settle_doubts(self) -> frozenset[str]:
        """Return what still stands against the rows, after the id sets were asked about them."""
        doubts, whole = self._doubts, self._doubts_whole
        if not doubts:
            return frozenset()
        self._doubts, self._doubts_whole = {}, False
        # A page alone proves nothing: only a whole listing without the key is reported.
        if not whole:
            return frozenset()
        return polls.unexplained(doubts, await self.session.store.known(self.plan.name, doubts))

    # -- sweeps -------------------------------------------------------------------------------

    async def _begin_sweep(self) -> None:
        session = self.session
        self._dues.sweep = loop_time() + self.plan.sweep_every
        await self._ask_version()
        if session.state.baselined is None and session.present:
            # What an unfinished first sweep left behind is no knowledge.
            await session.commit(Commit(self.plan.name, session.state, forget=True))
        self._swept_at = loop_time()
        self._progress_due = self._swept_at + PROGRESS_EVERY
        self._walk = SweepWalk(
            self.plan.provider, began=session.clock(), told=session.told(self._swept_at)
        )

    async def _sweep_page(self) -> None:
        """Read the next page of a sweep, and conclude it after the last one."""
        walk, fetch = self._walk, self.session.fetch
        if walk is None:
            return
        try:
            await step(walk, fetch, self._absorb_swept)
        except WalkExpired:
            try:
                walk.expire()
            except SourceError:
                self._given_up, self._walk = walk.pages, None  # the next one has a new token
                raise
            return
        except (SourceUnavailable, SourceChanged) as error:
            # Go past a page that keeps failing while a later one works.
            if not walk.is_stuck(error):
                raise
            if not await find_working_page(walk, self.plan.provider, fetch):
                raise
            self.log.warning(
                "a page of the listing always fails; the sweep goes past it", reason=error.reason
            )
            return
        if walk.pages == 1:
            # Our clock may have been wrong when the sweep began, or set since: what the provider's time
            # was then is known by the first answer.
            walk.estimate = self.session.provider_now() - self._since_sweep_began()
        if walk.position is not None:
            self._show_progress(walk)
            return
        self._walk, self._given_up = None, 0
        await self._conclude(walk)

    def _since_sweep_began(self) -> timedelta:
        began = self._swept_at
        return timedelta(seconds=loop_time() - began if began is not None else 0.0)

    async def _absorb_swept(self, seen: Seen) -> Decision:
        if self._walk is not None:
            self._walk.passed = self._since_sweep_began()
        decided, before = self.session.state.arrivals, self.session.refused
        decision = await self.session.absorb(
            seen.page.rows, seen.response, admit=bool(decided), silent=decided == "discard"
        )
        if self._walk is not None:
            self._walk.refuse(self.session.refused - before, self.session.bound)
        return decision

    def _show_progress(self, walk: SweepWalk) -> None:
        now = loop_time()
        if self.session.state.baselined is None and now >= self._progress_due:
            self._progress_due = now + PROGRESS_EVERY
            self.log.info("reading the baseline", conversations=len(walk.ids), of=walk.total)

    async def _conclude(self, walk: SweepWalk) -> None:
        """Carry out what a sweep that has ended comes to."""
        session, sweep = self.session, walk.summary(self._incomplete)
        for row, seen in walk.doubtful.values() if sweep.explained else ():
            await session.absorb([row], seen.response, trusted=sweep.explained)
        if sweep.unexplained:
            self._doubt(sweep.unexplained, walk.doubtful)
            self._doubts_whole = self._doubts_whole or sweep.whole
        now = session.clock()
        conclusion = sweeps.conclude(
            sweep, session.state, session.policy, known=session.present, now=now
        )
        await session.carry_out(conclusion.effects)
        if conclusion.admit:
            await session.let_in(walk.arrivals)
        if conclusion.outcome in ("complete", "incomplete"):
            present = await session.present_ids() if conclusion.compares else frozenset()
            comparison = sweeps.compare(
                sweep,
                session.state,
                session.policy,
                present=present,
                compares=conclusion.compares,
                found_by_lookup=self._found_by_lookup,
                lacked=self._lacked,
                seen_meanwhile=session.seen_since(walk.began, present - walk.ids),
                now=now,
            )
            self._found_by_lookup, self._lacked = comparison.found_by_lookup, comparison.lacked
            await session.carry_out(comparison.effects)
            if comparison.look_ups is not None:
                self._look_ups = LookUpRound(comparison.look_ups, session.clock())
        if self._swept_at is not None:
            moved = session.state.polled == sweep.began
            self._lookback = self._lookback.after_sweep(
                self._swept_at, moved=moved, whole=sweep.whole
            )
        if sweep.whole:
            session.looked_at_all(max(session.last_full_look, sweep.began))
        await self._after_sweep(sweep, conclusion)

    async def _after_sweep(self, sweep: sweeps.SweepSummary, conclusion: sweeps.Conclusion) -> None:
        self._incomplete = 0 if sweep.whole else self._incomplete + 1
        for known in self._sets.values():  # sets are tried again, and suspicions asked again
            known.too_large = False
            known.excused = NOBODY
        self._drift = None
        self.attempted = True
        self.looked = self.session.clock()
        self.looks.note(self.looked, "sweep", "ok" if sweep.whole else "incomplete")
        if conclusion.outcome == "repeat":
            if not sweep.whole:
                self.log.warning(
                    "the first sweep was incomplete; it is repeated", rows=len(sweep.seen)
                )
            self._dues.sweep = loop_time() + self.plan.poll_every
            return
        self.session.counts.sweeps[conclusion.outcome].inc()
        if sweep.whole:
            self.session.counts.sweep_seconds.observe(self._since_sweep_began().total_seconds())
        if conclusion.outcome == "baseline":
            self.log.info("baseline done", conversations=self.session.present)
            self._dues.poll = max(loop_time(), (self._swept_at or 0.0) + self.plan.phase)
        else:
            self._dues.hurry_poll(loop_time())
        report = judge_schema(
            self.session.state,
            sweep.missing,
            frozenset(),
            whole=not sweep.unexplained,
            now=self.session.clock(),
        )
        if report is not None:
            await self._report(report)

    # -- look-ups -----------------------------------------------------------------------------

    async def _look_up_next(self) -> None:
        """Look up the next row that a sweep lacked; raises SourceError."""
        look_ups = self._look_ups
        if look_ups is None:
            return
        if look_ups.waiting:
            key = look_ups.waiting[0]
            try:
                await self._look_up_absent(look_ups, key)
            except (SourceUnavailable, SourceChanged):
                self._lacked = sweeps.after_asking(self._lacked, key, decided=False)
                look_ups.fail(key)
                raise
        if look_ups.waiting:
            return
        if not look_ups.wanted.proof_only:
            changes = {
                "suspects": tuple(look_ups.undecided),
                "held_suspects": tuple(
                    key for key in look_ups.undecided if key in look_ups.wanted.from_hold
                ),
            }
            await self.session.save(StateUpdate(changes, force=True))
        self._look_ups = None

    async def _look_up_absent(self, look_ups: LookUpRound, key: str) -> None:
        """Ask for a row that a sweep lacked, and remove it where it is gone."""
        wanted = look_ups.wanted
        snapshot = await self.session.snapshot(key)
        # What a poll has seen since the sweep ended is there: it had moved past the walk.
        seen = self.session.seen_since(look_ups.since, {key})
        if snapshot is None or not snapshot.present or seen:
            self._settle(look_ups, key, decided=True)
            return
        walk = LookUpWalk(self.plan.provider, snapshot.conversation, "absent")
        gone = await self._take_word(
            walk, key, confirmed=key in wanted.confirmed, held=key in wanted.from_hold
        )
        if walk.verdict == "found":
            self._found_by_lookup |= {key}
        self._settle(look_ups, key, decided=gone or walk.verdict == "found")
        left = len(look_ups.waiting)
        if walk.verdict == "found" and look_ups.find(key):
            self.log.warning(
                "the listing lacked conversations that are there; the others are not concluded from it",
                others=left,
            )

    def _settle(self, look_ups: LookUpRound, key: str, *, decided: bool) -> None:
        self._lacked = sweeps.after_asking(self._lacked, key, decided=decided)
        look_ups.settle(key, decided=decided)

    async def _take_word(
        self, walk: LookUpWalk, key: str, *, confirmed: bool = False, held: bool = False
    ) -> bool:
        """Follow a look-up; remove the row where it is gone, and return whether it was."""
        await follow(walk, self.session.fetch, self._absorb)
        reason = sweeps.after_look_up(walk.verdict, confirmed=confirmed)
        if reason is None or walk.response is None:
            return False
        try:
            await self.session.remove(
                key, reason, walk.response.sent, walk.response.received, held=held
            )
        except Conflict:
            return False  # it was seen meanwhile: ask again later
        return True

    # -- failures -----------------------------------------------------------------------------

    async def _worked(self, done: Step) -> None:
        """Note that a step went well; report that the source works again when none fails."""
        self._failures.pop("sweep" if done == "look_up" else done, None)
        self._renewed = False
        await self.network.reachable(self.plan.name)
        report = after_success(self.session.state.failing, others_fail=bool(self._failures))
        if report is not None:
            await self._report(report)

    async def _failed(self, failed: Step, error: SourceError) -> None:
        """Pause what failed, and report it when it has lasted."""
        if failed == "poll":
            self.session.counts.failed_polls.inc()
        if failed in ("poll", "sweep"):
            self.looks.note(self.session.clock(), failed, "failed")
        now, failures, renewed = loop_time(), 0, False
        self._lookback = self._lookback.after_failure()
        if (counts_for := concern(failed, error)) is not None:
            failures = self._failures[counts_for] = self._failures.get(counts_for, 0) + 1
            self.trouble = str(error)
            refused = isinstance(error, SourceRefused)
            renewed = refused and not self._renewed and self.plan.renew()
            if renewed:
                self._renewed = True
                self.log.info("the credentials were renewed; trying again")
            else:
                await self._tell_network(error)
                self.log.debug(
                    "an attempt failed", step=failed, reason=error.reason, attempt=failures
                )
        reaction = after_failure(
            failed,
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
        self._dues.fail(failed, reaction, now)
        if isinstance(error, SourceUnavailable) and error.retry_after is not None:
            self._dues.told = now + reaction.pause

    async def _tell_network(self, error: SourceError) -> None:
        """Report whether the attempt connected: when none does, our own network fails."""
        if isinstance(error, SourceUnavailable) and error.connect:
            await self.network.unreachable(self.plan.name)
        elif error.reached:
            await self.network.reachable(self.plan.name)

    async def _report(self, report: SourceReport) -> None:
        """Record that the source fails, or works again; who reads it in the log finds it in the status."""
        await self.session.announce(report)
        if report.kind == "failing":
            self.log.error("the source fails", reason=report.reason, remedy=report.remedy)
        else:
            since = rfc3339(report.since)
            self.log.info("a trouble is over", since=since, reason=report.reason)

    # -- what others ask of a source ----------------------------------------------------------

    async def release(self, *, accept: bool, since: datetime, by: Actor) -> bool:
        """Carry out a person's decision about the sweep that is held since then; return False when that
        one is not held: another is one that nobody has seen.
        """
        # What a daemon that starts has not read yet is held, too.
        await self.session.wait_until_opened()
        async with self._lock:  # never in the middle of a page
            hold = self.session.state.hold
            if hold is None or not hold.shown_as(since):
                return False
            now = self.session.clock()
            commit, failed = decide_hold(
                self.session.policy, self.session.state, accept=accept, now=now
            )
            action = decided(self.plan.name, by, now, accept=accept)
            await self.session.commit(replace(commit, action=action))
            self.session.warnings.rules(failed)
            self._walk = self._look_ups = None
            self._dues.sweep = loop_time()
            self._wake.ring()
        return True

    async def look_now(self, step: Literal["poll", "sweep"], by: Actor) -> float:
        """Have a poll or a sweep as soon as the limit of requests allows; return 0, or for how many seconds
        it cannot be asked for again.
        """
        now = loop_time()
        if (wait := self._asked_for + ASKED_EVERY - now) > 0:
            return wait
        before, self._asked_for = self._asked_for, now
        try:
            await self.session.wait_until_opened()
            action = Action(self.session.clock(), by, step, self.plan.name)
            await self.session.store.commit(Commit(self.plan.name, action=action))
        except BaseException:
            self._asked_for = before  # nothing was done
            raise
        self._dues.ask_for(step, loop_time())
        self._wake.ring()
        return 0.0

    async def halt(self) -> None:
        """Begin no further step, and wait for the one under way."""
        self._halted = True
        async with self._lock:
            pass

    async def confirm(self, conversation: str) -> bool:
        """Ask the provider about one conversation now and commit what it shows; return False if it
        cannot be asked, or the source has not been looked at in this run.
        """
        async with self._lock:
            if self._halted or self.looked is None:
                return False
            if loop_time() < self._dues.not_before:
                return False
            try:
                await self._look_up(conversation)
            except SourceError:
                return False
            finally:
                self.session.share.leave()
        return True

    def request_plan(self) -> RequestPlan:
        """Return what the source asks of its provider."""
        session = self.session
        return estimate(
            self.plan.name,
            self.plan.provider,
            poll_every=self.plan.poll_every,
            sweep_every=self.plan.sweep_every,
            conversations=session.present if session.state.baselined else None,
            sets={name: one.size for name, one in self._sets.items() if one.size is not None},
        )

    def standing(self) -> Standing:
        """Return how the source stands, in a word or two."""
        state = self.session.state
        return standings(
            failing=state.failing is not None,
            held=state.hold is not None,
            baselined=state.baselined is not None,
            stale=self.stale(),
            looked=self.looked is not None,
        )[0]

    def status(self) -> dict[str, Any]:
        """Return the source's state as plain JSON."""
        state, walk = self.session.state, self._walk
        return {
            "source": self.plan.name,
            "provider": self.plan.provider_name,
            "version": self.session.version,
            "limits": list(self.plan.provider.limits),
            "conversations": self.session.present,
            "baselined": rfc3339(state.baselined) if state.baselined else None,
            "last_look": rfc3339(self.looked) if self.looked else None,
            "lag": self.lag() if self.looked else None,
            "sweeping": {"seen": len(walk.ids), "of": walk.total} if walk else None,
            "skew": state.skew.to_plain() if state.skew else None,
            "failing": state.failing.to_plain() if state.failing else None,
            "hold": state.hold.to_plain() if state.hold else None,
            "poll_every": self.plan.poll_every,
            "stale": self.stale(),
            "attempted": self.attempted,
        }

    def progress(self) -> dict[str, Any]:
        """Return its last looks, and when the next ones are due, as plain JSON."""
        now, began = self.session.clock(), loop_time()
        return {
            "looks": self.looks.to_plain(),
            "next_poll": rfc3339(now + timedelta(seconds=max(0.0, self._dues.poll - began))),
            "next_sweep": rfc3339(now + timedelta(seconds=max(0.0, self._dues.sweep - began))),
        }

    def lag(self) -> float:
        """Return the seconds since the last good poll or sweep, or since the watching began; none
        where the clock was set back.
        """
        since = self.looked or self._began
        return max(0.0, (self.session.clock() - since).total_seconds())

    def stale(self) -> bool:
        """Return whether the source fails, or has had no good poll or sweep for three poll
        intervals (at least a minute), whatever the reason: the clock decides, not the loop.
        """
        if self.looked is None or self.session.state.failing is not None:
            return True
        return self.lag() > max(60.0, 3 * self.plan.poll_every)
