"""What goes out now: claimed, guarded, within the receiver's limit, and one alone while it is
paused.

Rules: whatever is claimed here is sent, settled or given back; how much may go out is decided by
`watcher.pipeline`. What is still under way is never claimed again, however long it takes: its leases
are renewed before anything else is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher.dispatcher.guards import let_pass
from watcher.model import Delivery
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import divide, room
from watcher.records import ReceiverState, Settlement
from watcher.runtime import Runtime

__all__ = ["LONGEST_WAIT", "Claimer", "Message"]

Message = list[Delivery]
"""What goes out as one: a delivery, or several as a digest."""

LONGEST_WAIT = 60.0
"""Seconds after which the outbox is looked at again, whatever was or was not heard of it."""

TOGETHER_AT_MOST = 500


class Claimer:
    """Chooses for one receiver."""

    def __init__(self, plan: ReceiverPlan, runtime: Runtime, log: Any) -> None:
        self._plan = plan
        self._runtime = runtime
        self._log = log
        self._looked = self._leased = runtime.clock()

    async def rounds(self, state: ReceiverState, busy: int) -> list[list[Message]]:
        """Claim what may go out now, as rounds of messages: the rounds side by side, the messages
        of a round one after the other.

        A receiver with a limit gets one round: singles in their order, and what exceeds the limit
        as one digest. One that is paused gets a single message once its pause is over.
        """
        now = self._looked = self._runtime.clock()
        await self._renew(now, busy)
        free = self._plan.slots - busy
        # A receiver that answered 410 Gone gets nothing until a person turns it on.
        if free <= 0 or state.off:
            return []
        if state.paused is not None:
            # One probe at a time: an outage costs one attempt of one delivery, not of all.
            if busy or now < state.paused:
                return []
            free = 1
        if self._plan.policy.limit is not None:
            return [] if busy else await self._limited(now, probing=state.paused is not None)
        return [[message] for message in await self._free(now, free)]

    async def _renew(self, now: datetime, busy: int) -> None:
        """Renew the leases of what is under way before the first of them can end. A timer's source
        may take minutes to answer, and the last message of a round waits for all before it.
        """
        lease = self._plan.lease
        if busy and not timedelta(0) <= now - self._leased < lease / 2:
            await self._runtime.store.renew(self._plan.name, now + lease)
            self._leased = now
        elif not busy:
            self._leased = now

    async def wait(self, state: ReceiverState, busy: int) -> float:
        """Return the seconds until something may be due that is not due yet."""
        due = await self.due(state, busy)
        return LONGEST_WAIT if due is None else _seconds(self._runtime.clock(), due)

    async def due(self, state: ReceiverState, busy: int) -> datetime | None:
        """Return when something may be due that is not due yet; None if time alone changes nothing."""
        if state.off or busy >= self._plan.slots:
            return None
        now = self._runtime.clock()
        if state.paused is not None and (busy or state.paused > now):
            return state.paused if not busy else None
        if (limit := self._plan.policy.limit) is not None:
            sent = await self._runtime.store.sent_since(self._plan.name, now - limit[1])
            space = room(limit, sent, 1, now)
            if space.wait is not None:
                return space.wait
        return await self._runtime.store.next_due(self._plan.name, after=self._looked)

    async def _free(self, now: datetime, count: int) -> list[Message]:
        """Claim up to `count` messages for a receiver without a limit."""
        messages: list[Message] = [[one] for one in await self._claim(now, count)]
        while len(messages) < count and (digest := await self._collect(now)):
            messages.append(digest)
        return messages

    async def _limited(self, now: datetime, *, probing: bool) -> list[list[Message]]:
        plan, store = self._plan, self._runtime.store
        assert plan.policy.limit is not None  # noqa: S101 - asked by the caller
        allowed, window = plan.policy.limit
        sent = await store.sent_since(plan.name, now - window)
        if room(plan.policy.limit, sent, 1, now).wait is not None:
            return []
        if probing:
            return [[message] for message in await self._free(now, 1)]
        left = allowed - sum(at > now - window for at in sent)
        digests: list[Message] = []
        # One place is kept for everything else: all of it fits into one more digest.
        while len(digests) < max(1, left - 1) and (digest := await self._collect(now)):
            digests.append(digest)
        if len(digests) == left:
            return [digests]
        waiting = await self._claim(now, TOGETHER_AT_MOST, together=True)
        space = room(plan.policy.limit, [*sent, *[now] * len(digests)], len(waiting), now)
        messages, rest = divide(waiting, space.single)
        await self._give_back(rest)
        round_ = [*digests, *messages]
        return [round_] if round_ else []

    async def _give_back(self, rest: Sequence[Delivery]) -> None:
        if rest:
            await self._runtime.store.settle(
                [
                    Settlement(
                        one.key,
                        one.attempt,
                        "pending",
                        one.due,
                        one.note,
                        None,
                        untried=True,
                        message=one.message,
                    )
                    for one in rest
                ]
            )

    async def _claim(
        self, now: datetime, count: int, *, together: bool = False
    ) -> Sequence[Delivery]:
        """Claim until something may pass or nothing is left."""
        plan = self._plan
        while claimed := await self._runtime.store.claim(
            plan.name,
            now,
            lease=plan.lease,
            limit=count,
            together=together,
        ):
            if kept := await let_pass(plan, self._runtime, claimed, now, self._log):
                return kept
        return []

    async def _collect(self, now: datetime) -> Message:
        """Claim the next digest of which something may go out; empty if there is none."""
        plan = self._plan
        while claimed := await self._runtime.store.collect(plan.name, now, lease=plan.lease):
            if kept := await let_pass(plan, self._runtime, claimed, now, self._log):
                return kept
        return []


def _seconds(now: datetime, then: datetime) -> float:
    return min(LONGEST_WAIT, max(0.001, (then - now).total_seconds()))
