"""`check`: validate the configuration, and optionally the access to each provider.

Rules: changes nothing anywhere. All mistakes are reported at once, each with its place and remedy.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, MISUSED, Console
from watcher.cli.daemon_client import begin, reading
from watcher.cli.format import skew_words
from watcher.cli.preflight import obstacles
from watcher.clock import wall_clock
from watcher.config.load import inspect_files
from watcher.config.model import Config
from watcher.daemon.estimates import (
    Measurements,
    SourceEstimate,
    estimate_sources,
    find_overloads,
)
from watcher.daemon.open_files import foreseeable_shortage
from watcher.daemon.plans import plan_source
from watcher.daemon.receiver_probe import probe
from watcher.daemon.sizing import load_of, mib, needs_of, shortages
from watcher.errors import Problem, SourceError, SourceUnavailable, StoreError, grouped
from watcher.explain.values import format_count
from watcher.metrics import MotionName
from watcher.pipeline.capabilities import learn, told_version
from watcher.pipeline.clocks import ClockEvidence
from watcher.pipeline.poll import SET_PAGES
from watcher.poller import SourcePlan
from watcher.poller.request_plan import DAY
from watcher.poller.walks import (
    VERSION_WAIT,
    CheckWalk,
    Seen,
    SetWalk,
    ask_version,
    broken_plugin,
    follow,
)
from watcher.providers import Position
from watcher.records import Skew, TallyQuery
from watcher.secrets import Redactor
from watcher.settings.calendar import format_moment
from watcher.suggest import listing
from watcher.transport import Transport, prepare_loop

__all__ = ["register"]

DEADLINE = 30.0
"""Seconds that one provider gets to answer all of its check."""


SHOWN = 20
"""Sources that have a line of their own."""

LATELY = timedelta(days=7)
"""How far back events are counted."""

MOST_NAMES = 10
"""Names of a source's people that are listed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider answered. `error` is None if the token works; then `measured` is what its first
    pages show of the inbox. `limits` is what the server's version cannot tell, `skew` how far its clock is
    from ours.
    """

    source: str
    provider: str
    seconds: float
    error: SourceError | None
    measured: Measurements
    version: str | None = None
    limits: tuple[str, ...] = ()
    skew: Skew | None = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "check",
        cls=ConfiguredCommand,
        epilog="Example, for CI: inbox-watcher check --no-secrets --config rules/",
    )(check)


def check(
    ctx: typer.Context,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask each provider whether the token works.")
    ] = False,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Leave variables and secret files out.")
    ] = False,
) -> None:
    """Validate the configuration and report every mistake with file, line, column and remedy."""
    if online and no_secrets:
        raise typer.BadParameter("--online needs the secrets that --no-secrets leaves out")
    console: Console = ctx.obj
    loaded, problems, weak = _inspect(console, secrets=not no_secrets)
    for line in grouped(problems):
        console.note(line)
    if loaded is None or problems:
        console.error(f"{format_count(len(problems), 'mistake')} in the configuration")
        raise typer.Exit(MISUSED)
    # Where secrets are left out, it is another machine (CI) that looks.
    short = () if no_secrets else tuple(foreseeable_shortage(loaded))
    warnings = loaded.places.in_order(dict.fromkeys((*loaded.warnings, *weak)))
    for line in grouped((*warnings, *_over(loaded), *short)):
        console.note(f"warning: {line}")
    for source in [one for one in loaded.sources if one.people][:SHOWN]:
        console.write(f"{source.name} ({source.provider}): {_named(source.people)}")
    outcomes = anyio.run(_ask_all, loaded) if online else ()
    _show_outcomes(console, outcomes, loaded.redactor)
    estimates = _show_estimates(console, loaded, outcomes)
    _show_needs(console, loaded, estimates, here=not no_secrets)
    for number, rule in enumerate(loaded.rules, 1):
        console.write(f"rule {number}, {rule.name}: {rule.describe()}")
    for silence in loaded.silences:
        console.write(f"silence, {silence.name}: {silence.describe()}")
    in_the_way = () if no_secrets else tuple(obstacles(loaded))
    for cause, remedy in in_the_way:
        console.error(f"`run` would not start here: {cause}", remedy)
    refused = [outcome.source for outcome in outcomes if outcome.error]
    if refused:
        console.error(
            f"{len(refused)} of {format_count(len(outcomes), 'source')} cannot be read:"
            f" {listing(refused)}",
            "the lines above say why",
        )
    if in_the_way or refused:
        raise typer.Exit(FAILED)
    console.write(_summary(loaded))


def _inspect(
    console: Console, *, secrets: bool
) -> tuple[Config | None, tuple[Problem, ...], tuple[Problem, ...]]:
    """Return the configuration, None where it is wrong, all that is wrong, and what is weak in receivers.

    Each kind of receiver looks at its own. Without `secrets` none is looked at so closely, since its
    address may be left out.
    """
    inspection = inspect_files(console.asked.config, environ=os.environ, secrets=secrets)
    begin(console, inspection.config)
    if not secrets:
        every = inspection.problems
        return (None if every else inspection.config), every, ()
    seen = anyio.run(probe, inspection.receivers, inspection.places)
    every = inspection.places.in_order((*inspection.problems, *seen.problems))
    return (None if inspection.problems else inspection.config), every, seen.weak


def _show_estimates(
    console: Console, loaded: Config, outcomes: Sequence[Outcome]
) -> tuple[SourceEstimate, ...]:
    """Print how many requests each source will make, and warn of intervals that cannot be met; return it."""
    measured = {each.source: each.measured for each in outcomes if each.error is None}
    estimates = anyio.run(_estimate, loaded, measured)
    for each in estimates[:SHOWN]:
        console.write(_format_estimate(each))
    if rest := estimates[SHOWN:]:
        asked = sum(each.plan.hourly for each in rest)
        console.write(
            f"and {len(rest):,} more sources, which will use about {_about(asked)} an hour"
        )
    for line in grouped(one.problem(loaded) for one in find_overloads(estimates)):
        console.note(f"warning: {line}")
    return estimates


def _show_needs(
    console: Console, loaded: Config, estimates: Sequence[SourceEstimate], *, here: bool
) -> None:
    """Print what all of it takes of the machine, and warn of what does not suffice."""
    recorded = anyio.run(_changes, loaded)
    kept = loaded.retention.events.total_seconds() / DAY
    load = load_of([each.plan for each in estimates], changes=recorded, kept=kept)
    needs = needs_of(load)
    source = "as recorded" if recorded is not None else "as a guess"
    console.write(
        f"all sources: about {100 * needs.cpu:,.1f} % of a core, {mib(needs.memory)} of memory and"
        f" {mib(needs.disk)} of disk, for {load.conversations:,} conversations and {load.changes:,.0f}"
        f" events a day ({source})"
    )
    memory, disk = (_memory(), _disk(loaded)) if here else (None, None)
    for cause, remedy in shortages(needs, memory=memory, disk=disk):
        console.note(f"warning: {cause}: {remedy}")


async def _changes(loaded: Config) -> float | None:
    """Return how many events a day there were lately, None where none was recorded."""
    now = wall_clock()
    query = TallyQuery("sources", now - LATELY, now, step="day")
    try:
        async with reading(loaded.store) as store:
            found = await store.tallies(query)
    except StoreError:  # it does not exist yet, or `status` reports what is wrong with it
        return None
    days = {one.at for one in found}
    return sum(one.count for one in found) / len(days) if days else None


def _memory() -> float | None:
    """Return the machine's memory in bytes, as far as it tells."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return None


