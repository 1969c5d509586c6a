"""The loop of one receiver: claim what is due, send, record the outcome. The only code that sends.

Rules: send first, record after (at least once). A receiver that hangs delays only itself. What a
result means, and what may go out, is decided by `watcher.pipeline`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import anyio
import structlog

from watcher.descriptors import ADVICE, REASON, spent
from watcher.dispatcher.burial import give_up_overdue, has_overdue
from watcher.dispatcher.claims import Claimer, Message
from watcher.dispatcher.outcomes import OutcomeRecorder
from watcher.dispatcher.render import Renderer
from watcher.logs import rarely
from watcher.model import Result
from watcher.notify.receivers import ReceiverPlan
from watcher.records import Action, DeliveryQuery, ReceiverState
from watcher.rules.resolved import has_an_end
from watcher.runtime import Runtime

__all__ = ["Dispatcher"]

Topic = tuple[str, str | None]

CUT_TOO_OFTEN = 3
"""Attempts that never ended, after which a message is given up."""

TRY_AGAIN = timedelta(seconds=1)
"""How long until what found no descriptor is tried again."""

ASK_AGAIN = timedelta(seconds=30)
"""How long a timer waits when its source could not be asked."""


SPACING = 0.0015
"""Seconds between two messages of a backlog, over all slots, beside other receivers."""


class Dispatcher:
    """Delivers to one receiver until cancelled."""

    def __init__(self, plan: ReceiverPlan, runtime: Runtime) -> None:
        self.plan = plan
        self.log = structlog.get_logger().bind(receiver=plan.name)
        self._runtime = runtime
        self._outcomes = OutcomeRecorder(plan, runtime, self.log, self._recorded)
        self._claimer = Claimer(plan, runtime, self.log)
        self._renderer = Renderer(
            runtime.rules,
            runtime.metrics,
            self.log,
            plan.notifier.text,
            plan.visibility,
            lambda: plan.zone or runtime.zone(),
            plan.format,
            lambda: runtime.links() if plan.links else None,
        )
        self._wake = anyio.Event()
        self._busy = 0
        self._records = False
        """Whether what was taken may be recorded while more is sent."""
        self._idle = anyio.Event()
        self._stopping = False
        self._overdue: tuple[datetime, str] | None = None

    @property
    def state(self) -> ReceiverState:
        """How the receiver stands."""
        return self._outcomes.state

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def remembered(self) -> ReceiverState:
        """Return how the receiver stands, once what is remembered of it is loaded."""
        return await self._outcomes.remembered()

    async def open(self) -> None:
        """Load what is remembered of the receiver."""
        await self._outcomes.open()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._outcomes.run, name=f"record {self.plan.name}")
            # A receiver with a limit is asked what it was sent, so that has to be recorded.
            self._records = self.plan.policy.limit is None
            while True:
                self._wake = anyio.Event()
                await self._outcomes.review(self._busy > 0)
                await self._give_up_overdue()
                rounds = await self._rounds()
                for messages in rounds:
                    self._busy += 1
                    tasks.start_soon(self._deliver, messages, name=f"send {self.plan.name}")
                if not rounds:
                    wait = await self._claimer.wait(self.state, self._busy)
                    if (due := self._outcomes.review_due()) is not None:
                        wait = min(wait, (due - self._runtime.clock()).total_seconds())
                    with anyio.move_on_after(wait):
                        await self._wake.wait()

    async def give_up(self, before: datetime, reason: str) -> None:
        """Have what was owed before then given up, as soon as nothing is under way."""
        if await has_overdue(self._runtime, self.plan.name, before):
            self._overdue = before, reason
            self.wake()

    async def _give_up_overdue(self) -> None:
        if self._overdue is None or self._out:
            return
        await self._claimer.put_back()
        await give_up_overdue(self._runtime, self.plan.name, *self._overdue)
        self._overdue = None

    async def stop(self) -> None:
        """Begin no more attempts, and return when those under way have ended."""
        self._stopping = True
        await self._claimer.put_back()
        if self._out:
            await self._idle.wait()

    async def drain(self) -> None:
        """Deliver once what is due now (used by `run --once`)."""
        await self.open()
        while rounds := await self._rounds():
            async with anyio.create_task_group() as tasks:
                for messages in rounds:
                    self._busy += 1
                    tasks.start_soon(self._deliver, messages)
        await self._outcomes.review(False)

    async def next_due(self) -> datetime | None:
        """Return when something may be due that cannot be delivered now."""
        return await self._claimer.due(self.state, self._busy)

    async def turn_on(self, action: Action | None = None) -> None:
        """Send again to a receiver that was turned off (410) or counts as failing; `action` is the person's
        that asks for it.
        """
        await self._outcomes.turn_on(action)
        self.wake()

    async def probe(self) -> None:
        """Try again now, if the receiver is paused."""
        await self._outcomes.probe()
        self.wake()

    @property
    def tally(self) -> Mapping[str, int]:
        """How many deliveries came to which outcome since the start."""
        return self._outcomes.tally

    @property
    def trouble(self) -> str:
        """Why the receiver does not take messages, or did not take the last one; empty if it does."""
        state = self.state
        if state.off:
            return f"off: {state.off}"
        if self.tally["retry"] or self.tally["dead"]:
            return self._outcomes.last_failure
        if not state.failures:
            return ""
        return (
            state.failing.reason if state.failing else "the last attempt failed, before this pass"
        )

    def status(self) -> dict[str, Any]:
        """Return the receiver's status as plain JSON."""
        return self.state.to_plain()

    async def _rounds(self) -> list[list[Message]]:
        if self._stopping or self._overdue is not None:
            return []
        return await self._claimer.rounds(self.state, self._busy, self._outcomes.owed)

    @property
    def _out(self) -> int:
        """How much is under way: rounds, and taken messages of which that is not recorded yet."""
        return self._busy + self._outcomes.owed

    def _recorded(self) -> None:
        """Look again: the next message of a conversation may go out now."""
        self.wake()
        if self._stopping and not self._out:
            self._idle.set()

    # -- one attempt --------------------------------------------------------------------------

    async def _deliver(self, messages: list[Message]) -> None:
        """Send a round, and of a backlog what was claimed ahead."""
        try:
            while messages:
                await self._send(messages)
                messages = []
                # Beside other receivers a backlog goes slower: as fast as it can, it would double their time.
                if self._claimer.ahead and self._runtime.receivers() > 1:
                    await anyio.sleep(self.plan.slots * SPACING)
                if not self._stopping and self._overdue is None:
                    messages = await self._claimer.next_round(self.state, self._out)
        finally:
            self._busy -= 1
            self.wake()
            if self._stopping and not self._out:
                self._idle.set()

    async def _send(self, messages: list[Message]) -> None:
        """Send one message after the other; after a failure the rest waits for the next round, and
        after a refusal what is about the same conversation.
        """
        held: set[Topic] = set()
        while messages and not self._stopping:
            message = await self._still_true(messages.pop(0))
            if held and held.intersection(_topics(message)):
                await self._outcomes.put_back(message, self._runtime.clock())
                continue
            went = await self._attempt(message, last=not messages) if message else "on"
            if went == "hold":
                held.update(_topics(message))
            # Before the rest is sent, so that it counts as due.
            await self._outcomes.review(self._busy > 1 or bool(messages))
            if went == "stop":
                break
        for message in messages:
            await self._outcomes.put_back(message, self._runtime.clock())

    async def _attempt(self, message: Message, *, last: bool) -> Literal["on", "hold", "stop"]:
        """Send once. Return whether the round goes on, without what is about the same (`hold`), or is over
        with this message (`last`).
        """
        cut = max(one.cut for one in message)
        if cut >= CUT_TOO_OFTEN:
            note = f"{cut} attempts never ended: the process died while it wrote the message"
            return await self._conclude(message, message[0].message, Result("rejected", note))
        return await self._try(message, last=last)

    async def _try(self, message: Message, *, last: bool) -> Literal["on", "hold", "stop"]:
        # Whoever may have heard that a state lasts is to hear of its end, also after a kill.
        rules = self._runtime.rules()
        if begun := [one.key for one in message if has_an_end(one, rules)]:
            await self._runtime.store.begin(begun)
        now = self._runtime.clock()
        # Only what the process itself does for the message counts: it may be killed while it waits for an
        # answer, as often as somebody likes, and that is not the message's doing.
        self._runtime.store.writing(message[0].key)
        notice = self._renderer.notice(message, now)
        self._runtime.store.writing("")
        try:
            result = await self.plan.notifier.send(notice)
        except Exception as error:  # a bug of one notifier stops no other receiver
            if spent(error):
                return await self._wait_for_descriptors(message)
            self.log.exception("the notifier has a bug")
            result = Result("failed", f"internal error: {type(error).__name__}")
        result = _timed(result, self._since(now))
        if notice.problem:
            said = f"the default message was sent: {notice.problem}"
            note = f"{result.note}; {said}" if result.note else said
            result = dataclasses.replace(result, note=note)
        if result.outcome == "refused" and result.too_large and len(message) > 1:
            await self._outcomes.halve(message, result)
            return "hold"
        # Of a conversation's next message it is waited until this one is recorded; others go on.
        hands_over = self._records and last and self._claimer.ahead
        if hands_over and self._outcomes.hand_over(message, notice.event.id, result):
            return "on"
        return await self._conclude(message, notice.event.id, result)

    async def _wait_for_descriptors(self, message: Message) -> Literal["stop"]:
        """Put a message back that could not be tried: that is no failure of the receiver's."""
        rarely(structlog.get_logger().error, f"nothing can be sent: {REASON}", remedy=ADVICE)
        await anyio.sleep(TRY_AGAIN.total_seconds())  # meanwhile its slot tries nothing else
        await self._outcomes.put_back(message, self._runtime.clock() + TRY_AGAIN)
        return "stop"

    async def _conclude(
        self, message: Message, sent: str, result: Result
    ) -> Literal["on", "hold", "stop"]:
        itself = await self._outcomes.settle(message, sent, result)
        if result.outcome == "ok":
            return "on"
        return "hold" if itself else "stop"

    def _since(self, start: datetime) -> float:
        return max(0.0, (self._runtime.clock() - start).total_seconds())

    async def _still_true(self, message: Message) -> Message:
        """Return the message without timers whose state has ended since: before a message says that
        something has lasted, the provider is asked again. If it cannot be asked, the timer waits.
        """
        kept: Message = []
        for delivery in message:
            if delivery.timer is None or delivery.event.subject is None:
                kept.append(delivery)
                continue
            asked = await self._runtime.confirm(delivery.event.source, delivery.event.subject)
            query = DeliveryQuery(id=delivery.id, receiver=delivery.receiver, state="pending")
            if not await self._runtime.store.deliveries(query):
                # What was seen just now has ended it: nothing of it is under way any more.
                await self._outcomes.put_back([delivery], self._runtime.clock())
                continue
            if asked:
                kept.append(delivery)
            else:
                await self._outcomes.put_back([delivery], self._runtime.clock() + ASK_AGAIN)
        return kept


def _topics(message: Message) -> set[Topic]:
    """Return the conversations whose order a message is part of."""
    return {(one.event.source, one.event.subject) for one in message if one.ordered}


def _timed(result: Result, seconds: float) -> Result:
    """Return a result with its duration, unless the notifier measured one."""
    if result.seconds is not None:
        return result
    return dataclasses.replace(result, seconds=seconds)
