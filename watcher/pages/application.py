"""The application of the pages: who may see one, its headers, what is shown of a refusal, forms.

Rules: no page needs an exception from its content security policy. A GET changes nothing. What a form did is
said once, on the page that it leads to, by a cookie that only this server reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.api.access import permit, principal_of
from watcher.api.application import Backend
from watcher.api.entrance import SIGNED_IN
from watcher.api.problems import PROBLEMS, Refusal
from watcher.pages import signing, statics
from watcher.pages.page import Form, Moved, Page, Visit
from watcher.pages.rendering import render
from watcher.pages.table import FORMS, PAGES

__all__ = ["create_pages"]

LARGEST_FORM = 65_536
MOST_FIELDS = 1000
LONGEST_NOTICE = 1000
NOTICE = "notice"

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""What stands above each answer, unless it says otherwise."""

Served = Callable[[Request], Awaitable[Response]]


def create_pages(backend: Backend) -> ASGIApp:
    """Return the application; the scope of a request says who visits (`access.asked_by`)."""
    forms: dict[str, list[Form]] = {}
    for form in FORMS:
        forms.setdefault(form.path, []).append(form)
    routes = [Route(one.path, _page(backend, one), methods=["GET"]) for one in PAGES]
    routes += [Route(path, _form(backend, some), methods=["POST"]) for path, some in forms.items()]
    routes += [
        Route("/enter", _signing(backend, signing.enter), methods=["POST"]),
        Route("/leave", _signing(backend, signing.leave), methods=["POST"]),
    ]
    app = Starlette(
        routes=[*statics.routes(), *routes],
        middleware=[Middleware(GZipMiddleware, minimum_size=500, compresslevel=6)],
        exception_handlers={
            HTTPException: partial(_unserved, backend),
            Exception: partial(_failed, backend),
        },
    )
    return _Guarded(app)


class _Guarded:
    """Puts the headers of every page above what another application answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in known
                    ),
                ]
            await send(message)

        await self._app(scope, receive, answer)


def _page(backend: Backend, page: Page) -> Served:
    async def serve(request: Request) -> Response:
        visit = _visit(backend, request)
        try:
            permit(visit.who, page.level, scoped=True)  # what it asks, sees to the rest
            shown = await page.show(visit)
            if isinstance(shown, Moved):
                return RedirectResponse(shown.address, status_code=303)
            house = await visit.ask("/summary")
            return await _shown(
                request, visit, page.template, {**shown, "page": page, "house": house}
            )
        except Refusal as refusal:
            return await _refused(request, visit, refusal)

    return serve


def _form(backend: Backend, forms: list[Form]) -> Served:
    async def serve(request: Request) -> Response:
        visit, fields = _visit(backend, request), dict[str, list[str]]()
        try:
            fields = await _fields(request)
            form = _meant(forms, fields)
            said = await form.send(visit, fields)
        except Refusal as refusal:
            if refusal.kind == "not-signed-in" and fields:  # what somebody wrote is kept
                given = {"fields": fields, "page": None, "house": None}
                return await _shown(request, visit, "again.html", given, status=401)
            return await _refused(request, visit, refusal)
        response = RedirectResponse(_back(fields, request), status_code=303)
        _say(response, said)
        return response

    return serve


def _signing(
    backend: Backend,
    act: Callable[[Request, Mapping[str, list[str]], str], Awaitable[Response]],
) -> Served:
    """Return what answers the forms that begin and end a session: they lead to the overview, or back."""

    async def serve(request: Request) -> Response:
        try:
            fields = await _fields(request)
            return await act(request, fields, _back(fields, request, "/"))
        except Refusal as refusal:
            return await _refused(request, _visit(backend, request), refusal)

    return serve


def _meant(forms: list[Form], fields: Mapping[str, list[str]]) -> Form:
    """Return which of the forms of a path was sent: several say their route in the field `do`."""
    wanted = fields.get("do", [""])[0]
    if len(forms) == 1:
        return forms[0]
    for form in forms:
        if form.route == wanted:
            return form
    raise Refusal("invalid", "the form does not say what is to be done")


def _visit(backend: Backend, request: Request) -> Visit:
    query = request.url.query
    return Visit(
        backend=backend,
        who=principal_of(request.scope),
        address=f"{quote(request.url.path)}?{query}" if query else quote(request.url.path),
        path=request.path_params,
        items=request.query_params.multi_items(),
        signed_in=bool(request.scope.get(SIGNED_IN)),
    )


async def _shown(
    request: Request,
    visit: Visit,
    template: str,
    given: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page; what a form did is said on it, unless only its live sections are asked for."""
    said = "" if "x-fragment" in request.headers else _said(request)
    whole = {
        **given,
        "said": said,
        "nav": [one for one in PAGES if one.nav and visit.may(one.level)],
    }
    # A long page takes some tens of milliseconds, which the loop should not wait for.
    text = await anyio.to_thread.run_sync(render, template, visit, whole)
    response = HTMLResponse(text, status_code=status, headers=headers)
    if said:
        response.delete_cookie(NOTICE, path="/", httponly=True, samesite="lax")
    return response


async def _refused(request: Request, visit: Visit, refusal: Refusal) -> Response:
    status, title = PROBLEMS[refusal.kind]
    given = {"refusal": refusal, "title": title, "status": status, "page": None, "house": None}
    headers = dict(refusal.headers)
    return await _shown(request, visit, "refused.html", given, status=status, headers=headers)


async def _unserved(backend: Backend, request: Request, error: Exception) -> Response:
    """Answer what no page does."""
    visit = _visit(backend, request)
    if isinstance(error, HTTPException) and error.status_code == 405:
        refusal = Refusal("wrong-method", f"{request.method} is not possible here")
        refusal.headers = dict(error.headers or {})
    else:
        refusal = Refusal("not-found", "there is no page at this address")
    return await _refused(request, visit, refusal)


async def _failed(backend: Backend, request: Request, error: Exception) -> Response:
    log = structlog.get_logger()
    log.error("a page failed", path=request.url.path, error=type(error).__name__)
    refusal = Refusal("internal", "this is a mistake of the program")
    return await _refused(request, _visit(backend, request), refusal)


async def _fields(request: Request) -> dict[str, list[str]]:
    """Return what a form was filled in with."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal("wrong-type", "the body is not a form of a page")
    body = b""
    async for one in request.stream():
        body += one
        if len(body) > LARGEST_FORM:
            raise Refusal("too-large", f"the form has more than {LARGEST_FORM:,} bytes")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refusal("invalid", "the form cannot be read") from None


def _back(fields: Mapping[str, list[str]], request: Request, usual: str = "") -> str:
    """Return where a form leads: an address of ours, whatever was sent."""
    wanted = fields.get("back", [""])[0]
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if ours else usual or quote(request.url.path)


def _say(response: Response, said: str) -> None:
    value = quote(said[:LONGEST_NOTICE])
    response.set_cookie(NOTICE, value, max_age=60, path="/", httponly=True, samesite="lax")


def _said(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(NOTICE)
    except CookieError:
        return ""
    return unquote(found.value)[:LONGEST_NOTICE] if found is not None else ""
