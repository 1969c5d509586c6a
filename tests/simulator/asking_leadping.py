"""Asking the fake Leadping, for its tests."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers

from tests.simulator.harness import Harness, ask
from watcher.simulator import leadping

MY = "/conversations/my"
BY_EVENT = [{"field": "lastEventAt", "direction": "asc"}]


async def post(
    harness: Harness, body: Any = None, path: str = MY, token: str | None = None, **options: Any
) -> httpx.Response:
    app = leadping.app(harness.world, leadping.Options(**options))
    headers = {"Authorization": f"Bearer {token or harness.account.token}"}
    return await ask(app, "POST", path, json={} if body is None else body, headers=headers)
