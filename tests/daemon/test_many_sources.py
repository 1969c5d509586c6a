"""Ten thousand sources: what people and Prometheus read of them stays short, and costs what there is."""

from __future__ import annotations

from prometheus_client import generate_latest

from tests.bench.test_loading import calls
from watcher.errors import Problem, grouped
from watcher.metrics import MOST, Metrics
from watcher.poller.request_plan import RequestPlan, describe_plan, shared_budgets
from watcher.providers import Budget


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
