"""Connections that cost little: what is sent arrives, what arrives is read, and nothing grows."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import anyio
import pytest
from httpcore import AsyncNetworkStream, ReadError, ReadTimeout, WriteError, WriteTimeout
from hypothesis import given
from hypothesis import strategies as st

from watcher.transport.streams import MOST_UNREAD, SocketBackend

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

READ_AT_ONCE = 256 * 1024
"""Bytes that asyncio reads of a socket at a time."""


@asynccontextmanager
async def connected(talk: Talk) -> AsyncIterator[AsyncNetworkStream]:
    """Yield a connection to a server that does this with it."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    stream = await SocketBackend().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield stream
    finally:
        await stream.aclose()
        server.close()
        await asyncio.sleep(0.01)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


def sends(content: bytes, *, reset: bool = False) -> Talk:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        if reset:
            await asyncio.sleep(0.05)  # what was sent has arrived
            socket = writer.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))

    return talk


async def read_all(stream: AsyncNetworkStream, at_once: int) -> bytes:
    content = b""
    while chunk := await stream.read(at_once, 5.0):
        assert len(chunk) <= at_once
        content += chunk
    return content


@given(st.binary(max_size=2_000), st.integers(1, 500))
def test_what_arrives_is_read_in_whatever_pieces(content: bytes, at_once: int) -> None:
    async def main() -> None:
        async with connected(sends(content)) as stream:
            assert await read_all(stream, at_once) == content
            assert stream.get_extra_info("is_readable")

    anyio.run(main)


async def test_of_what_nobody_asks_for_no_more_is_read_than_a_bound() -> None:
    content = bytes(range(256)) * 20_000
    async with connected(sends(content)) as stream:
        wire: Any = stream._wire  # type: ignore[attr-defined] # what it holds has no public name
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert wire._unread <= MOST_UNREAD + READ_AT_ONCE
        assert wire._unread > MOST_UNREAD, "as much was sent"
        assert await read_all(stream, 64 * 1024) == content


async def test_what_is_sent_waits_until_it_is_taken() -> None:
    go, content = asyncio.Event(), bytes(20_000_000)
    taken = asyncio.get_running_loop().create_future()

    async def slow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await go.wait()
        taken.set_result(await reader.readexactly(len(content)))

    async with connected(slow) as stream:
        with pytest.raises(WriteTimeout):
            await stream.write(content, 0.05)
        go.set()
        await stream.write(b"", 5.0)
        assert await taken == content


async def test_errors_are_those_of_httpcore() -> None:
    async with connected(silent) as stream:
        with pytest.raises(ReadTimeout):
            await stream.read(1, 0.01)
        with pytest.raises(ReadTimeout):  # again, and no later one is disturbed
            await stream.read(1, 0.01)
        async with anyio.create_task_group() as tasks:

            async def close() -> None:
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()

            tasks.start_soon(close)
            with pytest.raises(ReadError):
                await stream.read(1)
        with pytest.raises(WriteError):
            await stream.write(b"x")
        with pytest.raises(ReadError):
            await stream.read(1)
        assert stream.get_extra_info("is_readable")


async def test_what_came_before_a_reset_is_read() -> None:
    async with connected(sends(b"the answer", reset=True)) as stream:
        assert await stream.read(100, 5.0) == b"the answer"
        with pytest.raises(ReadError):
            await stream.read(100, 5.0)
        with pytest.raises(WriteError):
            await stream.write(b"x", 5.0)


async def test_who_is_cancelled_while_it_reads_leaves_the_connection_usable() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    async with connected(echo) as stream:
        with anyio.move_on_after(0.01):
            await stream.read(1)
        await stream.write(b"hello")
        assert await stream.read(100, 5.0) == b"hello"
