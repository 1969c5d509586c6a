"""Estimates of what each configured source will ask of its provider.

Rules: reads the store if it exists; sends no requests, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from watcher.config.model import Config, Source
from watcher.errors import Problem
from watcher.poller.request_plan import (
    Advice,
    RequestPlan,
    SharedBudget,
    advise_on_time,
    estimate,
    shared_budgets,
)
from watcher.settings.durations import format_duration
from watcher.store import Snapshots

__all__ = [
    "Measurements",
    "Overload",
    "SourceEstimate",
    "estimate_sources",
    "find_overloads",
    "foreseeable_overloads",
]


@dataclass(frozen=True, slots=True)
class Measurements:
    """What is known of an inbox, from its provider's first pages or from the store."""

    conversations: int | None = None
    """How many there are; None if that is unknown."""

    sets: Mapping[str, int] = field(default_factory=dict)
    """Members of the id sets, as far as they were counted."""

    capabilities: Mapping[str, object] = field(default_factory=dict)
    """Facts for `Provider.set_capabilities`."""

    seconds: float = 0.0
    """How long a request takes; 0 if that was not measured."""


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """What one source will ask for."""

    source: str
    provider: str

    plan: RequestPlan
    """What it asks for; `plan.priced` is False if its provider does not say what a walk costs."""

    share: SharedBudget
    """The request limit, with all sources that share it."""

    seconds: float = 0.0
    """How long a request takes; 0 if that was not measured."""


async def estimate_sources(
    config: Config, store: Snapshots | None, measured: Mapping[str, Measurements] | None = None
) -> tuple[SourceEstimate, ...]:
    """Estimate for every source from what was measured, else from what the store knows of it."""
    known = {source.name: Measurements() for source in config.sources} | dict(measured or {})
    for source in config.sources:
        if store is not None and known[source.name].conversations is None:
            stored = await _stored(store, source)
            known[source.name] = replace(stored, seconds=known[source.name].seconds)
    return _estimate(config, known)


def foreseeable_overloads(config: Config) -> tuple[Problem, ...]:
    """Return the intervals of polls that cannot be met however few conversations there are."""
    estimates = _estimate(config, {source.name: Measurements() for source in config.sources})
    overloads = (one for one in find_overloads(estimates) if one.key == "poll_every")
    return tuple(one.problem(config) for one in overloads)


def _estimate(config: Config, known: Mapping[str, Measurements]) -> tuple[SourceEstimate, ...]:
    plans = {source.name: _plan(source, known[source.name]) for source in config.sources}
    shares = {
        plan.source: share for share in shared_budgets(plans.values()) for plan in share.plans
    }
    return tuple(
        SourceEstimate(
            source.name,
            source.provider,
            plans[source.name],
            shares[source.name],
            known[source.name].seconds,
        )
        for source in config.sources
    )


async def _stored(store: Snapshots, source: Source) -> Measurements:
    state = await store.source(source.name)
    provider = source.provider_class(source.settings)
    if state is None or state.baselined is None or state.account != provider.account:
        return Measurements()
    present = await store.present_ids(source.name)
    sets: dict[str, int] = {
        name: len(await store.ids_in_set(source.name, name)) for name in provider.sets
    }
    return Measurements(len(present), sets, state.learned)


def _plan(source: Source, measured: Measurements) -> RequestPlan:
    provider = source.provider_class(source.settings)
    provider.set_capabilities(dict(measured.capabilities))
    return estimate(
        source.name,
        provider,
        poll_every=source.poll_every.total_seconds(),
        sweep_every=source.sweep_every.total_seconds(),
        conversations=measured.conversations,
        sets=measured.sets,
    )


@dataclass(frozen=True, slots=True)
class Overload:
    """An interval that cannot be met."""

    source: str
    key: str
    """`poll_every` or `sweep_every`."""

    reason: str
    remedy: str

    def problem(self, config: Config) -> Problem:
        """Return it as a problem at its place in the configuration."""
        place = config.places.of("sources", self.source, self.key)
        return place.problem(f"the source `{self.source}`: {self.reason}", self.remedy)


def find_overloads(estimates: Sequence[SourceEstimate]) -> Iterator[Overload]:
    """Yield the intervals that cannot be met: one for each request limit that is too small, else one
    for each source whose provider answers too slowly.
    """
    seen: set[str] = set()
    for each in estimates:
        share, advice = each.share, None
        if share.budget.key not in seen:
            seen.add(share.budget.key)
            advice = share.advice
        if advice is not None:
            usable = share.for_polls if advice.key == "poll_every" else share.for_all
            reason = (
                f"{advice.reason}, but only {math.floor(usable):,} are available;"
                " requests will be delayed to stay within the limit (visible as lag)"
            )
            yield Overload(advice.source, advice.key, reason, _remedy(advice))
        elif (slow := advise_on_time(each.plan, each.seconds)) is not None:
            yield Overload(slow.source, slow.key, slow.reason, _remedy(slow))


def _remedy(advice: Advice) -> str:
    if advice.seconds is None:
        return f"lengthen `poll_every` and `sweep_every` of `{advice.source}`"
    fits = format_duration(timedelta(seconds=advice.seconds))
    return f"`{advice.key}: {fits}` for `{advice.source}` would fit"
