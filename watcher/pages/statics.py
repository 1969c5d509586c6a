"""Style, script and icon: their addresses have a digest of what they are, so they never change.

Rules: what is served is what lies in `static/`, read once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Asset", "assets", "routes"]

FOLDER = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = {"cache-control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that a page refers to."""

    address: str
    content: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """Return all of them, by the name of the file."""
    found = {}
    for file in sorted(FOLDER.iterdir()):
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        found[file.name] = Asset(f"/static/{digest}/{file.name}", content, KINDS[file.suffix])
    return found


def routes() -> list[Route]:
    """Return what serves them."""
    return [Route(one.address, _serve(one)) for one in assets().values()]


def _serve(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_request: Request) -> Response:
        return Response(asset.content, media_type=asset.kind, headers=FOREVER)

    return serve
