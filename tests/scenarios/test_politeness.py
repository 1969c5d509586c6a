"""Limits are everybody's who shares them, pauses grow, and what fails or hangs is seen to."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import httpx  # noqa: TID251 - a client of the daemon's own server
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from tests.support.scraped import scraped
from watcher import web
from watcher.simulator import faults


def troubles(harness: Harness) -> list[str]:
    """The types of events about the watcher itself, baselines left aside."""
    return [kind for kind in harness.inbox.own if kind != "source.baselined"]


def pauses(harness: Harness, kind: str, since: datetime) -> list[float]:
    """The seconds between requests to a provider from then on."""
    times = [since, *(seen.at for seen in harness.faults[kind].log if seen.at >= since)]
    return [(b - a).total_seconds() for a, b in pairwise(times)]


# Limits


@pytest.mark.parametrize(
    ("provider", "wish", "least"),
    [("leadping", 40, 40), ("highlevel", None, 10), ("highlevel", 25, 25), ("chatwoot", 45, 45)],
)
async def test_a_429_makes_everybody_wait_who_shares_the_limit(
    harness: Harness, provider: str, wish: float | None, least: float
) -> None:
    harness.poll_every = "3s"
    account = harness.watch(provider, "one", "1", conversations=5)
    harness.watch_again(provider, "two", account)
    async with harness.running():
        await harness.baseline()
        number = len(harness.faults[provider].log) + 1
        harness.faults[provider].plan(faults.status(429, wish), faults.requests(number))
        await anyio.sleep(120)
        refused = harness.faults[provider].log[number - 1].at
        after = harness.faults[provider].log[number].at
    assert after - refused >= timedelta(seconds=least)
    assert troubles(harness) == []


async def test_half_of_chatwoots_minute_is_waited_where_it_tells_no_time(harness: Harness) -> None:
    harness.poll_every = "3s"
    for number in ("1", "2"):
        harness.watch("chatwoot", f"s{number}", number, conversations=5)
    async with harness.running():
        await harness.baseline()
        number = len(harness.faults["chatwoot"].log) + 1
        harness.faults["chatwoot"].plan(faults.status(429), faults.requests(number))
        await anyio.sleep(120)
        refused, after = (
            seen.at for seen in harness.faults["chatwoot"].log[number - 1 : number + 1]
        )
    assert after - refused >= timedelta(seconds=30)


@pytest.mark.parametrize("code", [500, 503])
async def test_pauses_double_and_end_below_two_polls(harness: Harness, code: int) -> None:
    harness.poll_every, harness.sweep_every = "1m", "6h"
    harness.watch("leadping", "sales", "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(90)
        harness.faults["leadping"].plan(faults.status(code))
        began = harness.clock()
        await anyio.sleep(1800)
    told = pauses(harness, "leadping", began)[1:]
    for expected, pause in zip((30, 30, 30, 40, 80), told, strict=False):
        assert expected * 0.9 <= pause <= expected * 1.1 + 0.01
    assert all(120 * 0.9 <= pause <= 120 * 1.1 + 0.01 for pause in told[5:])
    assert len(set(told[5:])) > 3, "each pause is a little different"


async def test_many_sources_do_not_come_back_at_once(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "1m", "6h"
    account = harness.watch("leadping", "s0", "1", conversations=2)
    for number in range(1, 8):
        harness.watch_again("leadping", f"s{number}", account)
    async with harness.running():
        await harness.baseline()
        harness.faults["leadping"].plan(faults.status(503))
        await anyio.sleep(3600)
        last = [seen.at for seen in harness.faults["leadping"].log][-8:]
    assert max(last) - min(last) > timedelta(seconds=10)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("code", [429, 503, 401])
async def test_a_provider_that_is_down_is_not_asked_more_than_one_that_works(
    harness: Harness, provider: str, code: int
) -> None:
    harness.watch(provider, "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        log = harness.faults[provider].log
        before = len(log)
        await anyio.sleep(1800)
        well = len(log) - before
        harness.faults[provider].plan(faults.status(code))
        before = len(log)
        await anyio.sleep(1800)
        down = len(log) - before
    assert 0 < down <= 2 * well


# Our own network


def unresolved(_seen: Any) -> bool:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def refused(_seen: Any) -> bool:
    raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize("trouble", [unresolved, refused])
async def test_failures_that_trickle_in_are_one_failure_of_our_network(
    harness: Harness, trouble: Any
) -> None:
    """One source is polled every ten seconds, the next every minute, the last every ten minutes."""
    harness.sweep_every = "1h"
    for provider, harness.poll_every in zip(PROVIDERS, ("10s", "1m", "10m"), strict=True):
        harness.watch(provider, provider, "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(700)
        for provider in PROVIDERS:
            harness.faults[provider].plan(faults.status(500), trouble)
        await anyio.sleep(2 * 3600)
        assert troubles(harness) == ["watcher.network_failing"]
        assert all(one["stale"] for one in (await harness.daemon.sources())[0])
        for provider in PROVIDERS:
            harness.faults[provider].clear()
        await anyio.sleep(1800)
        assert not any(one["stale"] for one in (await harness.daemon.sources())[0])
    assert troubles(harness) == ["watcher.network_failing", "watcher.network_recovered"]


async def test_a_source_that_stays_away_when_the_network_is_back_is_told_by_itself(
    harness: Harness,
) -> None:
    for provider in PROVIDERS:
        harness.watch(provider, provider, "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        for provider in PROVIDERS:
            harness.faults[provider].plan(faults.status(500), unresolved)
        await anyio.sleep(3600)
        for provider in PROVIDERS[1:]:
            harness.faults[provider].clear()
        await anyio.sleep(1800)
    told = ["watcher.network_failing", "watcher.network_recovered", "source.failing"]
    assert troubles(harness) == told
    (failing,) = harness.inbox.of("source.failing")
    assert failing["data"]["source"] == "leadping"
    assert "cannot be resolved" in failing["data"]["reason"]
    assert "DNS" in failing["data"]["remedy"]


# Staleness


async def ready(harness: Harness, query: str = "") -> tuple[int, dict[str, Any]]:
    app = web.create_app(harness.daemon.freshness, harness.daemon.scrape.text)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://watcher") as client:
        answer = await client.get(f"/readyz{query}")
    body = answer.json()
    counts = {"all": len(harness.daemon.pollers)}
    counts |= {part: len(body[part]) for part in ("waiting", "stale")}
    assert body.pop("sources") == counts
    return answer.status_code, body


async def measured(harness: Harness, name: str, source: str) -> float:
    return (await scraped(harness.daemon)).sum(name, source=source)


async def test_a_source_whose_loop_is_stuck_is_stale_for_everybody(harness: Harness) -> None:
    harness.watch("chatwoot", "stuck", "1", conversations=5)
    harness.watch("leadping", "well", "1", conversations=5)
    async with harness.running():
        assert (await ready(harness))[0] == 503
        await harness.baseline()
        await anyio.sleep(60)
        assert await ready(harness, "?strict") == (200, {"ready": True, "waiting": [], "stale": []})
        assert await measured(harness, "source_stale", "stuck") == 0
        async with harness.daemon.pollers["stuck"]._lock:  # its loop waits for this
            await anyio.sleep(600)
            stale = {"ready": True, "waiting": [], "stale": ["stuck"]}
            assert await ready(harness) == (200, stale)
            assert await ready(harness, "?strict") == (503, {**stale, "ready": False})
            assert await measured(harness, "source_stale", "stuck") == 1
            assert await measured(harness, "source_stale", "well") == 0
            last = await measured(harness, "source_last_success_timestamp_seconds", "stuck")
            assert 570 <= harness.clock().timestamp() - last <= 640
            stuck, well = (await harness.daemon.sources())[0]
            assert (stuck["stale"], well["stale"]) == (True, False)
            assert stuck["lag"] > 570
        await anyio.sleep(60)
        assert await ready(harness, "?strict") == (200, {"ready": True, "waiting": [], "stale": []})
    assert troubles(harness) == []


async def test_sweeps_that_go_on_do_not_make_a_source_fresh_whose_polls_hang(
    harness: Harness,
) -> None:
    harness.sweep_every = "30m"
    harness.watch("chatwoot", "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        harness.faults["chatwoot"].plan(
            faults.hang(), lambda seen: seen.params.get("sort_by") != "created_at_asc"
        )
        await anyio.sleep(200)
        assert [one["stale"] for one in (await harness.daemon.sources())[0]] == [True]
        assert (await ready(harness))[0] == 503


async def test_what_is_asked_for_and_allowed_can_be_measured(harness: Harness) -> None:
    harness.watch("leadping", "leads", "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        assert await measured(harness, "source_planned_requests_per_second", "leads") == 132 / 3600
        assert await measured(harness, "source_limit_requests_per_second", "leads") == 5
        assert await measured(harness, "source_budget_wait_seconds_total", "leads") == 0


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_source_is_not_silenced_for_years(
    harness: Harness, provider: str, code: int
) -> None:
    harness.watch(provider, "sales", "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.status(code, 99_999_999))
        began = harness.clock()
        await anyio.sleep(6 * 3600)
        asked = pauses(harness, provider, began)
        assert 4 <= len(asked) <= 6 * 3, "about once an hour, for each kind of request"
        harness.faults[provider].clear()
        await anyio.sleep(1.3 * 3600)
        assert not any(one["stale"] for one in (await harness.daemon.sources())[0])
