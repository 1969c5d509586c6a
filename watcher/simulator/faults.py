"""Faults before a fake server: what goes wrong, when, and a log of every request.

Rules: an ASGI application around another; it alters answers, never the world. Times are the world's.
Every error quotes all headers of its request in every form, as debug pages do, beside its own words.

    faults = Faults(leadping.app(world), world.clock)
    faults.plan(status(429, wait=7), requests(3))
    faults.plan(hang(), between(t0, t1))
    faults.plan(status(500), where(lambda seen: seen.params.get("page") == "3"))
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import anyio
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from watcher.simulator.echo import echo

__all__ = [
    "Fault",
    "Faults",
    "Seen",
    "always",
    "between",
    "empty",
    "endless",
    "hang",
    "html",
    "requests",
    "shuffled",
    "slow",
    "status",
    "truncated",
    "where",
    "without",
]

ERROR_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Seen:
    """A logged request. Headers are left out on purpose: no token is in the log."""

    number: int
    """Counts from 1."""

    at: datetime
    """When it came, by the world's clock."""

    method: str
    """The HTTP method."""

    path: str
    """The path, without the query."""

    params: Mapping[str, str]
    """The query."""

    json: Any
    """The decoded body, None if it is not JSON."""

    forbidden: bool
    """Whether it is not one of the reads that the service offers: another method, or an unknown path."""

    conditional: bool = False
    """Whether it asks for an answer only where there is another one."""


When = Callable[[Seen], bool]


def requests(*numbers: int) -> When:
    """Match the requests with these numbers, 1 being the first that the server got."""
    return lambda seen: seen.number in numbers


def between(start: datetime, end: datetime) -> When:
    """Match what comes from `start` until before `end`."""
    return lambda seen: start <= seen.at < end


def where(test: When) -> When:
    """Match by any test of the request."""
    return test


def always(seen: Seen) -> bool:
    """Match every request."""
    return True


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: an answer in place of the server's own, a change of it, or silence."""

    refuse: int | None = None
    """A status, answered in the service's own words."""

    wait: float | None = None
    """The `Retry-After` of that answer, None without one."""

    replace: Response | None = None
    """A ready answer."""

    alter: Callable[[bytes], bytes] | None = None
    """Changes the body of the real answer."""

    hangs: bool = False
    """Whether it never answers."""

    delay: float = 0.0
    """Seconds of the event loop by which the answer is late."""

    endless: int = 0
    """How many rows that nobody has seen before each page of the list holds, 0 for the real ones."""

    text: int = 0
    """How many characters the last message of each of these has, 0 for as it is."""


def status(code: int, wait: float | None = None) -> Fault:
    """Answer with this status and the provider's own body; `wait` is a `Retry-After`."""
    return Fault(refuse=code, wait=wait)


def hang() -> Fault:
    """Never answer, until the caller gives up."""
    return Fault(hangs=True)


def unchanged() -> Fault:
    """Answer that nothing has changed, as a cache does that does not ask the server."""
    return Fault(replace=Response(None, 304))


def slow(seconds: float) -> Fault:
    """Answer correctly, but late."""
    return Fault(delay=seconds)


def html(code: int = 502) -> Fault:
    """Answer with a proxy's error page."""
    return Fault(replace=Response(ERROR_PAGE, code, media_type="text/html"))


