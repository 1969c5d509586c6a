"""The log as it grows: server-sent events that go on after `Last-Event-ID`.

Rules: a message names a place and an id; what is missed is read from the log, so nothing waits in memory for
somebody slow, and nobody misses or repeats anything. Few may follow; one that does not take what is sent
goes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
from starlette.types import Receive, Scope, Send

from watcher.archive import MOST, Archive
from watcher.errors import StoreError
from watcher.feed import MOST_FOLLOWERS, Feed
from watcher.records import EventQuery, Recorded

__all__ = ["Stream"]

ALIVE_EVERY = 15.0
"""Seconds after which a comment shows that both sides are there."""

TAKEN_WITHIN = 30.0
"""Seconds within which a message must be taken."""

TOGETHER = 0.1
"""Seconds for which news is gathered: a burst is read at once."""

RETRY = 3000
"""Milliseconds after which a client asks again."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Stream:
    """An answer that follows the log from a place (None: from now on)."""

    def __init__(
        self, archive: Archive, feed: Feed, query: EventQuery, after: int | None, *, full: bool
    ) -> None:
        self._archive = archive
        self._feed = feed
        self._query = query
        self._after = after
        self._full = full

    @staticmethod
    def has_room(feed: Feed) -> bool:
        """Return whether one more may follow."""
        return feed.followers < MOST_FOLLOWERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._feed.followers += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._leave, receive, tasks.cancel_scope)
                await self._follow(send)
                tasks.cancel_scope.cancel()
        finally:
            self._feed.followers -= 1

    async def _leave(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _follow(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        try:
            with anyio.move_on_after(TAKEN_WITHIN) as patience:
                await self._write(send, f"retry: {RETRY}\n\n", patience)
                await self._begin(send, patience)
                while not self._feed.closed:
                    await self._catch_up(send, patience)
                    patience.deadline = float("inf")
                    if not await self._feed.wait(ALIVE_EVERY):
                        await self._write(send, ": alive\n\n", patience)
                    await anyio.sleep(TOGETHER if not self._feed.closed else 0)
                await self._write(send, "event: end\ndata: {}\n\n", patience)
        except StoreError:
            pass  # the client asks again, from where it stood
        with anyio.move_on_after(TAKEN_WITHIN):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self, send: Send, patience: anyio.CancelScope) -> None:
        """Find where to begin; a place that the log has not reached is one of another store."""
        newest = await self._archive.store.events(EventQuery(limit=1))
        last = newest[0].seq if newest else 0
        if self._after is not None and self._after > last:
            await self._write(send, f'id: {last}\nevent: gap\ndata: {{"seq":{last}}}\n\n', patience)
            self._after = last
        elif self._after is None:
            self._after = last

    async def _catch_up(self, send: Send, patience: anyio.CancelScope) -> None:
        """Send what was recorded since, in pages."""
        more = True
        while more and not self._feed.closed:
            query = replace(self._query, after=self._after, oldest=True, limit=MOST)
            found = await self._archive.store.events(query)
            if found:
                await self._write(send, "".join(map(self._message, found)), patience)
                self._after = found[-1].seq
            more = len(found) == MOST

    def _message(self, recorded: Recorded) -> str:
        event = recorded.event
        plain: dict[str, Any] = {
            "seq": recorded.seq, "id": event.id, "type": event.type, "source": event.source,
        }  # fmt: skip
        if self._full:
            plain["event"] = event.to_plain()
        text = json.dumps(plain, separators=(",", ":"))  # ASCII: no line break of any kind
        return f"id: {recorded.seq}\nevent: event\ndata: {text}\n\n"

    async def _write(self, send: Send, text: str, patience: anyio.CancelScope) -> None:
        patience.deadline = anyio.current_time() + TAKEN_WITHIN
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
