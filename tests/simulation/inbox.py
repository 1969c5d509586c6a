"""The receivers: they take what is posted, or fail in every way, and write everything down.

Rules: an ASGI application; what it accepted is what the oracle reads. An attempt that it accepted and
did not say so is one that may come again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
from starlette.responses import Response

from .life import Life
from .plan import Window

__all__ = ["Accepted", "Receiver"]

TAKES = ("", "dies", "slow")
"""Kinds of attempt in which a message is read and taken."""


@dataclass(slots=True)
class Accepted:
    """One message that arrived: `told` says whether the sender may know."""

    at: float
    id: str
    digest: bytes
    body: bytes
    told: bool = False
    life: int = 0


@dataclass(slots=True)
class Receiver:
    """The other side of one webhook."""

    name: str
    windows: tuple[Window, ...]
    errors: float
    refuses: float
    rng: Random
    now: Callable[[], float]
    life: Callable[[], Life]
    say: Callable[[str], None]
    calm: bool = False
    attempts: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    met: list[tuple[float, str]] = field(default_factory=list)
    """What failed, each with its time."""

    refused: dict[str, list[float]] = field(default_factory=dict)
    """When each message was refused that it takes in no shape."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        life = self.life()
        await life.moment("a delivery")
        self.attempts += 1
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await anyio.sleep(0.02)
        headers = dict(scope["headers"])
        kind = self._kind()
        id_ = headers[b"webhook-id"].decode()
        if kind:
            self.met.append((self.now(), kind))
        if kind in TAKES and (status := self.refusal(id_)):
            kind = f"http_{status}"
            self.refused.setdefault(id_, []).append(self.now())
        if kind:
            self.counts[kind] += 1
        match kind:
            case "refuse":
                raise ConnectionRefusedError("refused")
            case "lost":
                raise ConnectionResetError("reset")
            case "hang":
                await anyio.sleep(3600)
            case "" | "dies" | "slow":
                await self._take(kind, life, body, headers, scope, receive, send)
            case _:
                number = int(kind.partition("_")[2])
                extra = {"Retry-After": "90"} if kind.startswith("wait") else {}
                await Response(status_code=number, headers=extra)(scope, receive, send)

    def refusal(self, id_: str) -> int:
        """Return the status with which a message is refused whenever it comes, 0 for none."""
        chance = Random(f"{self.name}/{id_}")
        return chance.choice((400, 413, 422)) if chance.random() < self.refuses else 0

    async def _take(
        self, kind: str, life: Life, body: bytes, headers: Any, scope: Any, receive: Any, send: Any
    ) -> None:
        came = Accepted(
            self.now(), headers[b"webhook-id"].decode(), hashlib.sha256(body).digest(), body,
            life=life.number,
        )  # fmt: skip
        self.accepted.append(came)
        self.say(f"{self.name} took {came.id}{' and dies' if kind == 'dies' else ''}")
        await life.moment("a delivery taken")
        if kind == "dies":
            raise ConnectionResetError("died after accepting")
        if kind == "slow":
            await anyio.sleep(30 * self.rng.random())
        await Response(status_code=204)(scope, receive, send)
        came.told = True

    def _kind(self) -> str:
        chance = self.rng.random()
        if self.calm:
            return ""
        now = self.now()
        for window in self.windows:
            if window.source in (None, self.name) and window.start <= now < window.end:
                return window.kind
        kinds = ("http_500", "http_503", "refuse", "dies", "slow", "lost", "http_429", "hang")
        return self.rng.choice(kinds) if chance < self.errors else ""
