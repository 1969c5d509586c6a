"""Asking the fake HighLevel, for its tests."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers
from stand import Stage, ask

from watcher.simulator import leadconnector

SEARCH = "/conversations/search"


def headers(stage: Stage, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.account.token}", "Version": "2021-04-15", **more}


async def search(
    stage: Stage, options: dict[str, Any] | None = None, **params: Any
) -> httpx.Response:
    app = leadconnector.app(stage.world, leadconnector.Options(**(options or {})))
    query = {"locationId": "3", **params}
    return await ask(app, "GET", SEARCH, params=query, headers=headers(stage))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["conversations"]]
