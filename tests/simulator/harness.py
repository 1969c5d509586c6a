"""What the simulator's tests share: a clock that only moves when told, and one way to ask a fake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx  # noqa: TID251 - the fakes are asked as the transport asks them

from watcher.simulator import Account, Conversation, World
from watcher.simulator.state import Kind

KINDS: tuple[Kind, ...] = ("leadping", "highlevel", "chatwoot")
START = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


class Clock:
    """The world's time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Harness:
    """A world with one account, and the application that serves it."""

    def __init__(self, kind: Kind, *, conversations: int = 0, seed: int = 1) -> None:
        self.clock = Clock()
        self.world = World(self.clock, seed)
        self.account: Account = self.world.open_account(kind, "3", conversations=conversations)

    def create(self, text: str | None = None, **more: Any) -> Conversation:
        """Begin a conversation a second later than whatever happened before."""
        self.clock.forward(1)
        return self.world.create(self.account, text, **more)

    def told(self) -> list[str]:
        """Return the truth's types so far without their common prefix, and forget them."""
        types = [entry.type.removeprefix("conversation.") for entry in self.world.truth]
        self.world.truth.entries.clear()
        return types


async def ask(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    """Send one request through the ASGI interface."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://simulated") as client:
        return await client.request(method, path, **more)
