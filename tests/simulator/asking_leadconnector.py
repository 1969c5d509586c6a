"""Asking the fake HighLevel, for its tests."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers

from tests.simulator.harness import Harness, ask
from watcher.simulator import leadconnector

SEARCH = "/conversations/search"


def headers(harness: Harness, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {harness.account.token}", "Version": "2021-04-15", **more}


async def search(
    harness: Harness, options: dict[str, Any] | None = None, **params: Any
) -> httpx.Response:
    app = leadconnector.app(harness.world, leadconnector.Options(**(options or {})))
    query = {"locationId": "3", **params}
    return await ask(app, "GET", SEARCH, params=query, headers=headers(harness))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["conversations"]]
