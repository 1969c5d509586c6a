"""Signing in and out.

Rules: a key for one use stands behind `#` in the address, which no browser sends: the script, or a person,
puts it into the form. Or a token is typed in. Only this form takes a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watcher.api.entrance import ENTRANCE, Entrance
from watcher.api.problems import Refusal
from watcher.pages.page import Page, Visit

__all__ = ["PAGES", "enter", "leave"]


async def show(visit: Visit) -> Mapping[str, Any]:
    """Return where the form leads."""
    return {"back": visit.one("back")}


PAGES = (
    Page("/enter", "anybody", "enter.html", "Sign in", show, live=False),
    Page("/leave", "anybody", "leave.html", "Sign out", show, live=False),
)


async def enter(request: Request, fields: Mapping[str, list[str]], back: str) -> Response:
    """Begin a session for whoever shows a token or a key; raise Refusal."""
    cookie = await _entrance(request).enter(request.scope, fields.get("key", [""])[0].strip())
    return _led(back, cookie)


async def leave(request: Request, fields: Mapping[str, list[str]], back: str) -> Response:
    """End a session."""
    return _led(back, _entrance(request).leave(request.scope))


def _entrance(request: Request) -> Entrance:
    found = request.scope.get(ENTRANCE)
    if not isinstance(found, Entrance):
        raise Refusal("wrong-method", "nobody signs in here")
    return found


def _led(back: str, cookie: str) -> Response:
    headers = {"set-cookie": cookie, "referrer-policy": "no-referrer"}
    return RedirectResponse(back, status_code=303, headers=headers)
