"""Ten thousand sources: what people and Prometheus read of them stays short, and costs what there is."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx  # noqa: TID251 - a client over ASGI
import pytest

from tests.bench.loading import write
from tests.support.steps import async_steps, steps
from tests.support.virtual_time import VirtualClock
from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.config.model import Config
from watcher.daemon import Daemon
from watcher.daemon.pass_report import PassReport
from watcher.daemon.reload import Reloading
from watcher.daemon.slices import SLICE
from watcher.errors import Problem, grouped
from watcher.poller import Network
from watcher.poller.request_plan import RequestPlan, describe_plan, shared_budgets
from watcher.providers import Budget
from watcher.records import Trouble
from watcher.runtime import Runtime
from watcher.standing import standings, worst
from watcher.store.memory import MemoryStore
from watcher.transport import Transport
from watcher.web import Freshness, create_app


def problems(count: int) -> list[Problem]:
    return [
        Problem("a.yaml", 4 * n + 1, 3, f"the source `loc-{n}` is slow", "wait")
        for n in range(count)
    ]


def test_problems_that_are_alike_are_told_twice_and_counted() -> None:
    other = Problem("a.yaml", 2, 1, "no rule is configured", "add `rules:`")
    lines = [*grouped([*problems(10_000), other])]
    assert lines == [
        "a.yaml:1:3: the source `loc-0` is slow (wait)",
        "a.yaml:5:3: the source `loc-1` is slow (wait)",
        "a.yaml: and 9,998 more like it, up to line 39997",
        str(other),
    ]


def test_a_few_problems_are_all_told() -> None:
    assert [*grouped(problems(10))] == [str(one) for one in problems(10)]


def configured(folder: Path, sources: int) -> Config:
    folder.mkdir(exist_ok=True)
    return load([folder], environ=write(folder, sources))


@contextlib.asynccontextmanager
async def daemon_of(folder: Path, sources: int) -> AsyncIterator[Daemon]:
    """Yield a daemon with so many sources, which does not run."""
    config = configured(folder, sources)
    async with Transport(wall_clock) as transport:
        daemon = Daemon(config, store=MemoryStore(), transport=transport, receivers=())
        for name in daemon.pollers:
            budget = Budget(name, requests=60, per=60.0)
            async with transport._budgets.admitted(budget, urgent=True):
                pass  # as a request leaves it
        yield daemon


async def counted_over(tmp_path: Path, work: Callable[[Daemon], Awaitable[Any]]) -> float:
    """Return how much more steps some work takes with four times the sources."""
    counts = []
    for sources in (100, 400):
        async with daemon_of(tmp_path / str(sources), sources) as daemon:
            counts.append(await async_steps(lambda daemon=daemon: work(daemon)))  # type: ignore[misc]
    return counts[1] / counts[0]


async def test_what_sources_ask_for_is_measured_in_proportion(tmp_path: Path) -> None:
    assert await counted_over(tmp_path, lambda daemon: daemon.scrape.read(every=True)) < 4.4


@pytest.mark.parametrize("most", [20, None])
async def test_a_status_takes_work_in_proportion(tmp_path: Path, most: int | None) -> None:
    assert await counted_over(tmp_path, lambda daemon: daemon.status(None, most)) < 4.4


async def test_a_reload_that_removes_sources_takes_work_in_proportion(tmp_path: Path) -> None:
    async def reload(daemon: Daemon) -> None:
        kept = dataclasses.replace(daemon.config, sources=daemon.config.sources[:10])
        told = await Reloading(daemon, lambda: kept).reload()
        assert told["sources"].startswith("removed loc-10, ")
        assert len(daemon.pollers) == 10

    assert await counted_over(tmp_path, reload) < 4.6


async def test_the_loop_turns_while_many_sources_are_looked_at(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 4 * SLICE) as daemon:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        for work, least in ((daemon.status, 8), (daemon.scrape.read, 4)):
            before = turns
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(turn)
                await work()
                tasks.cancel_scope.cancel()
            assert turns - before >= least


async def test_a_status_shows_the_worst_and_counts_the_rest(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 600) as daemon:
        failing = Trouble(wall_clock(), "the token is refused", "make a new one")
        for name in ("loc-7", "loc-599"):
            session = daemon.pollers[name].session
            session.state = dataclasses.replace(session.state, failing=failing)
        told = await daemon.status(most=20)
        assert [one["source"] for one in told["sources"][:2]] == ["loc-7", "loc-599"]
        assert len(told["sources"]) == 20
        assert told["standing"] == {"failing": 2, "no baseline": 598}
        assert len(json.dumps(told)) < 30_000
        told = await daemon.status(["loc-3", "gone"])
        assert [one["source"] for one in told["sources"]] == ["loc-3"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ["ok"]),
        ({"failing": True, "stale": True}, ["failing"]),
        ({"held": True}, ["held"]),
        ({"failing": True, "held": True, "baselined": False}, ["failing", "held", "no baseline"]),
        ({"stale": True}, ["stale"]),
        ({"stale": True, "looked": False}, ["starting"]),
        ({"baselined": False, "stale": True}, ["no baseline"]),
    ],
)
def test_how_a_source_stands(facts: dict[str, bool], expected: list[str]) -> None:
    well = {
        "failing": False,
        "held": False,
        "baselined": True,
        "stale": False,
        "looked": True,
    }
    assert standings(**{**well, **facts}) == expected


def test_the_worst_come_first_and_those_read_longest_ago() -> None:
    sources = {"a": ("ok", 9.0), "b": ("stale", 70.0), "c": ("failing", 1.0), "d": ("stale", 90.0)}
    assert worst(sources, 3) == ["c", "d", "b"]
    assert worst(sources, 4) == worst(sources, None) == ["a", "b", "c", "d"]  # all, in their order


def test_sources_that_share_a_limit_are_reckoned_once() -> None:
    budget = Budget("one", requests=60, per=60.0)

    def describe(count: int) -> None:
        plans = [RequestPlan(f"loc-{n}", budget, 30.0, 900.0, 100, 1, 4) for n in range(count)]
        (shared,) = shared_budgets(plans)
        told = [describe_plan(plan.source, shared) for plan in plans]
        assert all(one and len(one["shared_with"]) <= 25 for one in told)

    assert steps(lambda: describe(800)) / steps(lambda: describe(200)) < 4.2


def test_advice_for_many_that_share_a_limit_is_found_in_proportion() -> None:
    budget = Budget("one", requests=60, per=60.0)

    def advise(count: int) -> None:
        plans = [RequestPlan(f"loc-{n}", budget, 30.0, 900.0, 100, 1, 4) for n in range(count)]
        (shared,) = shared_budgets(plans)
        assert shared.advice is not None

    assert steps(lambda: advise(1600)) / steps(lambda: advise(400)) < 4.2


def looks(stale: int, waiting: int = 0) -> Iterator[Freshness]:
    """Yield how lately ten thousand sources were read, the last of them longest ago."""
    for number in range(10_000):
        lag = 100.0 + number if number < stale else 1.0
        yield Freshness(f"loc-{number}", number >= waiting, number < stale, lag)


@pytest.mark.parametrize(
    ("stale", "waiting", "query", "status"),
    [
        (0, 0, "", 200), (0, 0, "?strict", 200), (1, 0, "?strict", 503),
        (9_999, 0, "", 200), (10_000, 0, "", 503), (10_000, 10_000, "", 503), (1, 1, "", 503),
    ],
)  # fmt: skip
async def test_readyz_counts_the_sources_and_names_the_worst(
    stale: int, waiting: int, query: str, status: int
) -> None:
    app = create_app(lambda: looks(stale, waiting), nothing)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(f"/readyz{query}")
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["ready"]) == (status, status == 200)
    assert body["sources"] == {"all": 10_000, "waiting": waiting, "stale": stale}
    assert body["stale"] == [f"loc-{stale - 1 - n}" for n in range(min(20, stale))]
    assert len(body["waiting"]) == min(20, waiting)
    assert len(answer.content) < 1000


async def nothing(*, every: bool) -> bytes:
    return b""


def network_of(sources: int) -> tuple[Network, Counter[str]]:
    """Return a network of so many sources, and how often each was asked to try at once."""
    network, asked = Network(Runtime(store=MemoryStore(), clock=VirtualClock())), Counter[str]()
    for number in range(sources):
        name = f"loc-{number}"
        network.join(name, lambda name=name: asked.update([name]))  # type: ignore[misc]
    return network, asked


async def test_one_source_that_does_not_connect_has_a_few_others_try() -> None:
    network, asked = network_of(10_000)
    await network.unreachable("loc-5")
    assert sum(asked.values()) == 4
    for name in list(asked):
        await network.reachable(name)
    await network.unreachable("loc-5")  # it still fails: that is no news
    assert sum(asked.values()) == 4
    assert not network.failing


async def test_a_dead_network_is_known_when_each_source_has_tried_once() -> None:
    network, asked = network_of(2_000)
    failed = ["loc-0"]
    await network.unreachable("loc-0")
    rounds = 0
    while fresh := [name for name in asked if name not in set(failed)]:
        rounds += 1
        for name in fresh:
            assert not network.failing
            await network.unreachable(name)
        failed += fresh
    assert network.failing
    assert set(asked.values()) == {1}
    assert rounds <= 6


def test_a_pass_in_which_all_sources_fail_is_a_line_of_bounded_length() -> None:
    unread = {f"loc-{number:05}": "the provider refused the token" for number in range(10_000)}
    line = PassReport(10_000, unread, events=0, delivered=0, failed=0, troubled={}).describe()
    assert line.startswith("0 sources read, not loc-00000: the provider refused the token, ")
    assert " and 9975 more; 0 events" in line
    assert len(line) < 2000
