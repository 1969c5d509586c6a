"""Which sites may have a browser change something here: this one alone.

Rules: once, for all that is reached over TCP. What only reads passes. A browser says where a request comes
from (`Sec-Fetch-Site`); one that does not names the page that asks (`Origin`); whoever says neither is no
browser. A bearer's token is sent by nobody without knowing it, so it needs none of this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.settings.values import Address
from watcher.web.hosts import KnownHosts

__all__ = ["OwnPages", "guarded", "is_own"]

READING = ("GET", "HEAD", "OPTIONS")

REFUSED = "the request comes from another site: buttons work on the pages of this one alone"


def guarded(app: ASGIApp, listen: Address, hosts: Sequence[str] = ()) -> ASGIApp:
    """Return an application that answers to hosts of its own alone, and acts for pages of its own alone."""
    return KnownHosts(OwnPages(app), listen, hosts)


class OwnPages:
    """An application that other sites cannot have do anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] != "http" or is_own(scope["method"], Headers(scope=scope))
        app = self._app if own else _refusal(scope["path"])
        await app(scope, receive, send)


def is_own(method: str, headers: Headers) -> bool:
    """Return whether a request changes nothing, or comes from a page of this host, or from no page."""
    if method in READING or headers.get("authorization", "").lower().startswith("bearer "):
        return True
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or _host(origin) == headers.get("host", "").lower()


def _host(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") else None


def _refusal(path: str) -> Response:
    if not path.startswith("/api/"):
        return PlainTextResponse(f"{REFUSED}\n", status_code=403)
    problem = {
        "type": "/problems/wrong-origin",
        "title": "The request comes from another site",
        "status": 403,
        "detail": REFUSED,
        "instance": path,
    }
    headers = {"cache-control": "no-store"}
    kind = "application/problem+json"
    return Response(json.dumps(problem), status_code=403, headers=headers, media_type=kind)
