"""The API before a store in memory or in a file, asked in process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio

from tests.support.make import LEASE, T0, acted, commit, delivery, event, settlement, snapshot
from watcher.api import create_api
from watcher.api.access import OWNER, Principal, Role, asked_by
from watcher.archive import Archive
from watcher.config.model import Config
from watcher.control import DaemonControl
from watcher.daemon.offline import OfflineControl
from watcher.explain.question import Configured, Watched
from watcher.feed import Feed
from watcher.model import Contact
from watcher.records import Actor, Hold, RuleResult, SourceState
from watcher.store import Store
from watcher.store.address import StoreAddress

__all__ = ["HOLD", "Answer", "Door", "Messages", "fill", "following"]

WATCHED = Watched("chatwoot", frozenset(), timedelta(seconds=30), timedelta(minutes=15))
HOLD = Hold("absences", T0, ("c1",), 3, "the sweep lacks 1 of 3", "wait")


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


class Asked(OfflineControl):
    """What can be done to a store; no receiver can be sent a sample, sweeps are asked for too often."""

    async def send_test(self, receiver: str) -> Mapping[str, Any]:
        raise KeyError(f"receiver {receiver}")

    async def look_now(self, source: str, step: str, by: Actor) -> float:
        return 0.0 if step == "poll" else 7.5


@dataclass
class Door:
    """One door of the API; implements `watcher.api.Backend`."""

    store: Store
    level: Role = "operator"
    who: Principal | None = None
    feed: Feed = field(default_factory=Feed)
    at: datetime = T0
    watched: Sequence[str] = ()
    reloaded: Mapping[str, Any] = field(default_factory=lambda: {"rules": "as before"})

    def __post_init__(self) -> None:
        loaded = Config.unread(StoreAddress(Path("none.db")))
        asked = Asked(loaded, self.store, self.now)
        self.control = cast("DaemonControl", asked)
        self.app: Any = asked_by(create_api(self), self.principal)

    @property
    def principal(self) -> Principal:
        """Who comes through it."""
        return self.who or (OWNER if self.level == "operator" else Principal(role=self.level))

    def now(self) -> datetime:
        return self.at

    async def reload(self) -> Mapping[str, Any]:
        return self.reloaded

    def configured(self) -> Configured:
        return Configured(receivers=("team",), sources=dict.fromkeys(self.watched, WATCHED))

    def zone(self) -> None:
        return None

    async def archive(self) -> Archive:
        return Archive(self.store, lambda: (), lambda: (), lambda: None)

    async def ask(
        self,
        method: str,
        address: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for an address below `/api/v1`, or a whole one."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        given = {"content-type": "application/json"} if body is not None else {}
        sent: list[Any] = []
        queue = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Any:
            if queue:
                return queue.pop(0)
            await anyio.sleep_forever()
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope(method, address, {**given, **(headers or {})}), receive, send)
        start = sent[0]
        head = {name.decode(): value.decode() for name, value in start["headers"]}
        whole = b"".join(one.get("body", b"") for one in sent[1:])
        return Answer(start["status"], head, whole)


def scope(method: str, address: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    path, _, query = address.partition("?")
    whole = path if path.startswith(("/api/", "/openapi", "/problems/")) else f"/api/v1{path}"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": whole,
        "raw_path": quote(whole).encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
    }


class Messages(list[dict[str, str]]):
    """What a stream has sent."""

    def __init__(self) -> None:
        super().__init__()
        self._news = anyio.Event()

    def add(self, message: dict[str, str]) -> None:
        self.append(message)
        self._news.set()
        self._news = anyio.Event()

    async def until(self, holds: Callable[[Messages], bool]) -> None:
        """Wait until it has sent what is waited for."""
        with anyio.fail_after(10):
            while not holds(self):
                await self._news.wait()


@asynccontextmanager
async def following(
    door: Door, address: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Messages]:
    """Follow a stream; yields the messages, to which those that come are added."""
    messages = Messages()
    gone = anyio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        for block in message.get("body", b"").decode().split("\n\n"):
            lines = [
                line.partition(": ") for line in block.splitlines() if not line.startswith(":")
            ]
            if lines:
                messages.add({name: value for name, _, value in lines})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(door.app, scope("GET", address, headers or {}), receive, send)
        yield messages
        gone.set()


async def fill(store: Store) -> None:
    """Put something of everything into a store, with words that nobody may see who has not signed in."""
    results = (RuleResult("secret-rule", True, "`when` matches"),)
    happened = event("e1", source="secret-source")
    owed = delivery(happened, receiver="secret-receiver", rule="secret-rule")
    person = Contact(id="p1", name="Secret Name", email="secret@example.com", phone="+4912345")
    state = SourceState("secret-source", "chatwoot", "secret-account", baselined=T0, hold=HOLD)
    await store.commit(
        commit(
            owed,
            source="secret-source",
            state=state,
            snapshots=(snapshot("c1", contact=person, waiting_since=T0, status="secret-status"),),
            verdicts={"e1": results},
        )
    )
    await store.commit(
        commit(delivery(event("e2", source="secret-source", seconds=1), receiver="secret-receiver"))
    )
    (out,) = await store.claim("secret-receiver", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, "dead")])
    await store.acknowledge("secret-source", "c1", "seen", acted())
