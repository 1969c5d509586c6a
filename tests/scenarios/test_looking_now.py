"""A person has a source read now, in virtual time: early, but not before its provider allows."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.records import Actor
from watcher.simulator import faults

ANA = Actor("Ana", "page")


@pytest.mark.parametrize("step", ["poll", "sweep"])
async def test_it_is_read_at_once_and_that_is_on_record(harness: Harness, step: str) -> None:
    harness.poll_every, harness.sweep_every = "20m", "60m"
    harness.watch("chatwoot", "one", "1", conversations=5)
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(30)
        before, began = len(harness.faults["chatwoot"].log), harness.clock()
        assert await daemon.look_now("one", step, ANA) == 0.0  # type: ignore[arg-type]
        assert await daemon.look_now("one", step, ANA) > 0  # type: ignore[arg-type]
        await anyio.sleep(5)
        asked = harness.faults["chatwoot"].log[before:]
        assert asked
        assert asked[0].at - began < timedelta(seconds=5)
        done = [one.action for one in await daemon.store.actions()]
    assert [(one.by, one.what, one.target) for one in done] == [(ANA, step, "one")]


async def test_a_pause_of_ours_ends_and_one_that_the_provider_asked_for_stays(
    harness: Harness,
) -> None:
    harness.poll_every = "3s"
    harness.watch("chatwoot", "one", "1", conversations=5)
    async with harness.running() as daemon:
        await harness.baseline()
        log = harness.faults["chatwoot"].log
        some = range(len(log) + 1, len(log) + 4)
        harness.faults["chatwoot"].plan(faults.status(401), faults.requests(*some))
        await anyio.sleep(8)
        refused = len(log)
        await anyio.sleep(5)
        assert len(log) == refused  # it waits
        await daemon.look_now("one", "poll", ANA)
        await anyio.sleep(1)
        assert len(log) > refused
        await anyio.sleep(600)
        harness.faults["chatwoot"].plan(faults.status(429, 90), faults.requests(len(log) + 1))
        await anyio.sleep(10)
        told = len(log)
        await daemon.look_now("one", "poll", ANA)
        await anyio.sleep(60)
        assert len(log) == told
        await anyio.sleep(30)
        assert len(log) > told


async def test_an_unknown_source_is_said(harness: Harness) -> None:
    harness.watch("chatwoot", "one", "1", conversations=1)
    async with harness.running() as daemon:
        await harness.baseline()
        with pytest.raises(KeyError, match="nobody"):
            await daemon.look_now("nobody", "poll", ANA)
