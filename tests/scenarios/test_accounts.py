"""A source that points to another account, and back: each time all begins anew."""

from __future__ import annotations

import anyio
import pytest

from tests.scenarios.harness import Harness


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_an_account_that_is_watched_again_tells_again(
    harness: Harness, provider: str
) -> None:
    first = harness.watch(provider, "sales", "1", conversations=6)
    away = next(c for c in first.conversations.values() if not c.state.archived)

    async def archive_it() -> None:
        async with harness.running():
            await harness.baseline()
            harness.world.archive(away)
            await anyio.sleep(900)

    await archive_it()
    harness.restart_with()
    harness.watch(provider, "sales", "2", conversations=4)
    harness.world.unarchive(away)
    async with harness.running():
        await harness.baseline()
    harness.restart_with()
    harness.watch_again(provider, "sales", first)
    await archive_it()
    told = harness.inbox.of("conversation.archived")
    assert [event["subject"] for event in told] == [away.id, away.id]
    assert len({event["id"] for event in told}) == 2
    assert len(harness.inbox.of("source.baselined")) == 3
