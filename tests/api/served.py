"""The API of a store full of hostile words, served on loopback for programs that look for mistakes in it.

    python -m tests.api.served PORT      until it is interrupted; prints the port (0: a free one)

Whoever sends the token `operator` may do all; the stream ends at once, since it would never end by itself.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import replace
from typing import Any

import anyio
import uvicorn

from tests.api.harness import Door, fill
from tests.support.make import acted, at, commit, delivery, event, snapshot
from watcher.api import create_api
from watcher.api.access import ANYBODY, OWNER, asked_by
from watcher.model import Contact
from watcher.records import RuleResult
from watcher.store import Store
from watcher.store.memory import MemoryStore

__all__ = ["TOKEN", "application"]

TOKEN = "operator"

HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE events; --",
    "\u202eabc\u2066",
    "{{ 7 * 7 }}",
    "a\r\nSet-Cookie: x=1",
    "../../../etc/passwd",
    "%00%0a",
    "\U0001f600" * 50,
    "\\u0000 \u2028 \u0085 \x7f",
    '"' * 40,
)
"""What people call themselves, who mean harm."""


async def application() -> Any:
    """Return the API before a store in memory that has something of everything."""
    store = MemoryStore()
    await fill(store)
    for number, words in enumerate(HOSTILE):
        await _add(store, number, words)
    await store.acknowledge("secret-source", "c1", "seen", acted())
    door = Door(store, watched=("secret-source",))
    door.feed.close()
    api = create_api(door)
    owner, anybody = asked_by(api, OWNER), asked_by(api, ANYBODY)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        signed_in = (b"authorization", f"Bearer {TOKEN}".encode()) in scope["headers"]
        await (owner if signed_in else anybody)(scope, receive, send)

    return answer


async def _add(store: Store, number: int, words: str) -> None:
    id_ = f"hostile-{number}"
    happened = event(id_, subject=id_, source="secret-source", seconds=number + 10)
    happened = replace(happened, data={**happened.data, "note": words})
    results = (RuleResult(words, True, words),)
    owed = delivery(happened, receiver="secret-receiver", rule=words)
    person = Contact(id=words, name=words, email=words, phone=words)
    known = snapshot(id_, contact=person, waiting_since=at(number), status=words)
    await store.commit(
        commit(owed, source="secret-source", snapshots=(known,), verdicts={id_: results})
    )


async def _serve(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(await application(), lifespan="off", log_level="error")
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # whoever started it ends it so
        anyio.run(_serve, int(sys.argv[1]))
