"""What sources ask of their providers in an hour, beforehand, and whether that fits the budget.

Rules: pure. The figures are those of a quiet inbox: a change that only an id set shows costs one
look-up more, a burst of activity further pages of a poll.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from watcher.pipeline.poll import SET_PAGES
from watcher.providers import Budget, Provider

__all__ = [
    "Advice",
    "RequestPlan",
    "SharedBudget",
    "advise_on_time",
    "describe_plan",
    "estimate",
    "shared_budgets",
]

NAMED = 25
"""Sources that are named as those that share a limit; thousands may."""

HOUR = 3600.0
DAY = 86_400.0

UNKNOWN = 1000
"""Conversations that are assumed where their number is not known."""

BUSY = 0.9
"""Share of its time that a source may spend waiting for answers: it has one request under way."""

STEPS = tuple(
    float(step * unit)
    for unit, steps in (
        (1, (1, 2, 5, 10, 15, 20, 30)),
        (60, (1, 2, 5, 10, 15, 20, 30)),
        (3600, (1, 2, 3, 4, 6, 8, 12, 24)),
    )
    for step in steps
)
"""Intervals that are advised, instead of values like `sweep_every: 17m23s`."""


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """What one source asks for."""

    source: str
    """The source's name."""

    budget: Budget
    """The limit that its requests count against."""

    poll_every: float
    """Seconds between two polls."""

    sweep_every: float
    """Seconds between two sweeps."""

    conversations: int | None
    """Its conversations; None where their number is not known: then the figures are for 1,000."""

    poll: int
    """Requests of a poll, id sets included."""

    sweep: int
    """Requests of a sweep's walk."""

    about: int = 0
    """Requests before a sweep: the one that asks for the server's version."""

    priced: bool = True
    """Whether the provider says what walks cost. If not, each counts as one request, the least that
    it can be.
    """

    @property
    def sweeps(self) -> float:
        """Sweeps in an hour."""
        return HOUR / self.sweep_every

    @property
    def polls(self) -> float:
        """Polls in an hour. One follows each sweep at once, and the next is counted from there; the
        one that is due when a sweep begins goes between its pages, where it has several.
        """
        ratio = self.sweep_every / self.poll_every
        return self.sweeps * (math.floor(ratio) + 1 if self.sweep > 1 else math.ceil(ratio))

    @property
    def polling(self) -> float:
        """Requests of an hour's polls."""
        return self.polls * self.poll

    @property
    def hourly(self) -> float:
        """Requests of an hour."""
        return self.polling + self.sweeping

    @property
    def sweeping(self) -> float:
        """Requests of an hour's sweeps."""
        return self.sweeps * (self.about + self.sweep)

    def to_plain(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return {
            "conversations": self.conversations,
            "polls_per_hour": round(self.polls, 1),
            "requests_per_poll": self.poll,
            "sweeps_per_hour": round(self.sweeps, 2),
            "requests_per_sweep": self.about + self.sweep,
            "requests_per_hour": math.ceil(self.hourly),
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """That the intervals ask for too much, and what would fit."""

    source: str
    """The source whose interval is to be longer."""

    key: str
    """The setting: `poll_every` or `sweep_every`."""

    reason: str
    """What is too much."""

    seconds: float | None
    """The interval that would fit; None where that alone does not help."""


@dataclass(frozen=True)
class SharedBudget:
    """Sources that share a budget. What is asked for each of thousands is reckoned once."""

    budget: Budget
    plans: tuple[RequestPlan, ...]

    @cached_property
    def hourly(self) -> float:
        """Requests that they ask for in an hour, together."""
        return sum(plan.hourly for plan in self.plans)

    def of(self, source: str) -> RequestPlan:
        """Return one source's plan; raise KeyError where it has none here."""
        return self._by_source[source]

    def others(self, source: str) -> tuple[str, ...]:
        """Return the first of those that a source shares it with."""
        first = (plan.source for plan in self.plans[: NAMED + 1])
        return tuple(one for one in first if one != source)[:NAMED]

    @cached_property
    def _by_source(self) -> Mapping[str, RequestPlan]:
        return {plan.source: plan for plan in self.plans}

    @property
    def allowed(self) -> float:
        """Requests that the provider allows in an hour."""
        return min(self._spread, self._daily)

    @property
    def _spread(self) -> float:
        return self.budget.requests * HOUR / self.budget.per

    @property
    def _daily(self) -> float:
        daily = self.budget.daily
        return math.inf if daily is None else daily * HOUR / DAY

    @property
    def for_polls(self) -> float:
        """The part that polls may use: what the limit lets through when it is spread over its window."""
        return min(HOUR / self.budget.interval, self._daily)

    @property
    def for_all(self) -> float:
        """The part that polls and sweeps together may use: sweeps leave some of it to the polls."""
        return min(self._spread * Budget.SAFETY * (1 - Budget.RESERVE), self._daily)

    @cached_property
    def polling(self) -> float:
        """Requests of an hour's polls, together."""
        return sum(plan.polling for plan in self.plans)

    @cached_property
    def advice(self) -> Advice | None:
        """What does not fit, None where everything does."""
        if self.polling > self.for_polls:
            most = max(self.plans, key=lambda plan: plan.polling)
            room = self.for_polls - (self.polling - most.polling)
            reason = f"polls alone ask for {_about(self.polling)} requests an hour"
            slower = _first_that(most, "poll_every", lambda other: other.polling <= room)
            return Advice(most.source, "poll_every", reason, slower)
        if self.hourly > self.for_all:
            most = max(self.plans, key=lambda plan: plan.sweeping)
            room = self.for_all - (self.hourly - most.hourly)
            reason = f"polls and sweeps ask for {_about(self.hourly)} requests an hour"
            slower = _first_that(most, "sweep_every", lambda other: other.hourly <= room)
            return Advice(most.source, "sweep_every", reason, slower)
        return None


def describe_plan(source: str, shared: SharedBudget | None) -> dict[str, Any] | None:
    """Return a source's plan as plain JSON, with the sources that it shares its budget with; None
    where its provider does not say what walks cost.
    """
    plan = shared.of(source) if shared is not None else None
    if shared is None or plan is None or not plan.priced:
        return None
    return {
        **plan.to_plain(),
        "budget_per_hour": math.floor(shared.allowed),
        "asked_together": math.ceil(shared.hourly),
        "sharing": len(shared.plans),
        "shared_with": list(shared.others(source)),
        "fits": shared.advice is None,
    }


def estimate(
    source: str,
    provider: Provider,
    *,
    poll_every: float,
    sweep_every: float,
    conversations: int | None,
    sets: Mapping[str, int],
) -> RequestPlan:
    """Return what a source asks for.

    `sets` is how many conversations each id set has, as far as known; others count as small.
    A set that is too large to be polled is tried once after each sweep.
    """
    rows = UNKNOWN if conversations is None else conversations
    poll, sweep = provider.cost(0) or 1, provider.cost(rows) or 1
    for name in provider.sets:
        pages = provider.cost(sets.get(name, 0)) or 1
        if pages <= SET_PAGES:
            poll += pages
        else:
            sweep += SET_PAGES
    priced = provider.cost(0) is not None
    about = int(provider.about is not None)
    return RequestPlan(
        source, provider.budget, poll_every, sweep_every, conversations, poll, sweep, about, priced
    )


def shared_budgets(plans: Iterable[RequestPlan]) -> tuple[SharedBudget, ...]:
    """Group the sources that share a budget; the narrowest of their limits counts."""
    by_key: dict[str, list[RequestPlan]] = {}
    for plan in plans:
        by_key.setdefault(plan.budget.key, []).append(plan)
    return tuple(
        SharedBudget(
            min((one.budget for one in sharing), key=lambda b: b.requests / b.per), tuple(sharing)
        )
        for sharing in by_key.values()
    )


def advise_on_time(plan: RequestPlan, seconds: float) -> Advice | None:
    """Return advice where answers that take `seconds` each are too slow for the intervals; None
    where they are quick enough. A source has one request under way at a time.
    """
    room = BUSY * HOUR / seconds if seconds > 0 else math.inf
    if plan.hourly <= room:
        return None
    reason = (
        f"{_about(plan.hourly)} requests an hour, one after the other, take longer than that when"
        f" each takes {seconds:.1f} s"
    )
    for key in ("sweep_every", "poll_every"):
        slower = _first_that(plan, key, lambda changed: changed.hourly <= room)
        if slower is not None:
            return Advice(plan.source, key, reason, slower)
    return Advice(plan.source, "poll_every", reason, None)


def _first_that(plan: RequestPlan, key: str, fits: Callable[[RequestPlan], bool]) -> float | None:
    """Return the shortest usual interval, longer than the present one, that fits."""
    for step in STEPS:
        if step <= (plan.poll_every if key == "poll_every" else plan.sweep_every):
            continue
        changed = (
            replace(plan, poll_every=step, sweep_every=max(step, plan.sweep_every))
            if key == "poll_every"
            else replace(plan, sweep_every=step)
        )
        if fits(changed):
            return step
    return None


def _about(number: float) -> str:
    return f"about {math.ceil(number):,}"
