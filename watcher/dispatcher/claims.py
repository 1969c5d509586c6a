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

__all__ = ["AHEAD", "LONGEST_WAIT", "Claimer", "Message"]

Message = list[Delivery]
"""What goes out as one: a delivery, or several as a digest."""

LONGEST_WAIT = 60.0
"""Seconds after which the outbox is looked at again, whatever was or was not heard of it."""

AHEAD, OFTEN = 4, 3
"""How many deliveries for each slot are claimed of a backlog, and how many claims in a row show one."""

TOGETHER_AT_MOST = 500
TEXTS_AT_MOST = 700
"""How many deliveries are claimed at once for a receiver with a limit. A text names the first of them and
says how many there are; what is sent as data has all of them.
"""


class Claimer:
    """Chooses for one receiver."""

    def __init__(self, plan: ReceiverPlan, runtime: Runtime, log: Any) -> None:
        self._plan = plan
        self._runtime = runtime
        self._log = log
        self._looked = self._leased = runtime.clock()
        self._ahead: list[list[Delivery]] = []
        """Claimed for the slots that become free next, while there is a backlog: what is about one
        conversation together.
        """
        self._backlog = False
        self._claims = 0
        self._spread = False
        """Whether the digests of a backlog go out evenly rather than all at once: one costs as much
        as hundreds of other messages, which would wait for them.
        """

    @property
    def ahead(self) -> bool:
        """Whether something is claimed ahead."""
        return bool(self._ahead)

    async def rounds(
        self, state: ReceiverState, busy: int, unrecorded: int = 0
    ) -> list[list[Message]]:
        """Claim what may go out now, as rounds of messages: the rounds side by side, the messages
        of a round one after the other. `busy` is how many rounds are out, `unrecorded` how many messages
        were taken of which that is not recorded yet.

        A receiver with a limit gets one round: singles in their order, and what exceeds the limit
        as one digest. One that is paused gets a single message once its pause is over.
        """
        now = self._looked = self._runtime.clock()
        await self._renew(now, busy + unrecorded)
        free = self._plan.slots - busy
        if state.off or state.paused is not None:
            await self.put_back()
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
        return await self._free(now, free, busy + unrecorded)

    async def next_round(self, state: ReceiverState, out: int) -> list[Message]:
        """Return a round of what was claimed ahead, for a slot whose round is over; empty without one. So a
        backlog does not cost a look at the outbox, a task and a turn of the loop for each message.
        """
        if state.off or state.paused is not None:
            return []
        now = self._runtime.clock()
        while self._ahead:
            await self._renew(now, out)
            if not self._ahead:
                break
            run, self._ahead = self._ahead[0], self._ahead[1:]
            if kept := await let_pass(self._plan, self._runtime, run, now, self._log):
                return [[one] for one in kept]
        return []

    async def _renew(self, now: datetime, out: int) -> None:
        """Renew the leases of what is under way before the first of them can end. A timer's source
        may take minutes to answer, and the last message of a round waits for all before it.
        """
        lease = self._plan.lease
        if (out or self._ahead) and not timedelta(0) <= now - self._leased < lease / 2:
            await self._runtime.store.renew(self._plan.name, now + lease)
            self._leased = now
        elif not out:
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
            if (then := self._spread_until(sent, now)) is not None:
                return then
        return await self._runtime.store.next_due(self._plan.name, after=self._looked)

    async def _free(self, now: datetime, count: int, out: int) -> list[list[Message]]:
        """Claim up to `count` rounds of messages for a receiver without a limit."""
        rounds = await self._runs(now, count, out)
        while len(rounds) < count and (digest := await self._collect(now)):
            rounds.append([digest])
        return rounds

    async def _runs(self, now: datetime, count: int, out: int) -> list[list[Message]]:
        """Return up to `count` rounds of single messages that may go out. Of a backlog, more is claimed
        than there are free slots, and of a conversation what goes out one after the other, so that
        not every message costs a claim of its own; the guards are asked when a slot is free.
        """
        rounds: list[list[Message]] = []
        while len(rounds) < count:
            if not self._ahead:
                self._ahead = await self._claim_ahead(now, count - len(rounds), out + len(rounds))
                if not self._ahead:
                    break
            run, self._ahead = self._ahead[0], self._ahead[1:]
            if kept := await let_pass(self._plan, self._runtime, run, now, self._log):
                rounds.append([[one] for one in kept])
            if rounds and not self._ahead and not self._backlog:
                break
        return rounds

    async def _claim_ahead(self, now: datetime, free: int, out: int) -> list[list[Delivery]]:
        asked = self._plan.slots * AHEAD if self._backlog else free
        taken = await self._take(now, asked, together=True)
        if not taken and out:
            return []  # what waits may be about conversations of which something is out
        # What is claimed again and again may all be of one conversation.
        over = not taken or (self._backlog and len(taken) < asked)
        self._claims = 0 if over else self._claims + 1
        self._backlog = len(taken) == asked or self._claims >= OFTEN
        runs: dict[Any, list[Delivery]] = {}
        for one in taken:
            about = (one.event.source, one.event.subject) if one.ordered else one.key
            runs.setdefault(about, []).append(one)
        return list(runs.values())

    async def put_back(self) -> None:
        """Return to the outbox what was claimed ahead."""
        ahead, self._ahead = self._ahead, []
        self._backlog, self._claims = False, 0
        await self._give_back([one for run in ahead for one in run])

    async def _limited(self, now: datetime, *, probing: bool) -> list[list[Message]]:
        plan, store = self._plan, self._runtime.store
        assert plan.policy.limit is not None  # noqa: S101 - asked by the caller
        allowed, window = plan.policy.limit
        sent = await store.sent_since(plan.name, now - window)
        if room(plan.policy.limit, sent, 1, now).wait is not None:
            return []
        if probing:
            return await self._free(now, 1, 0)
        if self._spread_until(sent, now) is not None:
            return []
        left = allowed - sum(at > now - window for at in sent)
        digests: list[Message] = []
        # One place is kept for everything else: all of it fits into one more digest.
        while len(digests) < max(1, left - 1) and (digest := await self._collect(now)):
            digests.append(digest)
        if len(digests) == left:
            return [digests]
        most = TEXTS_AT_MOST if plan.notifier.text else TOGETHER_AT_MOST
        waiting = await self._together(now, most)
        self._spread = len(waiting) >= most
        space = room(plan.policy.limit, [*sent, *[now] * len(digests)], len(waiting), now)
        # Of a long backlog, every message that the limit leaves is a digest.
        messages, rest = divide(waiting, space.single if len(waiting) < most else 0)
        await self._give_back(rest)
        round_ = [*digests, *messages]
        return [round_] if round_ else []

    def _spread_until(self, sent: Sequence[datetime], now: datetime) -> datetime | None:
        """Return when the next digest of a backlog goes out, None if that is now."""
        limit, before = self._plan.policy.limit, [at for at in sent if at <= now]
        if not self._spread or limit is None or not before:
            return None
        then = max(before) + limit[1] / limit[0]
        return then if then > now else None

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

    async def _take(
        self, now: datetime, count: int, *, together: bool = False
    ) -> Sequence[Delivery]:
        plan = self._plan
        return await self._runtime.store.claim(
            plan.name, now, lease=plan.lease, limit=count, together=together
        )

    async def _together(self, now: datetime, most: int) -> Sequence[Delivery]:
        """Claim until something may pass or nothing is left."""
        while claimed := await self._take(now, most, together=True):
            if kept := await let_pass(self._plan, self._runtime, claimed, now, self._log):
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
