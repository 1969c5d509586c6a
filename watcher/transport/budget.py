"""Who may send when: published request limits, kept from our side.

Rules: knows no HTTP. Time is the event loop's (`anyio.current_time`), so that virtual time works.
A limit is spread over its window (`watcher.transport.pace`). Polls and look-ups (*urgent*) go before
sweeps; within a class it is first come, first served, and since a source has one request in flight,
that is turn by turn among sources.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from watcher.clock import loop_time
from watcher.errors import SourceUnavailable
from watcher.providers import Budget, Quota
from watcher.transport.pace import Pace

__all__ = ["Admission", "Budgets"]

AGED = 60.0
"""Seconds (at least one window) after which a sweep's request waits in line with the polls:
polls alone may use up a budget, and sweeps are what the watcher's promises rest on."""

TICK = 0.001
"""Seconds; the shortest wait, since a loop may wake us a rounding error too early."""

LONGEST_RESET = 3_600.0
"""Seconds for which "nothing is left" is believed; then one request asks again. (HighLevel's day of
200,000 requests has no time of reset: there a quarter of an hour is waited.)
"""

PATIENCE = 60.0
"""Seconds that are waited in silence for a used-up quota; a longer wait is reported to the caller."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """One caller in line. `turn`, which it makes when it waits, is set when it may have become the first."""

    urgent: bool
    arrived: float
    turn: anyio.Event | None = None


@dataclass(slots=True)
class _Gate:
    """The line in front of one budget.

    `left` is what the server said
    remains until `resets` (loop time), less what was admitted since; None where it said nothing.
    `open` counts requests that were admitted and have no answer yet.
    """

    pace: Pace = field(default_factory=Pace)
    urgent: deque[_Ticket] = field(default_factory=deque)
    patient: deque[_Ticket] = field(default_factory=deque)
    left: int | None = None
    resets: float = 0.0
    open: int = 0
    waited: float = 0.0

    def first(self, budget: Budget, now: float) -> _Ticket | None:
        """Return the ticket whose turn is next; an aged sweep counts as urgent."""
        if not self.patient:
            return self.urgent[0] if self.urgent else None
        patient = self.patient[0]
        if not self.urgent:
            return patient
        urgent = self.urgent[0]
        aged = _aged(patient, budget, now)
        return patient if aged and patient.arrived <= urgent.arrived else urgent

    def opens(self, ticket: _Ticket, budget: Budget, now: float) -> float:
        """Return the earliest loop time at which `ticket` may go, if nothing else happens."""
        if now >= self.resets:
            self.left = None
        first_class = ticket.urgent or _aged(ticket, budget, now)
        at = self.pace.opens(budget, now, urgent=first_class)
        if self.left is not None:
            floor = 0 if first_class else int(budget.requests * Budget.RESERVE)
            if self.left <= floor:
                at = max(at, self.resets)
        if not first_class:
            at = min(at, max(now, ticket.arrived + max(AGED, budget.per)))
        return at

    def admit(self, budget: Budget, now: float) -> None:
        """Note that a request goes out."""
        self.pace.admit(budget, now)
        self.open += 1
        if self.left is not None:
            self.left -= 1

    def learn(self, admission: Admission, budget: Budget, now: float) -> None:
        """Note what an answer shows of what the server allows."""
        if admission.refused is False:
            self.pace.answer(budget, now)
        elif admission.refused and self._counts(admission.quota, budget, now):
            self.pace.refuse(budget, now)

    def _counts(self, quota: Quota | None, budget: Budget, now: float) -> bool:
        """Return whether a refusal is a matter of the window, and the first of those under way."""
        return quota is not None and quota.resets <= 2 * budget.per and now >= self.resets

    def wake(self, budget: Budget, now: float) -> None:
        """Have the first in line look again."""
        ticket = self.first(budget, now)
        if ticket is not None and ticket.turn is not None:
            ticket.turn.set()


def _aged(ticket: _Ticket, budget: Budget, now: float) -> bool:
    return now >= ticket.arrived + max(AGED, budget.per)  # exactly as `opens` adds it up


class Admission:
    """The right to send one request; report the answer's quota to it, where there is one."""

    __slots__ = ("quota", "refused")

    def __init__(self) -> None:
        self.quota: Quota | None = None
        self.refused: bool | None = None

    def report(self, quota: Quota | None, *, refused: bool = False) -> None:
        """Record what the answer's headers say about the budget, and whether the answer is that there
        were too many requests.
        """
        self.quota, self.refused = quota, refused


class Budgets:
    """All budgets of the process, by `Budget.key`."""

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}

    @property
    def waited(self) -> Mapping[str, float]:
        """Seconds that requests have waited for admission so far, by budget key."""
        return {key: gate.waited for key, gate in self._gates.items()}

    @property
    def left(self) -> Mapping[str, int]:
        """What servers said remains, less what was admitted since, by the key of those that said it."""
        now = loop_time()
        return {
            key: gate.left
            for key, gate in self._gates.items()
            if gate.left is not None and now < gate.resets
        }

    @asynccontextmanager
    async def admitted(self, budget: Budget, *, urgent: bool) -> AsyncIterator[Admission]:
        """Wait for the right to send one request, which lasts as long as the block.

        Never are more than `budget.requests` let through in any `budget.per` seconds, and no more than
        a few at once.
        Raises SourceUnavailable (with `retry_after`) where the provider has said that nothing
        is left for longer than a minute.
        """
        gate = self._gates.setdefault(budget.key, _Gate())
        await self._wait(gate, budget, urgent)
        admission = Admission()
        try:
            yield admission
        finally:
            gate.open -= 1
            quota, now = admission.quota, loop_time()
            gate.learn(admission, budget, now)
            if quota is not None:
                # Requests under way may or may not be counted in what the server reported: assume not.
                gate.left = max(0, quota.remaining) - gate.open
                gate.resets = now + min(max(0.0, quota.resets), LONGEST_RESET)
                gate.wake(budget, now)

    async def _wait(self, gate: _Gate, budget: Budget, urgent: bool) -> None:
        arrived = loop_time()
        ticket = _Ticket(urgent, arrived)
        # Nearly always nobody waits.
        if not (gate.urgent or gate.patient) and gate.opens(ticket, budget, arrived) <= arrived:
            gate.admit(budget, arrived)
            return
        line = gate.urgent if urgent else gate.patient
        line.append(ticket)
        try:
            while True:
                now = loop_time()
                is_first = gate.first(budget, now) is ticket
                opens = gate.opens(ticket, budget, now) if is_first else float("inf")
                if opens <= now:
                    gate.admit(budget, now)
                    return
                if is_first and gate.left is not None and gate.left <= 0:
                    _refuse_long_wait(gate.resets - now)
                if not is_first:
                    gate.wake(budget, now)  # a sweep that came of age meanwhile has not noticed
                ticket.turn = anyio.Event()
                with anyio.move_on_after(max(TICK, opens - now)):
                    await ticket.turn.wait()
        finally:
            line.remove(ticket)
            now = loop_time()
            gate.waited += now - arrived
            gate.wake(budget, now)


def _refuse_long_wait(seconds: float) -> None:
    if seconds > PATIENCE:
        raise SourceUnavailable(
            f"the provider's request quota is used up for another {seconds:.0f} s",
            "poll less often, or find what else uses the same quota",
            retry_after=seconds,
            reached=False,
        )
