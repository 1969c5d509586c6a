"""What came of an attempt: recorded with what it says about the receiver, in one transaction.

Rules: `watcher.pipeline` decides what a result means; here it is written, counted and logged. What ends while
a transaction is under way is recorded together by the next one, in its order: a flush to the disk costs the
same for one outcome as for many.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio

from watcher.dispatcher.burial import tell_of_dead
from watcher.dispatcher.claims import AHEAD, Message
from watcher.model import Delivery, Result, rfc3339
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import announce_receiver, halves, next_repeat, settle
from watcher.pipeline.receivers import Turn, judge, may_turn, review, review_due
from watcher.records import (
    Action,
    Commit,
    HistoryEntry,
    ReceiverState,
    Recorded,
    Settlement,
)
from watcher.runtime import Runtime

__all__ = ["OutcomeRecorder"]

ATTEMPTS: Mapping[str, str] = {
    "ok": "ok",
    "failed": "retry",
    "refused": "refused",
    "rejected": "refused",
    "gone": "off",
    "unknown": "timeout",
}
"""How attempts are counted, by their outcome."""


@dataclass(eq=False, slots=True)
class _Outcome:
    """What came of sending a message, until it is recorded."""

    message: Message
    sent: str
    """The id that it went out with."""

    result: Result
    itself: bool = False
    """Whether it was refused for itself, so that others may go on."""

    settlements: Sequence[Settlement] = ()
    handed: bool = False
    """Whether nobody waits for it to be recorded."""


class OutcomeRecorder:
    """Keeps one receiver's state, in memory and in the store.

    `tally` counts deliveries by outcome since the start (`retry`, or a state that is settled);
    `last_failure` says why the last one failed.
    """

    def __init__(
        self, plan: ReceiverPlan, runtime: Runtime, log: Any, recorded: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._counts = runtime.metrics.of_receiver(plan.name, plan.kind)
        self._recorded = recorded
        self._runtime = runtime
        self._log = log
        self._lock = anyio.Lock(fast_acquire=True)
        self._unrecorded: list[_Outcome] = []
        self._handed = anyio.Event()
        self.owed = 0
        """How many outcomes were handed over and are not recorded yet."""
        self._opened = anyio.Event()
        self.state = ReceiverState(plan.name, plan.target)
        self.tally = Counter[str]()
        self.last_failure = ""

    async def open(self) -> None:
        """Load what is remembered; a receiver that points elsewhere now starts with a new state."""
        plan = self._plan
        stored = (await self._runtime.store.receivers()).get(plan.name)
        if stored is not None:
            if stored.target != plan.target:
                stored = await self._begin_afresh(stored)
            self.state = stored
            self._measure()
        self._opened.set()

    async def _begin_afresh(self, former: ReceiverState) -> ReceiverState:
        """Return the new state of a receiver that points elsewhere; a reported trouble ends."""
        runtime, plan = self._runtime, self._plan
        state = ReceiverState(plan.name, plan.target, counts=former.counts)
        if former.failing is None:
            await runtime.store.save_receiver(state)
            return state
        state, commit, failed = announce_receiver(
            runtime.rules(),
            state,
            "recovered",
            reason="it points elsewhere now",
            since=former.failing.since,
            now=runtime.clock(),
            extra={"outcome": "replaced"},
        )
        self._count_failed(failed)
        runtime.publish(await runtime.store.settle([], receiver=state, commit=commit))
        return state

    async def remembered(self) -> ReceiverState:
        """Return how the receiver stands, once that is loaded."""
        await self._opened.wait()
        return self.state

    async def turn_on(self, action: Action | None = None) -> None:
        """Forget that it was turned off or is paused; `action` is the person's that asks for it."""
        await self._change(action, off="", failures=0, failed=(), paused=None, probes=0)

    async def probe(self) -> None:
        """End a pause now, by hand."""
        await self._opened.wait()
        if self.state.paused is not None:
            await self._change(None, paused=self._runtime.clock())

    async def _change(self, action: Action | None, **changed: Any) -> None:
        await self._opened.wait()  # or what is remembered would be written over
        async with self._lock:
            state = dataclasses.replace(self.state, **changed)
            await self._runtime.store.save_receiver(state, action)
            self.state = state
        self._measure()

    def review_due(self) -> datetime | None:
        """Return when `review` may decide otherwise because of the time alone."""
        return review_due(self.state, self._runtime.clock())

    async def put_back(self, message: Message, due: datetime) -> None:
        """Return claimed deliveries to the outbox untried."""
        await self._runtime.store.settle(
            [
                Settlement(d.key, d.attempt, "pending", max(due, d.due), d.note, None, untried=True)
                for d in message
            ]
        )

    async def halve(self, message: Message, result: Result) -> None:
        """Have a digest that is too large sent as two, at once. That says nothing of the receiver, and
        counts as no attempt.
        """
        now = self._runtime.clock()
        await self._runtime.store.settle(
            [
                Settlement(
                    one.key,
                    one.attempt,
                    "pending",
                    now,
                    result.note,
                    None,
                    untried=True,
                    rule=one.rule,
                    message=one.message,
                    entry=_entry(one, result, f"{result.note}; it is halved", now),
                )
                for part in halves(message)
                for one in part
            ]
        )
        self._log.info("a digest is halved", events=len(message), reason=result.note)

    async def run(self) -> None:
        """Record what was handed over, until cancelled."""
        while True:
            await self._handed.wait()
            self._handed = anyio.Event()
            async with self._lock:
                if self._unrecorded:
                    await self._record(None)

    def hand_over(self, message: Message, sent: str, result: Result) -> bool:
        """Have it recorded by `run` that a message was taken; return whether that is so. Others may be sent
        meanwhile to a receiver that takes all that it gets: what says more of it is waited for, and so is
        the record of more messages than may be claimed ahead.
        """
        state = self.state
        troubled = state.failures or state.failing or state.off or state.paused
        if result.outcome != "ok" or troubled or self.owed >= self._plan.slots * AHEAD:
            return False
        outcome = self._outcome(message, sent, result)
        outcome.handed = True
        self.owed += 1
        self._unrecorded.append(outcome)
        self._handed.set()
        return True

    async def settle(self, message: Message, sent: str, result: Result) -> bool:
        """Record what came of sending a message (its id was `sent`). Return whether it was refused
        for itself, so that others may go on.
        """
        outcome = self._outcome(message, sent, result)
        self._unrecorded.append(outcome)
        async with self._lock:
            # Whoever had the lock before may have recorded it.
            if outcome in self._unrecorded:
                await self._record(outcome)
        return outcome.itself

    def _outcome(self, message: Message, sent: str, result: Result) -> _Outcome:
        # A notifier from elsewhere may quote anything; what follows is shown, logged and sent.
        note, excerpt = map(self._runtime.store.scrub, (result.note, result.excerpt))
        if (note, excerpt) != (result.note, result.excerpt):
            result = dataclasses.replace(result, note=note, excerpt=excerpt)
        return _Outcome(message, sent, result)

    async def _record(self, mine: _Outcome | None) -> None:
        """Record all outcomes that wait, in one transaction. Where that fails, the others are left to
        those who wait for them.
        """
        outcomes, self._unrecorded = self._unrecorded, []
        now, state = self._runtime.clock(), self.state
        pauses: list[datetime] = []
        for one in outcomes:
            judged = judge(state, one.message[0], one.result, now)
            one.itself = judged.itself
            one.settlements = self._settlements(one, state.spell, now)
            if judged.state.paused is not None and state.paused is None:
                pauses.append(judged.state.paused)
            state = judged.state
        settlements = [settlement for one in outcomes for settlement in one.settlements]
        try:
            recorded = await self._runtime.store.settle(
                settlements,
                receiver=state if state != self.state else None,
                commit=await self._tell_of_dead(outcomes, now),
            )
        except BaseException:
            self._unrecorded[:0] = [one for one in outcomes if one is not mine]
            raise
        self.state = state
        for until in pauses:
            self._log.warning("the receiver is paused", until=rfc3339(until))
        for one in outcomes:
            self._count(one.settlements, one.result)
            self._count_told(one, now)
        self._measure()
        self._runtime.publish(recorded)
        if handed := sum(one.handed for one in outcomes):
            self.owed -= handed
            self._recorded()

    async def review(self, under_way: bool) -> None:
        """Decide whether the receiver counts as failing, or as working again. `under_way` is whether
        other messages are.
        """
        if not may_turn(self.state):
            return
        runtime = self._runtime
        async with self._lock:
            now = runtime.clock()
            more = under_way or await runtime.store.ready(self._plan.name, now)
            state, turned = review(self.state, now, more=more)
            commit: Commit | None = None
            if turned is not None:
                state, commit = self._announce(state, turned, now)
            recorded: Sequence[Recorded] = ()
            if state != self.state:
                recorded = await runtime.store.settle([], receiver=state, commit=commit)
            self.state = state
        self._measure()
        runtime.publish(recorded)

    async def _tell_of_dead(self, outcomes: Sequence[_Outcome], now: datetime) -> Commit | None:
        dead: list[tuple[Sequence[Delivery], str]] = []
        for one in outcomes:
            died = [
                ([delivery], settlement.note)
                for delivery, settlement in zip(one.message, one.settlements, strict=True)
                if settlement.state == "dead"
            ]
            dead += [(one.message, died[0][1])] if died and one.message[0].batch else died
        return await tell_of_dead(self._runtime, self._plan.name, dead, now) if dead else None

    def _settlements(self, outcome: _Outcome, spell: int, now: datetime) -> list[Settlement]:
        message, result, policy = outcome.message, outcome.result, self._plan.policy
        rules = {rule.name: rule for rule in self._runtime.rules()}
        first = message[0]
        # The events of a digest are one message: they are tried again at the same time.
        one = settle(first, result, policy, now, itself=outcome.itself, spell=spell)
        settlements = []
        for delivery in message:
            settled = one
            if not first.batch and delivery is not first:
                settled = settle(delivery, result, policy, now, itself=outcome.itself, spell=spell)
            done = settled.state != "pending"
            entry = _entry(delivery, result, settled.note or result.outcome, now)
            settlements.append(
                dataclasses.replace(
                    settled,
                    key=delivery.key,
                    attempt=delivery.attempt,
                    rule=delivery.rule,
                    message=outcome.sent if len(message) > 1 and done else "",
                    entry=entry,
                    then=next_repeat(delivery, rules.get(delivery.rule), now) if done else (),
                )
            )
        return settlements

    def _announce(
        self, state: ReceiverState, turned: Turn, now: datetime
    ) -> tuple[ReceiverState, Commit]:
        trouble = state.failing or self.state.failing
        failing = turned == "failing"
        state, commit, failed = announce_receiver(
            self._runtime.rules(),
            state,
            turned,
            reason=trouble.reason if failing and trouble else "works again",
            remedy=trouble.remedy if failing and trouble else "",
            since=trouble.since if trouble else now,
            now=now,
        )
        self._count_failed(failed)
        if failing and trouble:
            self._log.error("the receiver fails", reason=trouble.reason)
        else:
            self._log.info("the receiver works again")
        return state, commit

    def _count_failed(self, failed: Sequence[tuple[str, str]]) -> None:
        for rule, problem in failed:
            self._runtime.metrics.condition_failed(rule, problem)

    def _count(self, settlements: Sequence[Settlement], result: Result) -> None:
        if result.outcome == "gone":
            self._log.error(
                "the receiver wants no more; it is turned off, and what waits for it stays",
                reason=result.note,
                remedy=f"inbox-watcher send-test {self._plan.name}",
            )
        for settlement in settlements:
            outcome = "retry" if settlement.state == "pending" else settlement.state
            self.tally[outcome] += 1
            if outcome in ("retry", "dead"):
                self.last_failure = settlement.note
            if settlement.state == "pending" and result.outcome != "gone":
                self._log.info(
                    "a delivery failed; it is tried again",
                    delivery=settlement.key,
                    reason=settlement.note,
                    due=rfc3339(settlement.due),
                )
            if settlement.state == "dead":
                self._log.error(
                    "a delivery is given up", delivery=settlement.key, reason=settlement.note
                )

    def _measure(self) -> None:
        self._counts.failing.set(self.state.failing is not None)
        self._counts.paused.set(self.state.paused is not None)
        self._counts.off.set(bool(self.state.off))

    def _count_told(self, outcome: _Outcome, now: datetime) -> None:
        """Count an attempt, and how late people are told who were told by it."""
        result = outcome.result
        self._counts.attempts[ATTEMPTS[result.outcome]].inc()
        if result.seconds is not None:
            self._counts.attempt_seconds.observe(result.seconds)
        if result.outcome == "ok":
            for delivery in outcome.message:
                # What a rule makes wait is late from the moment on that it was due.
                waits = delivery.kind not in ("event", "resolved") or delivery.held
                since = delivery.due if waits else delivery.event.time
                self._counts.told.observe(max(0.0, (now - since).total_seconds()))


def _entry(delivery: Delivery, result: Result, note: str, now: datetime) -> HistoryEntry:
    return HistoryEntry(
        delivery.key,
        now,
        "attempt",
        note,
        delivery.attempt,
        result.status,
        result.excerpt,
        result.seconds,
    )
