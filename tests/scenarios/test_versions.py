"""The server's version: read before each sweep, and what was learned belongs to it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.providers import VERSION
from watcher.simulator import Fault, faults


def source(harness: Harness) -> dict[str, Any]:
    (one,) = harness.daemon.pollers.values()
    return one.status()


def learned(harness: Harness) -> dict[str, Any]:
    return dict(harness.daemon.pollers["sales"].session.state.learned)


def asked_for_version(harness: Harness) -> int:
    return sum(seen.path == "/api" for seen in harness.faults["chatwoot"].log)


async def test_an_upgrade_and_a_downgrade_are_noticed_within_a_sweep(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "30s", "5m"
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    harness.world.install(account, (2, 16, 0))
    async with harness.running():
        await harness.baseline()
        (baselined,) = harness.inbox.of("source.baselined")
        assert baselined["data"]["version"] == "2.16.0"
        assert "priorities are not shown" in baselined["data"]["limits"]
        await anyio.sleep(60)
        assert learned(harness)["updated_within"] is False
        for version, windows in (((4, 15, 1), True), ((3, 5, 0), False), ((3, 16, 0), True)):
            harness.world.install(account, version)
            await anyio.sleep(400)
            told = ".".join(map(str, version))
            assert (source(harness)["version"], learned(harness)[VERSION]) == (told, told)
            assert learned(harness)["updated_within"] is windows
    assert harness.inbox.conversations == []
    assert harness.inbox.own == ["source.baselined"]
    assert harness.faults["chatwoot"].forbidden == []


async def test_a_version_costs_one_request_a_sweep(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "1m", "10m"
    harness.watch("chatwoot", "sales", "1", conversations=10)
    async with harness.running():
        await harness.baseline()
        assert asked_for_version(harness) == 1
        await anyio.sleep(3600)
        assert asked_for_version(harness) == 7


@pytest.mark.parametrize(
    "hidden",
    [
        faults.status(404), faults.status(401), faults.html(200), faults.html(502), faults.status(429),
        faults.status(500), faults.truncated(), faults.hang(),
    ],
    ids=["404", "401", "html", "502", "429", "500", "cut", "hangs"],
)  # fmt: skip
async def test_a_version_that_is_hidden_is_no_trouble(harness: Harness, hidden: Fault) -> None:
    harness.poll_every, harness.sweep_every = "30s", "5m"
    account = harness.watch("chatwoot", "sales", "1", conversations=10)
    harness.serve()
    harness.faults["chatwoot"].plan(hidden, lambda seen: seen.path == "/api")
    async with harness.running():
        await harness.baseline()
        (baselined,) = harness.inbox.of("source.baselined")
        assert (baselined["data"]["version"], baselined["data"]["limits"]) == (None, [])
        await anyio.sleep(400)
        harness.world.message(account.living()[0], "hello?")
        await anyio.sleep(60)
        assert source(harness)["version"] is None
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined"]


async def test_a_version_that_is_hidden_later_is_the_last_one_that_was_told(
    harness: Harness,
) -> None:
    harness.poll_every, harness.sweep_every = "30s", "5m"
    harness.watch("chatwoot", "sales", "1", conversations=10)
    async with harness.running():
        await harness.baseline()
        before = learned(harness)
        harness.faults["chatwoot"].plan(faults.html(404), lambda seen: seen.path == "/api")
        await anyio.sleep(700)
        assert learned(harness) == before
        assert source(harness)["version"] == "4.15.1"


@pytest.mark.parametrize("provider", ["highlevel", "leadping"])
async def test_a_provider_without_versions_is_asked_for_none(
    harness: Harness, provider: str
) -> None:
    harness.watch(provider, "sales", "1", conversations=10)
    async with harness.running():
        await harness.baseline()
        assert (source(harness)["version"], source(harness)["limits"]) == (None, [])
        (baselined,) = harness.inbox.of("source.baselined")
        assert (baselined["data"]["version"], baselined["data"]["limits"]) == (None, [])
        assert harness.faults[provider].forbidden == []
