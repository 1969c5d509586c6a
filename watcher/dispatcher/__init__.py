"""The loop of one receiver: claim what is due, send, record the outcome. The only code that sends.

Law: send first, record after (at least once). A receiver that hangs delays only itself. What a
result means is decided by `watcher.pipeline`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import anyio
import structlog

from watcher.clock import Clock
from watcher.dispatcher.wording import Words
from watcher.metrics import Metrics
from watcher.model import Delivery, Result, rfc3339
from watcher.notify import Notifier
from watcher.pipeline import Policy, announce_receiver, judge_receiver, room, settle
from watcher.pipeline.disclosure import EVERYTHING, Disclosure
from watcher.records import Commit, DeliveryQuery, ReceiverState, Recorded, Settlement
from watcher.rules import Rule
from watcher.store import Store

__all__ = ["Dispatcher", "ReceiverPlan"]

LONGEST_WAIT = 60.0
"""Seconds after which the outbox is looked at again, whatever was or was not heard of it."""

DIGEST_AT_MOST = 500

ASK_AGAIN = timedelta(seconds=30)
"""How long a timer waits when its source could not be asked."""

Message = list[Delivery]
"""What goes out as one: a delivery, or several as a digest."""

Confirm = Callable[[str, str], Awaitable[bool]]
"""Asks a source about one conversation now and commits what it shows; False if it cannot."""


async def _always(_source: str, _conversation: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """One configured receiver, ready to be sent to.

    `target` fingerprints where it points, without showing it. `slots` is how many messages may be
    on the wire at once. `lease` is longer than any attempt can take. `disclosure` is what of an
    event it may see.
    """

    name: str
    notifier: Notifier
    policy: Policy
    target: str
    slots: int = 8
    lease: timedelta = timedelta(minutes=5)
    disclosure: Disclosure = EVERYTHING


class Dispatcher:
    """Delivers to one receiver until cancelled."""

    def __init__(
        self,
        plan: ReceiverPlan,
        *,
        store: Store,
        rules: Callable[[], tuple[Rule, ...]],
        clock: Clock,
        publish: Callable[[Sequence[Recorded]], None],
        metrics: Metrics,
        confirm: Confirm = _always,
    ) -> None:
        self.plan = plan
        self._store = store
        self._rules = rules
        self._clock = clock
        self._publish = publish
        self._metrics = metrics
        self._wake = anyio.Event()
        self._busy = 0
        self._idle = anyio.Event()
        self._stopping = False
        self._looked = clock()
        self._settling = anyio.Lock()
        self._confirm = confirm
        self.state = ReceiverState(plan.name, plan.target)
        self.log = structlog.get_logger().bind(receiver=plan.name)
        self._words = Words(rules, metrics, self.log, plan.notifier.text, plan.disclosure)

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def open(self) -> None:
        """Take up what is remembered; a receiver that points elsewhere now starts afresh."""
        stored = (await self._store.receivers()).get(self.plan.name)
        if stored is None:
            return
        if stored.target != self.plan.target:
            stored = ReceiverState(self.plan.name, self.plan.target, counts=stored.counts)
            await self._store.save_receiver(stored)
        self.state = stored
        self._metrics.receiver_failing.labels(self.plan.name).set(stored.failing is not None)

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self.open()
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                started = 0
                for messages in await self._rounds():
                    self._busy += 1
                    started += 1
                    tasks.start_soon(self._deliver, messages, name=f"send {self.plan.name}")
                if started == 0:
                    with anyio.move_on_after(await self._wait()):
                        await self._wake.wait()

    async def stop(self) -> None:
        """Begin no more attempts, and return when those under way have ended."""
        self._stopping = True
        if self._busy:
            await self._idle.wait()

    async def drain(self) -> None:
        """Deliver once what is due now (used by `run --once`)."""
        await self.open()
        while rounds := await self._rounds():
            async with anyio.create_task_group() as tasks:
                for messages in rounds:
                    self._busy += 1
                    tasks.start_soon(self._deliver, messages)

    async def turn_on(self) -> None:
        """Send again to a receiver that was turned off (410) or counts as failing."""
        async with self._settling:
            state = dataclasses.replace(self.state, off="", failures=0)
            await self._store.save_receiver(state)
            self.state = state
        self.wake()

    def status(self) -> dict[str, Any]:
        """Tell people how the receiver stands (plain JSON)."""
        failing = self.state.failing
        return {
            "receiver": self.plan.name,
            "off": self.state.off or None,
            "failing": None
            if failing is None
            else {
                "since": rfc3339(failing.since),
                "reason": failing.reason,
                "remedy": failing.remedy,
            },
        }

    # -- what goes out now --------------------------------------------------------------------

    async def _rounds(self) -> list[list[Message]]:
        """Claim what may go out now, as rounds of messages: the rounds side by side, the messages
        of a round one after the other.

        A receiver with a limit gets one round: singles in their order, and what exceeds the limit
        as one digest.
        """
        free = self.plan.slots - self._busy
        if free <= 0 or self.state.off or self._stopping:
            return []
        now = self._looked = self._clock()
        limit = self.plan.policy.limit
        if limit is None:
            return [[[delivery]] for delivery in await self._claim(now, free)]
        if self._busy:
            return []
        sent = await self._store.sent_since(self.plan.name, now - limit[1])
        if room(limit, sent, 1, now).wait is not None:
            return []
        waiting = list(await self._claim(now, DIGEST_AT_MOST, together=True))
        space = room(limit, sent, len(waiting), now)
        single, rest = waiting[: space.single], waiting[space.single :]
        messages: list[Message] = [[delivery] for delivery in single]
        return [[*messages, rest] if rest else messages] if messages or rest else []

    async def _claim(
        self, now: datetime, count: int, *, together: bool = False
    ) -> Sequence[Delivery]:
        return await self._store.claim(
            self.plan.name,
            now,
            lease=self.plan.lease,
            limit=count,
            relaxed=self.plan.policy.relaxed,
            together=together,
        )

    async def _wait(self) -> float:
        """Give the seconds until something may be due that is not yet."""
        if self.state.off or self._busy >= self.plan.slots:
            return LONGEST_WAIT
        now = self._clock()
        if (limit := self.plan.policy.limit) is not None:
            sent = await self._store.sent_since(self.plan.name, now - limit[1])
            space = room(limit, sent, 1, now)
            if space.wait is not None:
                return min(LONGEST_WAIT, max(0.0, (space.wait - now).total_seconds()))
        due = await self._store.next_due(self.plan.name, after=self._looked)
        if due is None:
            return LONGEST_WAIT
        return min(LONGEST_WAIT, max(0.001, (due - now).total_seconds()))

    # -- one attempt --------------------------------------------------------------------------

    async def _deliver(self, messages: list[Message]) -> None:
        """Send one message after the other; after a failure the rest waits for the next round."""
        try:
            while messages:
                message = await self._still_true(messages.pop(0))
                if message and not await self._attempt(message):
                    break
            for message in messages:
                await self._put_back(message, self._clock())
        finally:
            self._busy -= 1
            self.wake()
            if self._stopping and not self._busy:
                self._idle.set()

    async def _attempt(self, message: Message) -> bool:
        try:
            result = await self.plan.notifier.send(self._words.notice(message, self._clock()))
        except Exception as error:  # a bug of one notifier stops nobody else
            self.log.exception("the notifier has a bug")
            result = Result("failed", f"internal error: {type(error).__name__}")
        await self._settle(message, result)
        return result.outcome in ("ok", "rejected")

    async def _still_true(self, message: Message) -> Message:
        """Leave out timers whose state has ended since: the provider is asked once more before
        people are told that something has lasted. Where it cannot be asked, the timer waits.
        """
        kept: Message = []
        for delivery in message:
            if delivery.timer is None or delivery.event.subject is None:
                kept.append(delivery)
                continue
            asked = await self._confirm(delivery.event.source, delivery.event.subject)
            query = DeliveryQuery(id=delivery.id, receiver=delivery.receiver, state="pending")
            if not await self._store.deliveries(query):
                continue  # what was seen just now has ended it
            if asked:
                kept.append(delivery)
            else:
                await self._put_back([delivery], self._clock() + ASK_AGAIN)
        return kept

    async def _put_back(self, message: Message, due: datetime) -> None:
        """Give claimed deliveries back untried."""
        await self._store.settle(
            [
                Settlement(d.key, d.attempt, "pending", max(due, d.due), d.note, None, untried=True)
                for d in message
            ]
        )

    async def _settle(self, batch: Message, result: Result) -> None:
        """Record what came of it, and what it says about the receiver, in one transaction."""
        async with self._settling:
            now = self._clock()
            settlements: list[Settlement] = [
                settle(delivery, result, self.plan.policy, now) for delivery in batch
            ]
            state, turned = judge_receiver(self.state, result, now)
            commit: Commit | None = None
            if turned is not None:
                trouble = state.failing or self.state.failing
                state, commit, failed = announce_receiver(
                    self._rules(),
                    state,
                    turned,
                    reason=trouble.reason if turned == "failing" and trouble else "works again",
                    remedy=trouble.remedy if turned == "failing" and trouble else "",
                    since=trouble.since if trouble else now,
                    now=now,
                )
                for rule, _problem in failed:
                    self._metrics.rule_errors.labels(rule).inc()
                say = self.log.error if turned == "failing" else self.log.info
                say(
                    "the receiver fails" if turned == "failing" else "the receiver works again",
                    reason=result.note,
                )
            changed = state if state != self.state else None
            recorded = await self._store.settle(settlements, receiver=changed, commit=commit)
            self.state = state
        for settlement in settlements:
            outcome = "retry" if settlement.state == "pending" else settlement.state
            self._metrics.deliveries.labels(self.plan.name, outcome).inc()
            if settlement.state == "pending":
                self.log.info(
                    "a delivery failed; it is tried again",
                    delivery=settlement.key,
                    reason=settlement.note,
                    due=rfc3339(settlement.due),
                )
            if settlement.state == "dead":
                self.log.error(
                    "a delivery is given up", delivery=settlement.key, reason=settlement.note
                )
        self._metrics.receiver_failing.labels(self.plan.name).set(state.failing is not None)
        self._publish(recorded)
