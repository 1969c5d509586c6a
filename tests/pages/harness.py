"""The pages before a store in memory or in a file, asked in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx  # noqa: TID251 - reads what the pages answer
from starlette.types import ASGIApp

from tests.api.harness import Door
from watcher.api.access import asked_by
from watcher.pages import create_pages

__all__ = ["send", "visit"]


def pages(door: Door) -> ASGIApp:
    """Return the pages as they are for who comes through this door."""
    return asked_by(create_pages(door), door.principal)


async def visit(door: Door, address: str, **headers: str) -> httpx.Response:
    """Ask for a page; follow nothing."""
    async with _client(door) as client:
        return await client.get(address, headers=headers)


async def send(
    door: Door, address: str, fields: Mapping[str, Any], **headers: str
) -> httpx.Response:
    """Send a form."""
    async with _client(door) as client:
        return await client.post(address, data=fields, headers=headers)


def _client(door: Door) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(pages(door), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8484")
