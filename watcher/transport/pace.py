"""How fast requests may follow each other: a limit spread over its window, with a small burst.

Rules: pure, times are arguments. The generic cell rate algorithm: a few requests may go at once, then
one every `interval`, so that never more than the limit fall into any window. A request never waits for
a window to pass, and whoever shares a limit goes turn by turn.

A server may allow less than it publishes, or share what it allows among more callers than us. When it
refuses a request for their number, as many are sent as it answered before, less a little; then, window by
window, more are tried. A refusal among a few answers is not for their number.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace

from watcher.providers import Budget

__all__ = ["Pace"]

FEW = 20
"""Answers in a window below which a refusal says nothing of how many a server allows us: others, or
something else, are its cause.
"""

LESS = 0.95
"""Share of what a server answered before it refused that is sent from then on."""

MORE = 1.25
"""How much more is tried a window later, far below what was refused."""

STEP = 0.005
"""Share of what was refused by which more is tried a window later, near to that: each refusal costs
everybody the rest of a window, so one in some twenty windows must do.
"""

NEAR = 1.05
"""How far beyond what was refused once a limit shows that the server allows more by now."""


@dataclass(slots=True)
class Pace:
    """When the next request of one budget may go."""

    full: float = -math.inf
    """When the whole burst is available again."""

    found: float | None = None
    """Requests in a window that a server seems to allow; None where it has refused none."""

    refused: float = math.inf
    """Requests in a window at which it refused one."""

    tried: float = 0.0
    """When `found` was last changed."""

    answered: deque[float] = field(default_factory=deque)
    """When it answered in the last window without a refusal."""

    def opens(self, budget: Budget, now: float, *, urgent: bool) -> float:
        """Return the earliest time for the next request; one that is not urgent leaves half of the burst
        to those that are.
        """
        limit = self._limit(budget, now)
        kept = 0 if urgent else limit.burst // 2
        return max(now, self.full - (limit.burst - 1 - kept) * limit.interval)

    def admit(self, budget: Budget, now: float) -> None:
        """Note that a request goes."""
        self.full = max(self.full, now) + self._limit(budget, now).interval

    def answer(self, budget: Budget, now: float) -> None:
        """Note an answer that is no refusal."""
        self._forget(budget, now)
        if len(self.answered) < budget.requests:
            self.answered.append(now)

    def refuse(self, budget: Budget, now: float) -> None:
        """Note that the server refused a request because there were too many."""
        self._forget(budget, now)
        if len(self.answered) < FEW:
            return
        self.refused = min(len(self.answered), self.found or math.inf)
        self.found, self.tried = self.refused * LESS, now

    def _forget(self, budget: Budget, now: float) -> None:
        while self.answered and self.answered[0] + budget.per <= now:
            self.answered.popleft()

    def _limit(self, budget: Budget, now: float) -> Budget:
        """Return what may be sent: what is published, or what the server seems to allow."""
        while self.found is not None and self.tried + budget.per <= now:
            self.tried += budget.per
            self._try_more(budget)
        return budget if self.found is None else replace(budget, requests=math.ceil(self.found))

    def _try_more(self, budget: Budget) -> None:
        """Allow more after a window: a quarter more far below what was refused, near to it a little."""
        found = self.found or 1.0
        far = found * MORE <= self.refused
        found = found * MORE if far else found + max(0.1, self.refused * STEP)
        if found > self.refused * NEAR:
            self.refused = math.inf
        self.found = None if found >= budget.requests else found