def _disk(loaded: Config) -> float | None:
    """Return how many bytes the store may come to where it is, as far as the disk tells."""
    store = loaded.store.absolute().path
    try:
        taken = store.stat().st_size if store.exists() else 0
        return shutil.disk_usage(store.parent).free + taken
    except OSError:  # the folder is missing: `obstacles` says so
        return None


async def _estimate(
    loaded: Config, measured: Mapping[str, Measurements]
) -> tuple[SourceEstimate, ...]:
    try:
        async with reading(loaded.store) as store:
            return await estimate_sources(loaded, store, measured)
    except StoreError:  # it does not exist yet, or `status` reports what is wrong with it
        return await estimate_sources(loaded, None, measured)


def _format_estimate(each: SourceEstimate) -> str:
    name = f"{each.source} ({each.provider})"
    plan, share = each.plan, each.share
    if not plan.priced:
        return f"{name}: unknown number of requests (the provider plug-in gives no estimate)"
    known = plan.conversations is not None
    rows = f"{plan.conversations or 0:,} conversations" if known else "every 1,000 conversations"
    text = (
        f"{name}: this source will use about {_about(plan.hourly)} of"
        f" {math.floor(share.allowed):,} requests an hour: {_about(plan.polls)} polls of {plan.poll},"
        f" {_about(plan.sweeps)} sweeps of {plan.sweep} for {rows}"
    )
    if others := share.others(each.source):
        more = len(share.plans) - 1 - len(others)
        rest = f" and {more:,} more" if more else ""
        text += f"; {_about(share.hourly)} with {', '.join(others)}{rest}, which share this limit"
    return text


