"""Everything that a seed decides: sources, intervals, weather, deaths, clocks, receivers.

Rules: pure. Each topic has a chance of its own (`chance`), so that one more draw in one place changes
nothing elsewhere. Times are seconds from the beginning of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from watcher.simulator.versions import NEWEST, Version

__all__ = ["DAY", "Plan", "SourcePlan", "Turn", "Window", "chance", "draw"]

DAY = 86_400.0

LONG = 2.0
"""Days above which sources are asked half as often, and half as much happens at them: what a day
costs is its requests and its events."""

ERRORS = (
    "refuse", "reset", "hang", "slow", "http_400", "http_401", "http_403", "http_404", "http_408",
    "http_429", "http_500", "http_502", "http_503", "http_504", "wait_429", "wait_503",
    "html_200", "html_502", "cut", "garbage", "nothing", "wrong_shape", "late",
)  # fmt: skip
"""Requests that fail."""

LIES = ("empty", "shuffled", "twice", "drop")
"""Listings that are whole and wrong."""

LASTING = (
    "refuse", "reset", "hang", "slow", "http_401", "http_403", "http_429", "http_500", "http_502",
    "http_503", "wait_429", "wait_503", "html_200", "html_502", "cut", "nothing", "wrong_shape",
    "late", "empty", "shuffled", "drop", "keys", "paging",
)  # fmt: skip
"""What may last for hours."""

VERSIONS: tuple[Version, ...] = (
    NEWEST, NEWEST, NEWEST, (4, 13, 0), (4, 9, 0), (4, 0, 2), (3, 16, 0), (3, 5, 0), (3, 3, 0), (2, 16, 0),
)  # fmt: skip
"""Chatwoot's: each has something that the one before it has not."""

UNCAPPED_BEFORE: Version = (3, 0, 0)
"""Nobody goes back behind this version: a count that was capped would rise by nothing but that."""

CLOCKS = (0.0, 0.0, 0.0, 0.0, 90.0, -600.0, 3600.0, -40_000.0, DAY, -DAY)
"""Seconds by which a server's clock is ahead."""

KEYS = {
    "highlevel": ("unreadCount", "tags", "starred"),
    "leadping": ("isUnread", "email"),
    "chatwoot": ("unread_count", "labels", "status", "priority"),
}
FIELDS = {
    "unreadCount": ("unread", "unread_count"),
    "unread_count": ("unread", "unread_count"),
    "isUnread": ("unread",),
    "tags": ("labels",),
    "labels": ("labels",),
    "status": ("status", "archived"),
    "priority": ("priority",),
    "starred": ("attributes",),
    "email": ("contact",),
}
"""Raw keys that may vanish from all rows, and what they show. Keys that a provider leaves out when
there is nothing are not among them: a single row without such a key is believed."""


