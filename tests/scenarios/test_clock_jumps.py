"""Our clock jumps, the provider's does not: what its answers say of its clock is enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.simulator import Dated


class JumpingStage(Harness):
    """A harness whose provider has a right clock, and says so; ours is `off`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.off = timedelta(0)
        self._right = self.clock
        self.clock = self._wrong  # type: ignore[assignment]

    def _wrong(self) -> datetime:
        return self._right() + self.off

    def serve(self) -> dict[str, Any]:
        return {host: Dated(app, self._right) for host, app in super().serve().items()}


@pytest.mark.parametrize("jump", [-300, -40, 40, 3600])
@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_polls_see_what_came_before_our_clock_jumped(
    tmp_path: Path, provider: str, jump: int
) -> None:
    harness = JumpingStage(tmp_path)
    harness.poll_every, harness.sweep_every = "10m", "5h"
    account = harness.watch(provider, "sales", "1", conversations=10)
    conversations = list(account.conversations.values())
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(1300)
        harness.world.message(conversations[0], "just before")
        harness.off += timedelta(seconds=jump)
        await anyio.sleep(700)
        harness.world.message(conversations[1], "a poll later")
        await anyio.sleep(1300)
    texts = [
        body["data"]["conversation"]["last_message"]["text"]
        for body in harness.inbox.of("conversation.message")
    ]
    assert sorted(texts) == ["a poll later", "just before"]
