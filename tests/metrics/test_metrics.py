"""What Prometheus reads: bounded however many sources there are, whole from the start, and true."""

from __future__ import annotations

import contextlib
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx  # noqa: TID251 - a client over ASGI
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.bench.loading import write
from tests.support.scraped import scraped
from watcher.catalogue.events import EVENT_TYPES
from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.daemon import Daemon
from watcher.metrics import ATTEMPTS, ENDS, GUARDS, Metrics
from watcher.metrics.series import Distribution
from watcher.metrics.sources import COUNTED, NEXT, SERIES, STATES, Glance, chosen, counted
from watcher.standing import WORST
from watcher.store.memory import MemoryStore
from watcher.transport import Transport
from watcher.web import counted as counting
from watcher.web import create_app, naming

FORBIDDEN = {
    "conversation",
    "subject",
    "contact",
    "url",
    "event",
    "id",
    "error",
    "text",
    "account",
    "path",
}
"""Labels that grow without bound, or tell what people write."""


def glance(source: str, standing: str = "ok", **changed: Any) -> Glance:
    return Glance(source, "chatwoot", standing, 1.0, None, None)._replace(**changed)


@contextlib.asynccontextmanager
async def daemon_of(folder: Path, sources: int) -> AsyncIterator[Daemon]:
    """Yield a daemon with so many sources, which does not run."""
    config = load([folder], environ=write(folder, sources))
    async with Transport(wall_clock) as transport:
        yield Daemon(config, store=MemoryStore(), transport=transport)


# Bounds


async def test_ten_thousand_sources_are_a_page_of_a_megabyte_at_most(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 10_000) as daemon:
        text = (await daemon.scrape.text()).decode()
        assert len(text.splitlines()) <= 10_000
        assert len(text) <= 1_000_000
        whole = (await daemon.scrape.text(every=True)).decode()
    assert whole.count("inbox_watcher_source_info{") == 10_000
    assert text.count("inbox_watcher_source_info{") <= 500 + NEXT
    states = [line for line in text.splitlines() if line.startswith("inbox_watcher_sources{")]
    assert sum(float(line.split()[-1]) for line in states) == 10_000


def test_sources_that_do_not_stand_well_come_first_then_those_that_are_next() -> None:
    many = [glance(f"loc-{number}") for number in range(600)]
    many[7] = glance("slow", "stale")
    many[8] = glance("bad", "failing")
    many[9] = glance("waits", waiting=datetime(2026, 1, 1, tzinfo=UTC))
    many[10] = glance("scarce", quota=3)
    assert chosen(many, 500) == ["bad", "slow", "waits", "scarce"]
    assert len(chosen(many, 600)) == 600
    assert chosen(many, 0) == ()
    failing = [glance(f"loc-{n}", "failing", lag=n, quota=n) for n in range(600)]
    assert chosen(failing, 500)[0] == "loc-599"
    assert len(chosen(failing, 500)) <= 500 + NEXT
    assert {one.labels["state"]: one.value for one in counted(many).samples} == {
        "ok": 598, "starting": 0, "late": 1, "failing": 1, "held": 0,
    }  # fmt: skip


def test_every_way_to_stand_is_counted() -> None:
    assert STATES.keys() == {*WORST}
    assert {*STATES.values()} == {*COUNTED}


def test_nothing_is_kept_of_a_source_in_the_series() -> None:
    metrics = Metrics()

    def watch(sources: int) -> int:
        gc.collect()
        tracemalloc.start()
        kept = [metrics.of_provider("chatwoot", EVENT_TYPES) for _ in range(sources)]
        for one in kept:
            one.answered("poll", 0.2)
            one.rows.inc(25)
            one.polls.inc()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    watch(10)
    assert watch(10_000) < 10_000 * 100  # a reference in a list


# From the start


