"""How many requests our own pages and API get, and how long until they answer.

Rules: counts by the template of a route, never by an address that somebody asked for. A stream is counted
when it begins.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.clock import loop_time
from watcher.metrics import Metrics

__all__ = ["counted", "naming"]

OTHER = "other"
"""What is counted of addresses that are no route's."""

NOTES = "inbox_watcher.routes"
"""Where a request notes which routes it found: what stands in between may copy the scope with the route."""


def counted(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Return an application whose answers are counted."""

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began, notes = loop_time(), list[str]()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = notes[0] if notes else OTHER
                metrics.http_requests.labels(route, str(message["status"])).inc()
                metrics.http_seconds.labels(route).observe(loop_time() - began)
            await send(message)

        await app({**scope, NOTES: notes}, receive, sent)

    return count


def naming(app: ASGIApp) -> ASGIApp:
    """Return a router that notes the route of each answer, for `counted` around it; the innermost counts."""

    async def name(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", None)
                if isinstance(path, str) and path and (notes := scope.get(NOTES)) is not None:
                    notes.append(path)
            await send(message)

        await app(scope, receive, sent)

    return name
