"""The stream of the log over real connections: whoever is cut off goes on, and the server ends at once."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream

from tests.api.harness import Door
from tests.support.make import event
from watcher import web
from watcher.feed import MOST_FOLLOWERS
from watcher.records import Commit
from watcher.store.memory import MemoryStore

EVENTS = 10_000
AT_ONCE = 40
CUTS = 100
"""How often the client's line breaks at least."""

BEHIND = 500
"""How many events are ahead of the client at most; else each line is sent thousands that it does not read."""

LONGEST_LINE = 10_000
"""Bytes that the client reads of a stream at most: all of them are a hundred times as many."""

NEWEST = f'"e{EVENTS - 1}","type":"conversation.unread","source":"sales"}}\n\n'.encode()
"""How the last message ends."""

END = b"event: end\ndata: {}\n\n"


class Served:
    """A door on loopback."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.door = Door(self.store)
        self.port = 0

    async def record(self, first: int, count: int) -> None:
        events = tuple(event(f"e{first + number}") for number in range(count))
        await self.store.commit(Commit("sales", events=events))
        self.door.feed.tell()

    async def follow(self, last: int) -> ByteStream:
        stream = await anyio.connect_tcp("127.0.0.1", self.port)
        lines = ("GET /api/v1/events/stream HTTP/1.0", f"last-event-id: {last}", "", "")
        await stream.send("\r\n".join(lines).encode())
        return stream

    async def followers(self, count: int) -> list[ByteStream]:
        """Return so many that follow, as their first messages show."""
        streams = [await self.follow(0) for _ in range(count)]
        for stream in streams:
            text = b""
            while b"retry: " not in text:
                text += await stream.receive()
        return streams


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Serve as the daemon does; ends as it does."""
    server = Served()
    listener = web.bind("127.0.0.1", 0)
    server.port = listener.getsockname()[1]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(web.serve, server.door.app, listener)
        yield server
        server.door.feed.close()
        tasks.cancel_scope.cancel()


def messages(text: bytes) -> list[dict[str, str]]:
    """Return the whole messages of what a stream has sent, as a browser reads them."""
    *whole, _rest = text.partition(b"\r\n\r\n")[2].split(b"\n\n")
    return [
        dict(line.split(": ", 1) for line in one.decode().splitlines() if line[0] != ":")
        for one in whole
    ]


async def test_each_of_ten_thousand_events_comes_once_in_order_over_a_hundred_lines() -> None:
    chance = random.Random(1)
    found: list[str] = []
    last = lines = 0
    moved = anyio.Event()
    async with served() as server, anyio.create_task_group() as tasks:

        async def happen() -> None:
            for first in range(0, EVENTS, AT_ONCE):
                await server.record(first, AT_ONCE)
                while first - last > BEHIND:
                    await moved.wait()

        tasks.start_soon(happen)
        while len(found) < EVENTS:
            lines += 1
            stream = await server.follow(last)
            enough = chance.randint(1_000, LONGEST_LINE)  # wherever that is in a message
            text = b""
            while len(text) < enough and NEWEST not in text:
                text += await stream.receive(enough - len(text))
            await stream.aclose()
            whole = [one for one in messages(text) if one.get("event") == "event"]
            found += [json.loads(one["data"])["id"] for one in whole]
            last = int(whole[-1]["id"]) if whole else last
            moved.set()
            moved = anyio.Event()
    assert lines >= CUTS
    assert found == [f"e{number}" for number in range(EVENTS)]


async def test_the_server_ends_at_once_however_many_follow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[bytes] = []

    async def read(stream: ByteStream) -> None:
        text = b""
        async for part in stream:
            text += part
        ended.append(text)
        await stream.aclose()

    with caplog.at_level(logging.WARNING), anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, served() as server:
            for stream in await server.followers(20):
                tasks.start_soon(read, stream)
    assert [text.endswith(END) for text in ended] == [True] * 20
    told = [one.getMessage() for one in caplog.records]
    assert told == []  # it waited for nothing, and broke nothing off


async def test_one_more_than_may_follow_is_told_when_to_come_again() -> None:
    async with served() as server:
        streams = await server.followers(MOST_FOLLOWERS)
        refused = await server.follow(0)
        text = (await refused.receive()).lower()
        assert text.startswith(b"http/1.1 503")
        assert b"retry-after: 15" in text
        for stream in (*streams, refused):
            await stream.aclose()
