"""What came of an attempt: recorded with what it says about the receiver, in one transaction.

Rules: `watcher.pipeline` decides what a result means; here it is written, counted and logged.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import anyio

from watcher.dispatcher.claims import Message
from watcher.model import Result, rfc3339
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import announce_receiver, judge_receiver, next_repeat, settle
from watcher.records import Commit, HistoryEntry, ReceiverState, Settlement
from watcher.runtime import Runtime

__all__ = ["OutcomeRecorder"]


class OutcomeRecorder:
    """Keeps one receiver's state, in memory and in the store.

    `tally` counts deliveries by outcome since the start (`retry`, or a state that is settled);
    `last_failure` says why the last one failed.
    """

    def __init__(self, plan: ReceiverPlan, runtime: Runtime, log: Any) -> None:
        self._plan = plan
        self._runtime = runtime
        self._log = log
        self._lock = anyio.Lock()
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

    async def turn_on(self) -> None:
        """Forget that it was turned off or is paused."""
        await self._change(off="", failures=0, paused=None, probes=0)

    async def probe(self) -> None:
        """End a pause now, by hand."""
        await self._opened.wait()
        if self.state.paused is not None:
            await self._change(paused=self._runtime.clock())

    async def _change(self, **changed: Any) -> None:
        await self._opened.wait()  # or what is remembered would be written over
        async with self._lock:
            state = dataclasses.replace(self.state, **changed)
            await self._runtime.store.save_receiver(state)
            self.state = state
        self._measure()

    async def put_back(self, message: Message, due: datetime) -> None:
        """Return claimed deliveries to the outbox untried."""
        await self._runtime.store.settle(
            [
                Settlement(d.key, d.attempt, "pending", max(due, d.due), d.note, None, untried=True)
                for d in message
            ]
        )

    async def settle(self, message: Message, sent: str, result: Result) -> None:
        """Record what came of sending a message (its id was `sent`)."""
        async with self._lock:
            now = self._runtime.clock()
            settlements = self._settlements(message, sent, result, now)
            state, turned = judge_receiver(self.state, result, now)
            commit: Commit | None = None
            if turned is not None:
                state, commit = self._announce(state, turned, result, now)
            changed = state if state != self.state else None
            recorded = await self._runtime.store.settle(
                settlements, receiver=changed, commit=commit
            )
            paused = state.paused is not None and self.state.paused is None
            self.state = state
        if paused:
            self._log.warning("the receiver is paused", until=rfc3339(state.paused or now))
        self._count(settlements)
        self._measure()
        self._runtime.publish(recorded)

    def _settlements(
        self, message: Message, sent: str, result: Result, now: datetime
    ) -> list[Settlement]:
        rules = {rule.name: rule for rule in self._runtime.rules()}
        first = message[0]
        # The events of a digest are one message: they are tried again at the same time.
        one = settle(first, result, self._plan.policy, now)
        outcomes = []
        for delivery in message:
            outcome = one
            if not first.batch and delivery is not first:
                outcome = settle(delivery, result, self._plan.policy, now)
            done = outcome.state != "pending"
            entry = HistoryEntry(
                delivery.key,
                now,
                "attempt",
                outcome.note or result.outcome,
                delivery.attempt,
                result.status,
                result.excerpt,
                result.seconds,
            )
            outcomes.append(
                dataclasses.replace(
                    outcome,
                    key=delivery.key,
                    attempt=delivery.attempt,
                    rule=delivery.rule,
                    message=sent if len(message) > 1 and done else "",
                    entry=entry,
                    then=next_repeat(delivery, rules.get(delivery.rule), now) if done else (),
                )
            )
        return outcomes

    def _announce(
        self, state: ReceiverState, turned: str, result: Result, now: datetime
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
        say = self._log.error if failing else self._log.info
        say("the receiver fails" if failing else "the receiver works again", reason=result.note)
        return state, commit

    def _count_failed(self, failed: Sequence[tuple[str, str]]) -> None:
        for rule, _problem in failed:
            self._runtime.metrics.rule_errors.labels(rule).inc()

    def _count(self, settlements: list[Settlement]) -> None:
        for settlement in settlements:
            outcome = "retry" if settlement.state == "pending" else settlement.state
            self._runtime.metrics.deliveries.labels(self._plan.name, outcome).inc()
            self.tally[outcome] += 1
            if outcome in ("retry", "dead"):
                self.last_failure = settlement.note
            if settlement.state == "pending":
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
        name, metrics = self._plan.name, self._runtime.metrics
        metrics.receiver_failing.labels(name).set(self.state.failing is not None)
        metrics.receiver_paused.labels(name).set(self.state.paused is not None)
