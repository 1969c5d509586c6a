"""An answer that says again what it said is not read again, and hides nothing."""

from __future__ import annotations

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.simulator import faults


@pytest.mark.parametrize("version", [(2, 16, 0), (4, 15, 1)])
async def test_a_quiet_chatwoot_sends_no_list_twice(
    harness: Harness, version: tuple[int, int, int]
) -> None:
    harness.sweep_every = "1d"
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    harness.world.install(account, version)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(300)
        answered = harness.faults["chatwoot"].answered
        before, asked = answered[200], answered[304]
        await anyio.sleep(3000)
        # A poll goes further back now and then, which is another question.
        assert answered[200] - before <= 30
        assert answered[304] - asked >= 60
    assert harness.inbox.own == ["source.baselined"]
    assert harness.inbox.conversations == []


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadway", "leadping"])
async def test_what_changes_between_repeated_answers_is_told_by_the_next_poll(
    harness: Harness, provider: str
) -> None:
    harness.sweep_every = "1d"
    account = harness.watch(provider, "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(300)
        for number, conversation in enumerate(account.living()[:12]):
            since = harness.clock()
            harness.world.message(conversation, f"words {number}", "inbound")
            await anyio.sleep(33 + 30 * (number % 3))
            assert harness.expect(since), number
            assert harness.expect() == harness.got(), number


async def test_a_server_that_always_says_unchanged_blinds_polls_alone(harness: Harness) -> None:
    """As a cache in front of it may do: what changes is told by the next sweep."""
    account = harness.watch("chatwoot", "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(120)
        served = harness.faults["chatwoot"]
        served.plan(faults.unchanged(), lambda seen: seen.conditional)
        harness.world.message(account.living()[0], "words", "inbound")
        await anyio.sleep(330)
        assert harness.expect() == harness.got()
