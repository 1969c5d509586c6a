"""What goes wrong on the way to one source's provider and back.

Rules: an ASGI application around a fake; it alters answers, never the world. What fails is drawn from
the seed, request by request; what is logged here is what the oracle excuses.

A fault is something that a provider or a network does. Not among them: a look-up that says 404 of a
conversation that is there, or refuses the same one twice while it answers other requests. Such a
provider is believed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import anyio
from starlette.applications import Starlette
from starlette.responses import Response

from watcher.simulator.faults import ERROR_PAGE

from .life import Life
from .plan import ERRORS, LIES, Plan, SourcePlan, Window

__all__ = ["Weather"]

AFTER = 345.0
"""Seconds that a source waits after a failure at most (five minutes, with jitter), and one more."""

SHAPES: tuple[object, ...] = (
    [], {}, None, "ok", 7, {"conversations": None}, {"conversations": {}}, {"items": "x"},
    {"data": []}, {"data": {"payload": None}}, {"conversations": [1, "a", None]},
    {"items": [[], 3]}, {"data": {"meta": {}, "payload": [None, 5]}}, {"error": "try again"},
)  # fmt: skip


class Weather:
    """The way to one source's provider. `unclean` are times (from, until) that do not count, `met`
    the faults that were met, each with its time.
    """

    def __init__(
        self,
        app: Starlette,
        source: SourcePlan,
        plan: Plan,
        rng: Random,
        *,
        now: Callable[[], float],
        life: Callable[[], Life],
        lying: Callable[[], bool],
        tear: Callable[[], Callable[[], None]],
        say: Callable[[str], None],
    ) -> None:
        self.app = app
        self.source = source
        self.unclean: list[tuple[float, float]] = []
        self.met: list[tuple[float, str]] = []
        self.requests = 0
        self.counts: Counter[str] = Counter()
        self.calm = False
        self._refused = ""
        self._windows = [w for w in plan.windows if w.source in (None, source.name)]
        self._rng = rng
        self._now, self._life, self._lying, self._say = now, life, lying, say
        self._tear = tear
        """Lets a row lack a part now and then, and returns what ends that."""

    def note(self, kind: str, length: float = AFTER) -> None:
        """Write a fault down; the time after it, in which the watcher pauses, does not count."""
        now = self._now()
        self.counts[kind] += 1
        self.met.append((now, kind))
        self.unclean.append((now, now + length))
        self._say(f"{self.source.name}: request {self.requests} meets {kind}")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        life = self._life()
        await life.moment("a request")
        self.requests += 1
        body = (await receive()).get("body", b"")
        low, high = self.source.latency
        await anyio.sleep(low + (high - low) * self._rng.random())
        kind, window = self._draw(scope, body)
        replay = _once(body, receive)
        if kind is None:
            mend = self._tear() if _lists(scope) and not self.calm else _nothing
            try:
                await self.app(scope, replay, self._heard(send))
            finally:
                mend()
        else:
            await self._fail(kind, window, scope, replay, receive, send)
        await life.moment("an answer")

    def _heard(self, send: Any) -> Any:
        """Return what sends an answer; one that fails by itself, on its way to a deletion, is a fault too."""

        async def heard(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                self.note("half deleted")
            await send(message)

        return heard

    # -- what goes wrong ----------------------------------------------------------------------

    def _draw(self, scope: Any, body: bytes) -> tuple[str | None, Window | None]:
        chance, luck = self._rng.random(), self._rng.random()
        if self.calm:
            return None, None
        now = self._now()
        for window in self._windows:
            if window.start <= now < window.end and self._fits(window.kind, scope, body):
                return window.kind, window
        pool = ERRORS if luck < 0.75 else (*ERRORS, "paging")
        errors, kind = self.source.errors, None
        if not _lists(scope):  # look-ups are few: faults meet them more often, refusals above all
            errors, pool = min(0.5, 4 * errors), (*pool, *3 * ("http_401", "http_403"))
        if chance < errors:
            kind = self._rng.choice(pool)
        elif chance < errors + self.source.lies:
            kind = self._rng.choice(LIES)
        return (kind, None) if kind is not None and self._fits(kind, scope, body) else (None, None)

    def _fits(self, kind: str, scope: Any, body: bytes) -> bool:
        """A listing may lie only where the promises hold: after the baseline, and about lists."""
        path, lists = scope["path"].rstrip("/"), _lists(scope)
        query = dict(parse_qsl(scope["query_string"].decode()))
        if kind in ("http_400", "http_404"):
            return lists and "id" not in query
        if kind in ("http_401", "http_403") and not lists:  # once a chance, twice a plain word
            again, self._refused = self._refused == path, path
            return not again
        if kind == "paging":
            return lists and (b"continuationToken" in body or "startAfterDate" in query)
        if kind in (*LIES, "keys"):
            return lists and "id" not in query and self._lying()
        return True

    async def _fail(
        self, kind: str, window: Window | None, scope: Any, replay: Any, receive: Any, send: Any
    ) -> None:
        rng = self._rng
        name, _, number = kind.partition("_")
        if name == "wait" or kind == "http_429":
            wait = rng.choice((1, 5, 60, 600)) if name == "wait" else None
            self.note(kind, AFTER + 1.3 * (wait or 0))
            await self.app.state.refusal(int(number), wait)(scope, replay, send)
            return
        self.note(kind)
        if name == "http":
            await self.app.state.refusal(int(number))(scope, replay, send)
        elif kind == "paging":
            await self.app.state.refusal(400)(scope, replay, send)
        elif name == "html":
            answer = Response(ERROR_PAGE, int(number), media_type="text/html")
            await answer(scope, replay, send)
        elif kind == "refuse":
            raise ConnectionRefusedError("refused")
        elif kind == "reset":
            raise ConnectionResetError("reset")
        elif kind == "hang":
            await anyio.sleep(3600)
        elif kind == "slow":
            await anyio.sleep(1 + 100 * rng.random())
            await self.app(scope, replay, send)
        else:
            await self._altered(kind, window, scope, replay, send)

    async def _altered(
        self, kind: str, window: Window | None, scope: Any, replay: Any, send: Any
    ) -> None:
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def collect(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        own = {b"content-length"}
        # Whoever answers otherwise names it otherwise, and never says that nothing is new.
        if kind != "late":
            own.add(b"etag")
            asked = [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]
            scope = {**scope, "headers": asked}
        await self.app(scope, replay, collect)
        body = b"".join(parts)
        if kind == "late":  # read from the database now, answered later
            await anyio.sleep(1 + 45 * self._rng.random())
        elif start["status"] == 200:
            body = self._change(kind, window, body)
        headers = [pair for pair in start["headers"] if pair[0].lower() not in own]
        length = (b"content-length", str(len(body)).encode())
        await send({**start, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    def _change(self, kind: str, window: Window | None, body: bytes) -> bytes:
        rng = self._rng
        match kind:
            case "cut":
                return body[: rng.randrange(max(1, len(body)))]
            case "nothing":
                return b""
            case "garbage":
                return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
            case "wrong_shape":
                return json.dumps(rng.choice(SHAPES)).encode()
            case "empty":
                return _edit(body, lambda rows: [], end=True)
            case "shuffled":
                return _edit(body, lambda rows: rng.sample(rows, len(rows)))
            case "twice":
                return _edit(body, lambda rows: [*rows, *rows[: rng.randrange(3)]])
            case "drop":
                return _edit(body, lambda rows: _without_one(rows, rng))
            case "keys":
                key = window.key if window is not None else ""
                return _edit(body, lambda rows: [_without(row, key) for row in rows])
        raise AssertionError(kind)


def _nothing() -> None:
    """Mend nothing."""


def _lists(scope: Any) -> bool:
    path: str = scope["path"].rstrip("/")
    return path.endswith(("/conversations", "/conversations/search", "/conversations/my"))


def _once(body: bytes, receive: Any) -> Any:
    told = False

    async def replayed() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _without_one(rows: list[Any], rng: Random) -> list[Any]:
    lost = rng.randrange(len(rows)) if rows else 0
    return rows[:lost] + rows[lost + 1 :]


def _without(row: Any, key: str) -> Any:
    return {name: value for name, value in row.items() if name != key}


def _edit(body: bytes, change: Callable[[list[Any]], list[Any]], *, end: bool = False) -> bytes:
    """Change the rows of a list, wherever this provider keeps them; with `end`, the rest too."""
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
    return json.dumps(whole).encode()