def _about(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if number < 10 else f"{math.ceil(number):,}"


def _summary(loaded: Config) -> str:
    store = loaded.store.absolute()
    counted = (
        format_count(len(loaded.sources), "source"),
        format_count(len(loaded.receivers), "receiver"),
        format_count(len(loaded.rules), "rule"),
    )
    state = "the store is" if store.exists() else "the store will be"
    return f"ok: {', '.join(counted)}; {state} {store}"


def _named(people: Mapping[str, str]) -> str:
    """Return the names that a source's `people` has, up to a number."""
    names = sorted(people.values())
    more = len(names) - MOST_NAMES
    rest = f" and {more} more" if more > 0 else ""
    counted = "1 person" if len(names) == 1 else f"{len(names)} people"
    return f"names {counted} by id: {', '.join(names[:MOST_NAMES])}{rest}"


def _over(loaded: Config) -> tuple[Problem, ...]:
    """Return warnings about silences that have ended."""
    now = wall_clock()
    return tuple(
        loaded.places.of_silence(one.name).problem(
            f"the silence `{one.name}` ended on {format_moment(one.ends, one.timezone)}",
            "remove it, or give it a later `until`",
        )
        for one in loaded.silences
        if one.ends is not None and one.ends <= now
    )


async def _ask_all(loaded: Config) -> tuple[Outcome, ...]:
    """Ask all providers at once; the outcomes are in the order of the configuration."""
    prepare_loop()
    outcomes: dict[str, Outcome] = {}

    async def ask(plan: SourcePlan) -> None:
        started = time.monotonic()
        visit = _Visit(plan)
        error = await _ask(visit)
        took = time.monotonic() - started
        outcomes[plan.name] = Outcome(
            plan.name,
            plan.provider_name,
            took,
            error,
            visit.measured(took),
            visit.version,
            plan.provider.limits,
            visit.clock.skew,
        )

    async with (
        Transport(wall_clock, addresses=loaded.network.addresses) as transport,
        anyio.create_task_group() as tasks,
    ):
        for source in loaded.sources:
            tasks.start_soon(ask, plan_source(source, transport, 0, 1))
    return tuple(outcomes[source.name] for source in loaded.sources)


class _Visit:
    """A look at one provider: its own check, then how large its id sets are."""

    def __init__(self, plan: SourcePlan) -> None:
        self._plan = plan
        self._capabilities: Mapping[str, Any] = {}
        self.clock = ClockEvidence()
        self._total: int | None = None
        self._sets: dict[str, int] = {}
        self._requests = 0

    def measured(self, took: float) -> Measurements:
        """Return what the pages showed; `took` is how many seconds they took in total."""
        each = took / self._requests if self._requests else 0.0
        return Measurements(self._total, self._sets, self._capabilities, each)

    @property
    def version(self) -> str | None:
        """The server's version, as far as it told one."""
        return told_version(self._capabilities)

    async def make(self) -> None:
        """Ask for the version, walk the check to its end, then the id sets as far as polls would;
        raises SourceError.
        """
        provider = self._plan.provider
        with anyio.move_on_after(VERSION_WAIT):
            await ask_version(provider, self._fetch)
        check = CheckWalk(provider)
        await follow(check, self._fetch)
        self._total = check.total
        for name in provider.sets:
            members = SetWalk(provider, name, most=SET_PAGES + 1)
            await follow(members, self._fetch)
            self._sets[name] = len(members.ids)

    async def _fetch(self, position: Position, *, urgent: bool, motion: MotionName) -> Seen:
        provider = self._plan.provider
        try:
            response = await self._plan.send(provider.request(position), urgent=urgent)
            self._requests += 1
            page = provider.parse(position, response)
            self.clock.hear(page, response)
        except SourceError:
            raise
        except Exception as error:
            raise broken_plugin(error) from error
        self._capabilities = learn(self._capabilities, page.capabilities)
        provider.set_capabilities(self._capabilities)
        return Seen(page, response)


async def _ask(visit: _Visit) -> SourceError | None:
    """Visit a provider; gives what stood in the way."""
    try:
        with anyio.fail_after(DEADLINE):
            await visit.make()
    except TimeoutError:
        return SourceUnavailable(
            f"no complete answer within {DEADLINE:.0f} s", "try again, or look at base_url"
        )
    except SourceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything, in `start`, too
        return broken_plugin(error)
    return None


def _show_outcomes(console: Console, outcomes: Sequence[Outcome], redactor: Redactor) -> None:
    """Print what providers answered, refusals first where there are many."""
    shown = sorted(outcomes, key=lambda one: one.error is None) if outcomes[SHOWN:] else outcomes
    for outcome in shown[:SHOWN]:
        _show(console, outcome, redactor)
    if rest := shown[SHOWN:]:
        refused = sum(one.error is not None for one in rest)
        console.write(f"and {len(rest):,} more sources, {refused:,} of which cannot be read")


def _show(console: Console, outcome: Outcome, redactor: Redactor) -> None:
    name = f"{outcome.source} ({outcome.provider})"
    if outcome.error is None:
        version = f"; version {outcome.version}" if outcome.version else ""
        console.write(f"{name}: ok, {outcome.seconds:.1f} s{version}", "green")
        for limit in outcome.limits:
            console.write(f"{name}: version {outcome.version}: {limit}")
        if words := skew_words(outcome.skew):
            console.write(f"{name}: {words}", "yellow")
        return
    remedy = f" ({outcome.error.remedy})" if outcome.error.remedy else ""
    console.write(f"{name}: {redactor.scrub(outcome.error.reason)}{remedy}", "red")
