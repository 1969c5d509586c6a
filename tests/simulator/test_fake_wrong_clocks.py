"""Servers whose clock is off, and what their answers tell of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.asking_chatwoot import LIST, index, listed
from tests.simulator.asking_leadconnector import search
from tests.simulator.asking_leadping import post
from tests.simulator.harness import KINDS, START, Harness, ask
from tests.simulator.test_steering import do, opened
from watcher.simulator import chatwoot
from watcher.simulator.__main__ import dated, offset, read_arguments
from watcher.simulator.contract import rfc3339
from watcher.simulator.state import Kind

DAY = 86_400.0


@pytest.mark.parametrize("off", [-DAY, -600.0, 0.0, DAY])
@pytest.mark.parametrize("kind", KINDS)
async def test_stamps_are_the_servers_and_what_happened_is_remembered_by_the_true_time(
    kind: Kind, off: float
) -> None:
    harness = Harness(kind)
    harness.world.set_clock(harness.account, off)
    conversation = harness.create("Hi")
    true, server = harness.clock.now, harness.clock.now + timedelta(seconds=off)
    state = conversation.state
    assert state.message is not None
    assert state.created_at == state.updated_at == state.message.at == server
    assert conversation.history[0][0] == true
    harness.clock.forward(60)
    harness.world.message(conversation, "Hello?")
    assert conversation.history[-1][0] == harness.clock.now
    assert [entry.at for entry in harness.world.truth][-1] == harness.clock.now
    if kind == "leadping":
        (row,) = (await post(harness)).json()["items"]
        stamp = row["lastEventAt"]
    elif kind == "highlevel":
        (row,) = (await search(harness)).json()["conversations"]
        stamp = row["lastMessageDate"] / 1000
    else:
        (row,) = (await index(harness)).json()["data"]["payload"]
        stamp = row["last_activity_at"]
    at = server + timedelta(seconds=60)
    assert stamp == (rfc3339(at) if kind == "leadping" else at.timestamp())


@pytest.mark.parametrize("off", [-DAY, DAY])
async def test_windows_and_minutes_are_by_the_servers_clock(off: float) -> None:
    harness = Harness("chatwoot")
    harness.world.set_clock(harness.account, off + 30.0)
    harness.create("Hi")
    harness.clock.forward(20)
    assert listed(await index(harness, updated_within=25)) == [1]
    assert listed(await index(harness, updated_within=15)) == []
    app = chatwoot.app(harness.world, chatwoot.Options(limit=1))
    told = (await ask(app, "GET", "/api")).json()["timestamp"]
    assert told == f"{START + timedelta(seconds=off + 51):%Y-%m-%d %H:%M:%S}"
    assert (await ask(app, "GET", LIST)).status_code == 429
    harness.clock.forward(9)  # a minute of its clock begins
    assert (await ask(app, "GET", LIST)).status_code == 401


@pytest.mark.parametrize(
    ("service", "arguments", "expected"),
    [
        ("chatwoot", [], None),
        ("chatwoot", ["--date", "server"], "Fri, 20 Nov 2026 10:10:00 GMT"),
        ("chatwoot", ["--date", "proxy"], "Fri, 20 Nov 2026 10:00:00 GMT"),
        ("highlevel", [], "Fri, 20 Nov 2026 10:10:00 GMT"),
        ("leadping", ["--date", "none"], None),
    ],
)
async def test_the_date_is_the_servers_a_proxys_or_absent(
    service: str, arguments: list[str], expected: str | None
) -> None:
    given = ["--clock-off", "10m", *arguments]
    steered = opened(service, *given)
    served: Any = dated(read_arguments([service, *given]), steered)
    assert (await ask(served, "GET", "/")).headers.get("Date") == expected


async def test_a_clock_is_set_by_command_line_and_steering() -> None:
    assert (offset("-1d"), offset("10m")) == (-DAY, 600.0)
    steered = opened("highlevel", "--clock-off=-1d")
    assert steered.account.clock_off == timedelta(days=-1)
    assert await do(steered, "clock", off=600) == {"clock_off": 600}
    assert (await ask(steered, "GET", "/_simulator/")).json()["clock_off"] == 600.0
    assert "a clock is" in (await do(steered, "clock", off=1e9))["error"]
    assert "a clock is" in (await do(steered, "clock", off="late"))["error"]
