"""Ten thousand sources: what people and Prometheus read of them stays short, and costs what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx  # noqa: TID251 - a client over ASGI
import pytest
from prometheus_client import generate_latest

from tests.bench.test_loading import calls
from tests.support.virtual_time import VirtualClock
from watcher.daemon.pass_report import PassReport
from watcher.errors import Problem, grouped
from watcher.metrics import MOST, Metrics
from watcher.poller import Network
from watcher.poller.request_plan import RequestPlan, describe_plan, shared_budgets
from watcher.providers import Budget
from watcher.runtime import Runtime
from watcher.store.memory import MemoryStore
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


def of_many(sources: int) -> tuple[int, int]:
    """Return the lines of `/metrics` and those that name a source."""
    metrics = Metrics()
    for number in range(sources):
        name = f"loc-{number}"
        metrics.requests.labels(name, "ok").inc(2)
        metrics.events.labels(name, "conversation.created").inc()
        for gauge in (metrics.failing, metrics.held, metrics.stale, metrics.conversations):
            gauge.labels(name).set(0)
        metrics.lag.labels(name).set(number % 60)
    metrics.failing.labels(f"loc-{sources - 1}").set(1)
    text = generate_latest(metrics.registry).decode()
    assert f'watcher_source_failing{{source="loc-{sources - 1}"}} 1.0' in text
    asked = [line for line in text.splitlines() if line.startswith("watcher_requests_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in asked) == 2 * sources
    lines = text.splitlines()
    return len(lines), sum('source="loc-' in line for line in lines)


def test_every_source_has_its_series_up_to_a_number() -> None:
    assert of_many(50)[1] == 9 * 50  # counters have two lines each


def test_metrics_are_bounded_and_show_the_worst() -> None:
    lines, named = of_many(10_000)
    assert named == 5 * MOST
    assert lines < 10_000


def test_sources_that_share_a_limit_are_reckoned_once() -> None:
    budget = Budget("one", requests=60, per=60.0)

    def describe(count: int) -> None:
        plans = [RequestPlan(f"loc-{n}", budget, 30.0, 900.0, 100, 1, 4) for n in range(count)]
        (shared,) = shared_budgets(plans)
        told = [describe_plan(plan.source, shared) for plan in plans]
        assert all(one and len(one["shared_with"]) <= 25 for one in told)

    assert calls(lambda: describe(800)) / calls(lambda: describe(200)) < 4.2


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
    app = create_app(lambda: looks(stale, waiting), Metrics().registry)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(f"/readyz{query}")
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["ready"]) == (status, status == 200)
    assert body["sources"] == {"all": 10_000, "waiting": waiting, "stale": stale}
    assert body["stale"] == [f"loc-{stale - 1 - n}" for n in range(min(20, stale))]
    assert len(body["waiting"]) == min(20, waiting)
    assert len(answer.content) < 1000


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