def truncated() -> Fault:
    """Answer 200 with half of the JSON."""
    return Fault(alter=lambda body: body[: len(body) // 2])


def empty() -> Fault:
    """Answer 200 with an empty list, no further page and counts of zero."""
    return Fault(alter=lambda body: _edit(body, lambda rows: [], end=True))


def endless(rows: int = 50, text: int = 0) -> Fault:
    """Answer each page of the list with other new conversations, and with another page behind it."""
    return Fault(endless=rows, text=text)


def shuffled(seed: int = 0) -> Fault:
    """Answer with the rows in another order."""
    rng = Random(seed)  # noqa: S311 - reproducible chance, no secret
    return Fault(alter=lambda body: _edit(body, lambda rows: rng.sample(rows, len(rows))))


def without(*ids: str) -> Fault:
    """Answer without the rows of these ids."""
    return Fault(
        alter=lambda body: _edit(body, lambda rows: [r for r in rows if str(r["id"]) not in ids])
    )


class Faults:
    """The server with faults. `log` has every request, `forbidden` those that change something, `answered`
    how often each status was answered.

    With `strict`, a forbidden request is answered 500 as well, so that no test can miss it.
    """

    def __init__(
        self, app: Starlette, clock: Callable[[], datetime], *, strict: bool = False
    ) -> None:
        self.app = app
        self.clock = clock
        self.strict = strict
        self.log: list[Seen] = []
        self.answered: Counter[int] = Counter()
        self._plan: list[tuple[Fault, When]] = []

    @property
    def forbidden(self) -> list[Seen]:
        """Return the requests that a reader may not send; a test asserts that there are none."""
        return [seen for seen in self.log if seen.forbidden]

    def plan(self, fault: Fault, when: When = always) -> None:
        """Add a fault; of several that match, the one planned first happens."""
        self._plan.append((fault, when))

    def clear(self) -> None:
        """Drop all faults; the log stays."""
        self._plan.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        seen = self._log(scope, body)
        fault = next((fault for fault, when in self._plan if when(seen)), None)
        if self.strict and seen.forbidden:
            fault = Fault(replace=Response("forbidden in strict mode", 500))
        replay = _replay(body, receive)
        send = self._counting(_echoing(scope, send))
        if fault is None:
            await self.app(scope, replay, send)
        else:
            await self._fail(fault, seen, scope, replay, send, receive)

    async def _go_on(
        self, fault: Fault, seen: Seen, scope: Scope, send: Send, receive: Receive
    ) -> None:
        """Answer with the first page of the list, its rows made into others that come after the last ones."""
        query = {name: value for name, value in seen.params.items() if name not in PLACES}
        first = {**scope, "query_string": urlencode(query).encode()}
        body = b""
        if isinstance(seen.json, dict):
            asked = {name: value for name, value in seen.json.items() if name not in PLACES}
            body = json.dumps(asked).encode()

        def alter(page: bytes) -> bytes:
            return _edit(page, lambda rows: _others(rows, fault, seen), more=seen.number)

        await _altered(self.app, alter, first, _replay(body, receive), send)

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered[message["status"]] += 1
            await send(message)

        return counted

    async def _fail(
        self,
        fault: Fault,
        seen: Seen,
        scope: Scope,
        replay: Receive,
        send: Send,
        receive: Receive,
    ) -> None:
        if fault.hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault.delay:
            await anyio.sleep(fault.delay)
        answer = fault.replace
        if fault.refuse is not None:
            answer = self.app.state.refusal(fault.refuse, fault.wait)
        if answer is not None:
            await answer(scope, replay, send)
        elif fault.endless and seen.path.endswith(LISTS):
            await self._go_on(fault, seen, scope, send, receive)
        elif fault.alter is not None:
            await _altered(self.app, fault.alter, scope, replay, send)
        else:
            await self.app(scope, replay, send)

    def _log(self, scope: Scope, body: bytes) -> Seen:
        seen = Seen(
            number=len(self.log) + 1,
            at=self.clock(),
            method=scope["method"],
            path=scope["path"],
            params=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            json=_json(body),
            forbidden=all(route.matches(scope)[0] != Match.FULL for route in self.app.routes),
            conditional=any(name == b"if-none-match" for name, _ in scope["headers"]),
        )
        self.log.append(seen)
        return seen


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return the body once more, then whatever follows."""
    told = False

    async def replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _altered(
    app: Starlette, alter: Callable[[bytes], bytes], scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the server's answer with another body, the length that belongs to it, and without the validator
    of the real one: a server that answers otherwise has another, and never says that nothing is new.
    """
    asked = [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]
    scope = {**scope, "headers": asked}
    start: Message = {}
    body = b""

    async def collect(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        else:
            body += message.get("body", b"")

    await app(scope, receive, collect)
    changed = alter(body) if start["status"] == 200 else body
    own = (b"content-length", b"etag")
    headers = [pair for pair in start["headers"] if pair[0].lower() not in own]
    length = (b"content-length", str(len(changed)).encode())
    await send({**start, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": changed})


def _echoing(scope: Scope, send: Send) -> Send:
    """Return how to send an answer that, where it is an error, quotes the request beside its own words."""
    start: Message = {}

    async def echoed(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and message["status"] >= 400:
            start = message
            return
        body = message.get("body", b"")
        if not start or message.get("more_body"):
            await send(message)
            return
        quoted = list(echo(scope["headers"]))
        whole = _json(body)
        if isinstance(whole, dict):
            body = json.dumps({**whole, "request": quoted}).encode()
        length = (b"content-length", str(len(body)).encode())
        headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        headers += [length, (b"x-request-headers", quote(" ".join(quoted), safe=" ").encode())]
        await send({**start, "headers": headers})
        start = {}
        await send({**message, "body": body})

    return echoed


LISTS = ("/conversations", "/conversations/search", "/conversations/my")
"""How the paths of the lists end."""

PLACES = ("page", "continuationToken", "startAfterDate", "startAfterId")
"""What tells in a request where its page begins."""

MANY = 1_000_000_000
"""What an endless list says that it holds, and the number of its first conversation."""


def _others(rows: list[Any], fault: Fault, seen: Seen) -> list[Any]:
    """Return rows with ids of their own, in the place behind the page before; of an empty page, none."""
    others = []
    step = 1 if seen.params.get("sort") == "asc" else -1
    for number in range(fault.endless if rows else 0):
        other = json.loads(json.dumps(rows[number % len(rows)]))
        unique = MANY + seen.number * 10_000 + number
        other["id"] = unique if isinstance(other["id"], int) else f"endless-{unique}"
        if "sort" in other:
            place = int(seen.params.get("startAfterDate", other["sort"][0])) + step * (number + 1)
            other |= {"sort": [place], "lastMessageDate": place}
        if fault.text:
            _write(other, "x" * fault.text)
        others.append(other)
    return others


def _write(row: dict[str, Any], text: str) -> None:
    """Let the last message of a row be a text, wherever this provider keeps it."""
    for name in ("lastMessageBody", "lastSnippet"):
        if name in row:
            row[name] = text
    lines = [*(row.get("messages") or ()), row.get("last_non_activity_message") or {}]
    for line in lines:
        if "content" in line:
            line |= {"content": text, "processed_message_content": text}


def _edit(
    body: bytes,
    change: Callable[[list[Any]], list[Any]],
    *,
    end: bool = False,
    more: int = 0,
) -> bytes:
    """Change the rows of a list, wherever this provider keeps them; with `end`, the rest too, or with the
    number of the page where `more` follow.
    """
    whole = json.loads(body)
    inside = whole.get("data", whole)
    for name in ("items", "conversations", "payload"):
        if name in inside:
            inside[name] = change(inside[name])
    if end:
        ends = {"continuationToken": None, "totalCount": None, "total": 0}
        inside.update({name: value for name, value in ends.items() if name in inside})
        if "meta" in inside:
            inside["meta"] = dict.fromkeys(inside["meta"], 0)
    if more:
        goes_on = {"continuationToken": f"endless-{more}", "totalCount": MANY, "total": MANY}
        inside.update({name: value for name, value in goes_on.items() if name in inside})
        if "meta" in inside:
            inside["meta"] = dict.fromkeys(inside["meta"], MANY)
    return json.dumps(whole).encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
