"""Putting the fakes where requests find them: several hosts, and the date that servers or proxies send.

Rules: ASGI around ASGI; no provider's shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.routing import Host, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Dated", "by_host"]


class Dated:
    """The server with a `Date` header by a clock: the server's own, or that of a proxy in front of it, which
    may be right where the server's is off. Chatwoot by itself sends none.

    For requests through an ASGI transport. On a real socket uvicorn sends its own; turn that off
    there (`date_header=False`) before using this.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], datetime]) -> None:
        self.app = app
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.clock().astimezone(UTC), usegmt=True)
                headers = [*message.get("headers", []), (b"date", date.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, dated)


def by_host(servers: Mapping[str, ASGIApp]) -> Router:
    """Return one application that answers for several hosts; an unknown host is 404."""
    return Router(routes=[Host(host, app=server) for host, server in servers.items()])
