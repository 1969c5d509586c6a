"""What the configured sources will ask of their providers, in words.

Law: reads the store where there is one; asks nobody, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from watcher.cli.daemon_client import reading
from watcher.config import Config, Source
from watcher.errors import StoreError
from watcher.poller.request_plan import (
    Advice,
    RequestPlan,
    SharedBudget,
    advise_on_time,
    estimate,
    shared_budgets,
)
from watcher.settings.values import format_duration
from watcher.store import Store

__all__ = [
    "Measurements",
    "SourceEstimate",
    "estimate_sources",
    "find_overloads",
    "format_estimate",
]


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a provider's first pages told: conversations and members of the id sets (as far as they
    were counted), facts for `Provider.set_capabilities`, and seconds per request.
    """

    conversations: int | None = None
    sets: Mapping[str, int] = field(default_factory=dict)
    capabilities: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """What each source will ask for; `demand` is None where its provider does not say."""

    source: str
    provider: str
    demand: RequestPlan | None
    share: SharedBudget | None = None
    seconds: float = 0.0


async def estimate_sources(
    loaded: Config, measured: Mapping[str, Measurements] | None = None
) -> tuple[SourceEstimate, ...]:
    """Reckon for every source, from what was measured, else from what the store knows of it."""
    told = dict(measured or {})
    try:
        async with reading(loaded.store) as store:
            for source in loaded.sources:
                known = told.get(source.name) or Measurements()
                if known.conversations is None:
                    remembered = await _remembered(store, source)
                    told[source.name] = replace(remembered, seconds=known.seconds)
    except StoreError:
        pass  # there is none yet; if one is broken, `status` says so: here it only gives numbers
    demands = {
        source.name: _reckon(source, told.get(source.name) or Measurements())
        for source in loaded.sources
    }
    sharing = {
        demand.source: share
        for share in shared_budgets(demand for demand in demands.values() if demand is not None)
        for demand in share.plans
    }
    return tuple(
        SourceEstimate(
            source.name,
            source.provider,
            demands[source.name],
            sharing.get(source.name),
            (told.get(source.name) or Measurements()).seconds,
        )
        for source in loaded.sources
    )


async def _remembered(store: Store, source: Source) -> Measurements:
    state = await store.source(source.name)
    provider = source.provider_class(source.settings)
    if state is None or state.baselined is None or state.account != provider.account:
        return Measurements()
    present = await store.present_ids(source.name)
    sets: dict[str, int] = {
        name: len(await store.ids_in_set(source.name, name)) for name in provider.sets
    }
    return Measurements(len(present), sets, state.learned)


def _reckon(source: Source, measured: Measurements) -> RequestPlan | None:
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


def format_estimate(plan: SourceEstimate) -> str:
    """Say in one line what a source will ask for."""
    name = f"{plan.source} ({plan.provider})"
    demand, share = plan.demand, plan.share
    if demand is None or share is None:
        return (
            f"{name}: how many requests it will make is unknown, the provider plug-in does not say"
        )
    known = demand.conversations is not None
    rows = f"{demand.conversations or 0:,}" if known else "each 1,000"
    text = (
        f"{name}: this source will use about {_count(demand.hourly)} of {math.floor(share.allowed):,}"
        f" requests an hour: {_count(demand.polls)} polls of {demand.poll},"
        f" {_count(demand.sweeps)} sweeps of {demand.sweep} for {rows} conversations"
    )
    others = [one.source for one in share.plans if one.source != plan.source]
    if others:
        text += f"; with {', '.join(others)}, which share this limit, {_count(share.hourly)}"
    return text


def find_overloads(plans: Sequence[SourceEstimate]) -> Iterable[tuple[str, str, str, str]]:
    """Give source, interval, problem and remedy wherever an interval cannot be met."""
    seen: set[str] = set()
    for plan in plans:
        if plan.demand is None or plan.share is None:
            continue
        share, advice = plan.share, None
        if share.budget.key not in seen:
            seen.add(share.budget.key)
            advice = share.advise()
        if advice is not None:
            usable = share.for_polls if advice.key == "poll_every" else share.for_all
            reason = f"{advice.reason}, the provider leaves {math.floor(usable):,} for them"
            yield (
                advice.source,
                advice.key,
                f"{reason}: its limit wins, the delay shows as lag",
                (_remedy(advice)),
            )
        elif (slow := advise_on_time(plan.demand, plan.seconds)) is not None:
            yield slow.source, slow.key, slow.reason, _remedy(slow)


def _remedy(advice: Advice) -> str:
    if advice.seconds is None:
        return f"lengthen `poll_every` and `sweep_every` of `{advice.source}`"
    fits = format_duration(timedelta(seconds=advice.seconds))
    return f"`{advice.key}: {fits}` for `{advice.source}` would fit"


def _count(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if number < 10 else f"{math.ceil(number):,}"