@dataclass(frozen=True, slots=True)
class Window:
    """What lasts from `start` to `end`; `source` None: for all of them at once."""

    start: float
    end: float
    kind: str
    source: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the configuration at a time: taken up by the running daemon (`live`), or by the
    next one.
    """

    at: float
    kind: str
    live: bool


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One source: the account it watches, its pace, and how its provider behaves."""

    name: str
    provider: str
    rows: int
    poll_every: float
    sweep_every: float
    page_size: int
    latency: tuple[float, float]
    changes: float
    errors: float
    lies: float
    index_delay: float = 0.0
    options: dict[str, object] = field(default_factory=dict)
    clock_off: float = 0.0
    date: Literal["server", "proxy", "none"] = "server"
    versions: tuple[tuple[float, Version], ...] = ((0.0, NEWEST),)
    rendering: float = 0.0
    commit_lag: float = 0.0

    def version_at(self, at: float) -> Version:
        """Return what its Chatwoot runs at a time."""
        return [version for since, version in self.versions if since <= at][-1]

    @property
    def late(self) -> float:
        """Seconds by which a change may show later than it is made, whenever it is asked for."""
        return self.index_delay + self.commit_lag

    @property
    def kind(self) -> str:
        """The server behind it."""
        return "highlevel" if self.provider == "leadway" else self.provider

    @property
    def pages_of(self) -> int:
        """Rows of a page; Chatwoot's are not ours to choose."""
        return 25 if self.kind == "chatwoot" else self.page_size


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run. `deaths` are mean seconds between kills (0: none), `jumps` are (time, seconds)
    by which our wall clock moves.
    """

    seed: int
    seconds: float
    sources: tuple[SourcePlan, ...]
    windows: tuple[Window, ...]
    deaths: float
    jumps: tuple[tuple[float, float], ...]
    skew: float
    receiver_windows: tuple[Window, ...]
    receiver_errors: float
    receiver_refuses: float
    turns: tuple[Turn, ...]
    rotations: tuple[tuple[float, str, float], ...]
    broken: tuple[Window, ...]
    timers: bool


def chance(seed: int, topic: str) -> Random:
    """Return the chance of one topic."""
    return Random(f"{seed}/{topic}")


def draw(seed: int, days: float) -> Plan:
    """Draw a run of so many days from a seed."""
    rng = chance(seed, "plan")
    seconds = days * DAY
    count = rng.choice((1, 1, 2, 2, 3))
    names = ("sales", "support", "leads")[:count]
    stormy = rng.choice((0.0, 0.4, 1.0, 1.0))
    sources = tuple(
        _served(_shaped(_source(rng, name, count, stormy), seed), seed, seconds) for name in names
    )
    if days > LONG:
        sources = tuple(_calmed(source) for source in sources)
    windows = tuple(_windows(rng, sources, seconds, stormy))
    plan = Plan(
        seed=seed,
        seconds=seconds,
        sources=sources,
        windows=windows,
        deaths=rng.choice((0.0, 3, 8, 24, 24)) * 3600,
        jumps=tuple(_jumps(rng, seconds)),
        skew=rng.choice((0.0, 0.0, 0.0, 0.0, 40.0, -40.0, 600.0, -3600.0, 3600.0, 7200.0)),
        receiver_windows=tuple(_receiver(rng, seconds)),
        receiver_errors=rng.choice((0.0, 0.02, 0.2)),
        receiver_refuses=chance(seed, "refusals").choice((0.0, 0.0, 0.02, 0.1)),
        turns=tuple(_turns(rng, seconds, chance(seed, "live turns"))),
        rotations=tuple(_rotations(rng, names, seconds)),
        broken=tuple(_broken(rng, sources, seconds)),
        timers=rng.random() < 0.6,
    )
    return replace(plan, sources=tuple(_within_a_day(plan, source) for source in sources))


def _within_a_day(plan: Plan, source: SourcePlan) -> SourcePlan:
    """Keep a server's clock within a day of ours, whatever ours does."""
    most = DAY - abs(plan.skew) - sum(abs(size) for _, size in plan.jumps)
    return replace(source, clock_off=max(-most, min(most, source.clock_off)))


def _source(rng: Random, name: str, count: int, stormy: float) -> SourcePlan:
    provider = rng.choice(
        ("highlevel", "leadping", "chatwoot", "highlevel", "leadping", "chatwoot", "leadway")
    )
    kind = "highlevel" if provider == "leadway" else provider
    paces = (600, 900, 1500) if kind == "highlevel" else (240, 480, 900)
    poll = rng.choice(paces) * (1 + count) / 2  # so that a day costs the same for all
    sweep = max(poll, rng.choice((1800, 2700, 3600, 3600, 7200, 10_800)))
    page_size = rng.choice((10, 20, 50))
    if kind == "highlevel" and page_size == 10:
        sweep *= 2  # many pages, each way
    slow = rng.choice((0.0, 0.2, 2.0, 12.0))
    options: dict[str, object] = {}
    if kind == "leadping":
        options = {
            "short_pages": rng.random() < 0.3,
            "empty_pages": rng.choice((0, 0, 3)),
            "deleted_lead": rng.choice(("404", "deletedAt")),
            "archive_filter": rng.choice(("both", "names")),
            "time_digits": rng.choice((3, 7)),
        }
    elif kind == "chatwoot":
        options = {"swap_ties": rng.random() < 0.3}
    return SourcePlan(
        name=name,
        provider=provider,
        rows=rng.choice((0, 2, 12, 20, 30, 60)),
        poll_every=poll,
        sweep_every=sweep,
        page_size=page_size,
        latency=(0.05, 0.1 + slow),
        changes=rng.choice((20, 100, 250)) / DAY,
        errors=stormy * rng.choice((0.0, 0.01, 0.05, 0.2)),
        lies=stormy * rng.choice((0.0, 0.0, 0.02, 0.1)),
        index_delay=rng.choice((0.0, 0.0, 3.0, 20.0)) if kind == "highlevel" else 0.0,
        options=options,
    )


def _shaped(source: SourcePlan, seed: int) -> SourcePlan:
    """Let some busy providers take so long that several polls go between the pages of a sweep, and
    at some be told by polls, which fail now and then, what a sweep would tell much later.
    """
    luck, leadping = chance(seed, f"shape {source.name}").random(), source.kind == "leadping"
    if luck < (0.2 if leadping else 0.1):
        return replace(
            source,
            rows=max(source.rows, 30 if leadping else 12),
            page_size=5 if leadping else source.page_size,
            latency=(10.0, 45.0),
            poll_every=240.0,
            sweep_every=1800.0 if leadping else 5400.0,
            changes=250 / DAY,
        )
    if luck > (0.7 if source.kind == "chatwoot" else 0.85):
        return replace(
            source,
            poll_every=600.0,
            sweep_every=10_800.0,
            changes=250 / DAY,
            errors=max(source.errors, 0.1),
            lies=0.0,
        )
    return source


