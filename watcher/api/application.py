"""The application of the API: checks a request by its route, has it answered, says what was refused.

Rules: a body is JSON of bounded size; every parameter is checked by a model; whatever fails becomes a
problem, without a trace. Answers are never stored by anybody in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, cast, get_origin
from urllib.parse import urlencode

import structlog
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as Served
from starlette.types import ASGIApp

from watcher.api import openapi
from watcher.api.access import Principal, permit, principal_of
from watcher.api.asyncapi import asyncapi
from watcher.api.csv import csv_row
from watcher.api.event_schema import event_schema
from watcher.api.models import UNKNOWN
from watcher.api.problems import PROBLEMS, Refusal, answer
from watcher.api.routes import BASE, ROUTES, Backend, Call, Lines, Route
from watcher.api.stream import Stream
from watcher.archive import Archive, CursorError, TooMany
from watcher.control import SOMEBODY
from watcher.errors import StatementEnded, StoreError
from watcher.json_text import json_line
from watcher.records import Actor

__all__ = ["LARGEST_BODY", "Backend", "ask", "create_api", "pick"]

LARGEST_BODY = 262_144
"""Bytes of a request's body: a thousand ids fit in."""

LONGEST_NAME = 100
"""Characters of the name that an operator gives himself."""

NO_STORE = {"cache-control": "no-store"}

JSON_LINES, CSV = "application/x-ndjson", "text/csv"


def create_api(backend: Backend) -> ASGIApp:
    """Return the application; the scope of a request says who asks (`access.asked_by`)."""
    routes = [
        Served(f"{BASE}{path}", _served(backend, tuple(found)), methods=list(found))
        for path, found in _by_path().items()
    ]

    async def document(_request: Request) -> Response:
        return JSONResponse(openapi.document(), headers=NO_STORE)

    async def schema(_request: Request) -> Response:
        return JSONResponse(event_schema(), media_type="application/schema+json", headers=NO_STORE)

    async def sent_out(_request: Request) -> Response:
        return JSONResponse(asyncapi(), headers=NO_STORE)

    async def problem(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in PROBLEMS:
            return answer(Refusal("not-found", "there is no such problem"), request.url.path)
        status, title = PROBLEMS[name]
        return JSONResponse({"type": f"/problems/{name}", "title": title, "status": status})

    routes += [
        Served("/openapi.json", document),
        Served("/asyncapi.json", sent_out),
        Served("/schema/event", schema),
        Served("/problems/{name}", problem),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _unserved, Exception: _failed},
    )


async def ask(
    backend: Backend,
    who: Principal,
    route: Route,
    *,
    path: Mapping[str, str],
    query: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    by: Actor = SOMEBODY,
) -> Any:
    """Return what a route answers within this process, as pages ask it; raise Refusal."""
    permit(who, route.level, scoped=route.scoped)
    try:
        call = Call(
            backend=backend,
            archive=await _seen(backend, who),
            who=who,
            path=path,
            query=_checked(route.query, query),
            body=None if route.body is None else _checked(route.body, body or {}),
            by=by,
            last_event=None,
            lines=False,
        )
        return await route.answer(call)
    except (LookupError, ValueError, StoreError) as error:
        raise _refusal(error) from error


async def _seen(backend: Backend, who: Principal) -> Archive:
    """Return the reading side as he who asks sees it."""
    return (await backend.archive()).seen_by(who.sight, lambda: backend.configured().sources)


def _by_path() -> dict[str, dict[str, Route]]:
    paths: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = route
    return paths


def _served(backend: Backend, methods: Iterable[str]) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        path = request.scope["route"].path.removeprefix(BASE)
        method = "GET" if request.method == "HEAD" else request.method
        route = _by_path()[path][method]
        try:
            return await _answered(backend, route, request)
        except (Refusal, LookupError, ValueError, StoreError) as error:
            return answer(_refusal(error), request.url.path)

    return serve


def _refusal(error: Exception) -> Refusal:
    """Return what is answered to a mistake of whoever asks, and to a store that does not."""
    match error:
        case Refusal():
            return error
        case KeyError():
            return Refusal("not-found", f"there is no {error.args[0]}")
        case CursorError():
            errors = [{"pointer": "/cursor", "detail": str(error)}]
            return Refusal("not-found", "there is no page behind this cursor", errors=errors)
        case TooMany():
            return Refusal(
                "too-broad", str(error), "narrow it: less time, some names, or a longer step"
            )
        case StatementEnded():
            remedy = "narrow it: by time, by source, or by one type"
            return Refusal("too-broad", "the question was ended for others to go on", remedy)
        case StoreError():
            return Refusal("store-waits", str(error), headers={"retry-after": "5"})
    return Refusal("conflict", str(error))


