"""A source that points to another account, and back: each time all begins anew."""

from __future__ import annotations

import anyio
import pytest
from stage import Stage


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_an_account_that_is_watched_again_tells_again(stage: Stage, provider: str) -> None:
    first = stage.watch(provider, "sales", "1", conversations=6)
    away = next(c for c in first.conversations.values() if not c.state.archived)

    async def archive_it() -> None:
        async with stage.running():
            await stage.baseline()
            stage.world.archive(away)
            await anyio.sleep(900)

    await archive_it()
    stage.restart_with()
    stage.watch(provider, "sales", "2", conversations=4)
    stage.world.unarchive(away)
    async with stage.running():
        await stage.baseline()
    stage.restart_with()
    stage.watch_again(provider, "sales", first)
    await archive_it()
    told = stage.inbox.of("conversation.archived")
    assert [event["subject"] for event in told] == [away.id, away.id]
    assert len({event["id"] for event in told}) == 2
    assert len(stage.inbox.of("source.baselined")) == 3
