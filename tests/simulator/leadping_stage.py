"""Asking the fake Leadping, for its tests."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers
from stand import Stage, ask

from watcher.simulator import leadping

MY = "/conversations/my"
BY_EVENT = [{"field": "lastEventAt", "direction": "asc"}]


async def post(
    stage: Stage, body: Any = None, path: str = MY, token: str | None = None, **options: Any
) -> httpx.Response:
    app = leadping.app(stage.world, leadping.Options(**options))
    headers = {"Authorization": f"Bearer {token or stage.account.token}"}
    return await ask(app, "POST", path, json={} if body is None else body, headers=headers)