def _served(source: SourcePlan, seed: int, seconds: float) -> SourcePlan:
    """Give the server a clock, a way to answer, and (Chatwoot) versions, the later ones under way."""
    rng = chance(seed, f"server {source.name}")
    off, date = rng.choice(CLOCKS), rng.choice(("server", "server", "proxy", "none", "none"))
    versions = [(0.0, NEWEST)]
    if source.kind == "chatwoot":
        versions = [(0.0, rng.choice(VERSIONS))]
        for at in sorted(rng.random() * seconds for _ in range(rng.choice((0, 0, 1, 2)))):
            low = min(versions[-1][1], UNCAPPED_BEFORE)
            others = [one for one in VERSIONS if one >= low and one != versions[-1][1]]
            versions.append((at, rng.choice(others)))
    return replace(
        source,
        clock_off=off,
        date=date,
        versions=tuple(versions),
        rendering=rng.choice((0.0, 0.3, 0.8, 1.5)),
        commit_lag=rng.choice((0.0, 0.0, 2.0, 5.0, 25.0)),
    )


def _calmed(source: SourcePlan) -> SourcePlan:
    return replace(
        source,
        poll_every=2 * source.poll_every,
        sweep_every=min(2 * source.sweep_every, 14_400.0),
        changes=source.changes / 2,
    )


def _windows(
    rng: Random, sources: tuple[SourcePlan, ...], seconds: float, stormy: float
) -> list[Window]:
    found = []
    for source in sources:
        at = rng.expovariate(1 / DAY) * 0.5
        while at < seconds and stormy:
            length = min(rng.lognormvariate(7.5, 1.3), DAY)
            kind = rng.choice(LASTING)
            key = rng.choice(KEYS[source.kind]) if kind == "keys" else ""
            found.append(Window(at, at + length, kind, source.name, key))
            at += length + rng.expovariate(stormy / (0.6 * DAY))
    at = rng.expovariate(1 / (2 * DAY))
    while at < seconds and stormy:
        length = min(rng.lognormvariate(7, 1.2), DAY)
        found.append(Window(at, at + length, rng.choice(("refuse", "refuse", "hang", "reset"))))
        at += length + rng.expovariate(1 / (2 * DAY))
    return found


def _jumps(rng: Random, seconds: float) -> list[tuple[float, float]]:
    if rng.random() < 0.6:
        return []
    sizes = (-7200.0, -3600.0, -300.0, -30.0, -7.0, 7.0, 30.0, 300.0, 3600.0, 10_000.0)
    return sorted((rng.random() * seconds, rng.choice(sizes)) for _ in range(rng.randint(1, 4)))


def _receiver(rng: Random, seconds: float) -> list[Window]:
    found = []
    kinds = ("refuse", "http_500", "http_429", "hang", "dies", "http_410", "wait_503", "lost")
    at = rng.expovariate(1 / DAY)
    while at < seconds:
        length = min(rng.lognormvariate(7, 1.5), DAY)
        found.append(Window(at, at + length, rng.choice(kinds), rng.choice(("crm", "team", None))))
        at += length + rng.expovariate(1 / DAY)
    return found


def _turns(rng: Random, seconds: float, live: Random) -> list[Turn]:
    if rng.random() < 0.4:
        return []
    kinds = ("pace", "rules", "mapping", "account", "mapping", "account")
    drawn = sorted((rng.random() * seconds, rng.choice(kinds)) for _ in range(rng.randint(1, 4)))
    return [Turn(at, kind, live.random() < 0.6) for at, kind in drawn]


def _rotations(
    rng: Random, names: tuple[str, ...], seconds: float
) -> list[tuple[float, str, float]]:
    if rng.random() < 0.5:
        return []
    return sorted(
        (rng.random() * seconds, rng.choice(names), rng.choice((0.0, 60.0, 3600.0)))
        for _ in range(rng.randint(1, 3))
    )


def _broken(rng: Random, sources: tuple[SourcePlan, ...], seconds: float) -> list[Window]:
    """Chatwoot's half-deleted contacts: every page with such a row answers 500."""
    found = []
    for source in sources:
        if source.kind == "chatwoot" and rng.random() < 0.3:
            at = rng.random() * seconds
            found.append(Window(at, at + rng.lognormvariate(9, 1), "orphan", source.name))
    return found