async def test_all_that_is_known_of_labels_is_there_before_anything_happens(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 3) as daemon:
        found = await scraped(daemon)
        (receiver,) = daemon.dispatchers
        rules = [rule.name for rule in daemon.config.rules]
    assert {one["outcome"] for one in found.labels("delivery_attempts_total")} == {*ATTEMPTS}
    assert {one["state"] for one in found.labels("deliveries_total")} == {*ENDS}
    assert {one["why"] for one in found.labels("deliveries_guarded_total")} == {*GUARDS}
    assert found.of("deliveries_total", receiver=receiver, state="dead") == 0
    assert {one["rule"] for one in found.labels("rule_errors_total")} == {*rules}
    assert {one["rule"] for one in found.labels("rule_matches_total")} == {*rules}
    (provider,) = {one["provider"] for one in found.labels("events_total")}
    assert {one["type"] for one in found.labels("events_total")} == {*EVENT_TYPES}
    assert found.of("polls_total", provider=provider, outcome="failed") == 0
    reasons = {one["reason"] for one in found.labels("deliveries_pending")}
    assert reasons == {"due", "retry", "timer", "digest", "hours", "order", "paused", "off"}
    assert found.of("config_last_reload_successful") == 1
    assert found.sum("build_info") == 1


def test_rules_and_receivers_that_go_take_their_series_with_them() -> None:
    metrics = Metrics()
    metrics.keep_rules(["old", "kept"])
    metrics.condition_failed("kept", "it does not work")
    metrics.of_receiver("crm", "webhook").attempts["ok"].inc()
    metrics.keep_rules(["kept", "new"])
    metrics.forget_receiver("crm")
    text = generate_latest(metrics.registry).decode()
    assert 'rule="old"' not in text
    assert 'receiver="crm"' not in text
    assert 'inbox_watcher_rule_errors_total{rule="kept"} 1.0' in text
    assert 'inbox_watcher_rule_errors_total{rule="new"} 0.0' in text


async def test_there_are_no_labels_that_grow_and_no_times_of_creation(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 3) as daemon:
        text = (await daemon.scrape.text()).decode()
    found = [*text_string_to_metric_families(text)]
    own = [one for one in found if one.name.startswith("inbox_watcher_")]
    assert len(own) > 50
    for family in own:
        for sample in family.samples:
            assert not FORBIDDEN & sample.labels.keys(), sample
    assert "_created" not in text
    assert {"process_resident_memory_bytes", "python_info"} <= {one.name for one in found}


# Numbers


def test_a_distribution_counts_what_is_not_beyond_its_bounds() -> None:
    one = Distribution((1, 5))
    for value in (0, 1, 1.5, 5, 7):
        one.observe(value)
    assert [*one.buckets()] == [("1.0", 2), ("5.0", 4), ("+Inf", 5)]
    assert one.sum == 14.5


def test_series_say_what_their_kind_says() -> None:
    names = {name for _kind, name, _text, _read in SERIES}
    assert len(names) == len(SERIES)
    for series in Metrics().registry.collect():
        for sample in series.samples:
            ending = sample.name.removeprefix(series.name)
            allowed = {"counter": {"_total"}, "histogram": {"_bucket", "_count", "_sum"}}
            assert ending in allowed.get(series.type, {""})


async def hello(_request: Request) -> Response:
    return Response("hello")


def copying(app: ASGIApp) -> ASGIApp:
    """Return an application before which something adds to the scope, as signing in does."""

    async def add(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "who": "somebody"}, receive, send)

    return add


async def test_our_own_answers_are_counted_by_route_not_by_address() -> None:
    metrics = Metrics()

    async def scrape(*, every: bool) -> bytes:
        return json.dumps(every).encode()

    inner = Starlette(routes=[Route("/events/{id}", hello)])
    outer = create_app(lambda: (), scrape, pages=[Mount("/", copying(naming(inner)))])
    app = counting(naming(outer), metrics)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        assert (await client.get("/metrics?sources=all")).content == b"true"
        assert (await client.get("/metrics")).content == b"false"
        for number in range(3):
            await client.get(f"/events/secret-{number}")
        for path in ("/a", "/b", "/secret-token"):
            await client.get(path)
    text = generate_latest(metrics.registry).decode()
    assert 'inbox_watcher_http_requests_total{code="200",route="/metrics"} 2.0' in text
    assert 'inbox_watcher_http_requests_total{code="404",route="other"} 3.0' in text
    assert 'inbox_watcher_http_requests_total{code="200",route="/events/{id}"} 3.0' in text
    assert "secret" not in text


@pytest.mark.parametrize("name", ["process_cpu_seconds_total", "python_gc_collections_total"])
def test_the_process_is_told(name: str) -> None:
    text = generate_latest(Metrics().registry).decode()
    assert f"\n{name}" in text
