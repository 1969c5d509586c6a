"""How many requests our own pages and API get, and how long until they answer.

Rules: counts by the template of a route, never by an address that somebody asked for. A stream is counted
when it begins.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.clock import loop_time
from watcher.metrics import Metrics

__all__ = ["counted"]

OTHER = "other"
"""What is counted of addresses that are no route's."""


def counted(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Return an application whose answers are counted."""

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = loop_time()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = _route(scope.get("route"))
                metrics.http_requests.labels(route, str(message["status"])).inc()
                metrics.http_seconds.labels(route).observe(loop_time() - began)
            await send(message)

        await app(scope, receive, sent)

    return count


def _route(found: Any) -> str:
    path = getattr(found, "path", None)
    return path if isinstance(path, str) else OTHER
