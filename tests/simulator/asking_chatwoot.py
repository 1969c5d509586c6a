"""Asking the fake Chatwoot, for its tests."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers

from tests.simulator.harness import Harness, ask
from watcher.simulator import chatwoot
from watcher.simulator.versions import NEWEST

LIST = "/api/v1/accounts/3/conversations"


async def index(
    harness: Harness,
    options: dict[str, Any] | None = None,
    *,
    token: str | None = None,
    **params: Any,
) -> httpx.Response:
    """List conversations at a server that was never asked before; its `version` is the newest unless
    another is asked for.
    """
    options = dict(options or {})
    harness.world.install(harness.account, options.pop("version", NEWEST))
    app = chatwoot.app(harness.world, chatwoot.Options(**options))
    headers = {"Api-Access-Token": token or harness.account.token}
    return await ask(app, "GET", LIST, params=params, headers=headers)


def listed(answer: httpx.Response) -> list[int]:
    """Return the ids of a list."""
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]["payload"]]


async def rows(harness: Harness, **params: Any) -> list[int]:
    """Return the ids of a list with these parameters."""
    return listed(await index(harness, **params))


async def show(
    harness: Harness, name: str, *, token: str | None = None, **options: Any
) -> httpx.Response:
    """Ask for one conversation."""
    harness.world.install(harness.account, options.pop("version", NEWEST))
    app = chatwoot.app(harness.world, chatwoot.Options(**options))
    headers = {"Api-Access-Token": token or harness.account.token}
    return await ask(app, "GET", f"{LIST}/{name}", headers=headers)
