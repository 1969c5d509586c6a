"""Asking a pretended provider through the transport, with a token and a cursor to look out for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.providers import Budget, Quota, Request, Response
from watcher.transport import Connection, Transport

__all__ = ["LISTING", "TOKEN", "Clock", "ask", "connection"]

TOKEN = "not-to-be-seen"
LISTING = Request("/list", params=(("cursor", "secret-cursor"),))


class Clock:
    """A second passes at each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def connection(
    base_url: str,
    *,
    credentials: Callable[[], Mapping[str, str]] = lambda: {"authorization": f"Bearer {TOKEN}"},
    quota: Callable[[Response], Quota | None] = lambda _: None,
    **limits: Any,
) -> Connection:
    return Connection(base_url, credentials, Budget("test", 1000, 1.0), quota, **limits)


async def ask(to: Connection | str, request: Request = LISTING, **options: Any) -> Response:
    to = connection(to) if isinstance(to, str) else to
    async with Transport(Clock(), **options) as transport:
        return await transport.source(to).send(request, urgent=True)