async def _answered(backend: Backend, route: Route, request: Request) -> Response:
    who = principal_of(request.scope)
    permit(who, route.level, scoped=route.scoped)
    query = _checked(route.query, pick(route.query, request.query_params.multi_items()))
    body = None if route.body is None else await _body(route.body, request)
    call = Call(
        backend=backend,
        archive=await _seen(backend, who),
        who=who,
        path=request.path_params,
        query=query,
        body=body,
        by=who.actor("api", _name(request)),
        last_event=_last_event(request),
        lines=bool(form := _form(request)),
    )
    given = await route.answer(call)
    if isinstance(given, Stream):
        return cast("Response", given)  # an ASGI application, as every response is
    if isinstance(given, Lines):
        rows = _table(given) if form == CSV else _written(given)
        return StreamingResponse(rows, media_type=form, headers=NO_STORE)
    return _sent(given, route, request)


def _sent(given: Mapping[str, Any], route: Route, request: Request) -> Response:
    headers = dict(NO_STORE)
    links = []
    for name in ("next", "previous"):
        if "items" in given and (cursor := given.get(name)):
            given = {**given, name: _address(request, cursor)}
            links.append(f'<{given[name]}>; rel="{"prev" if name == "previous" else name}"')
    if links:
        headers["link"] = ", ".join(links)
    response = JSONResponse(given, status_code=route.status, headers=headers)
    if route.method == "GET":
        digest = hashlib.blake2b(response.body, digest_size=12).hexdigest()
        tag = f'W/"{digest}"'
        response.headers["etag"] = tag
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"etag": tag, **NO_STORE})
    return response


def _address(request: Request, cursor: str) -> str:
    """Return the address of another page of the same list."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _form(request: Request) -> str:
    """Return in which form all of a list is asked for; empty where a page of it is."""
    accepted = request.headers.get("accept", "")
    return next((one for one in (JSON_LINES, CSV) if one in accepted), "")


async def _written(lines: Lines) -> AsyncIterator[bytes]:
    async for row in lines.rows:
        yield f"{json_line(lines.plain(row))}\n".encode()


async def _table(lines: Lines) -> AsyncIterator[bytes]:
    yield csv_row(lines.columns).encode()
    async for row in lines.rows:
        yield csv_row(lines.cells(row)).encode(errors="replace")


def pick(model: type[BaseModel], items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return parameters as a model takes them: those that may be repeated as lists."""
    found: dict[str, Any] = {}
    for name, value in items:
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is tuple:
            found.setdefault(name, []).append(value)
        elif name in found:
            errors = [{"pointer": f"/{name}", "detail": "is given twice"}]
            raise Refusal("invalid", "the request is not valid", errors=errors)
        else:
            found[name] = value
    return found


def _checked(model: type[BaseModel], found: Any) -> BaseModel:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise _invalid(error) from None


async def _body(model: type[BaseModel], request: Request) -> BaseModel:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal("wrong-type", "the body is not JSON", "send `content-type: application/json`")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise Refusal("too-large", f"the body has more than {LARGEST_BODY:,} bytes")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> Refusal:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [
        {"pointer": "/" + "/".join(map(str, one["loc"])), "detail": one["msg"]} for one in found
    ]
    if all(one["type"] == UNKNOWN for one in found):
        return Refusal("not-found", "the request names what does not exist", errors=errors[:20])
    return Refusal("invalid", "the request is not valid", errors=errors[:20])


def _name(request: Request) -> str:
    """Return who acts, as he calls himself: whoever may open the control socket is believed."""
    return " ".join(request.headers.get("x-actor", "").split())[:LONGEST_NAME]


def _last_event(request: Request) -> int | None:
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _unserved(request: Request, error: Exception) -> Response:
    """Answer what no route does."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        headers = dict(error.headers or {})
        refusal = Refusal("wrong-method", f"{request.method} is not possible here", headers=headers)
    else:
        refusal = Refusal("not-found", "there is no such address", "see /openapi.json")
    return answer(refusal, request.url.path)


async def _failed(request: Request, error: Exception) -> Response:
    structlog.get_logger().error(
        "a request failed", path=request.url.path, error=type(error).__name__
    )
    return answer(Refusal("internal", "this is a mistake of the program"), request.url.path)
