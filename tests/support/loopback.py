"""Servers on loopback that answer byte for byte what a test wants, faults included."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Served", "answer", "proxying", "serving", "unused_port"]


@dataclass
class Served:
    """What a server has seen. `requests` are whole: head and body. `open` counts the connections
    that neither side has closed.
    """

    port: int = 0
    connections: int = 0
    open: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition about what the server has seen holds, five seconds at most."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - it may be about anything here
                await asyncio.sleep(0.01)


Script = Callable[[Served, asyncio.StreamWriter], Awaitable[None]]
"""Answers the last of `Served.requests`; closing the writer ends the connection."""


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """Compose an answer with the right length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def serving(
    script: Script | bytes, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """Serve on an unused port; a script of bytes is the answer to everything."""
    served = Served()
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        served.connections += 1
        served.open += 1
        try:
            while not writer.is_closing():
                served.requests.append(await _read_request(reader))
                if isinstance(script, bytes):
                    writer.write(script)
                    await writer.drain()
                else:
                    await script(served, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            tasks.discard(task)
            served.open -= 1

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


@asynccontextmanager
async def proxying(to: Callable[[], int]) -> AsyncIterator[Served]:
    """Serve a proxy that takes CONNECT and leads every tunnel to one port of this machine."""
    served = Served()

    async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                target.write(chunk)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        served.open += 1
        served.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", to())
        await asyncio.gather(relay(reader, there[1]), relay(there[0], writer))
        await asyncio.gather(there[1].wait_closed(), writer.wait_closed(), return_exceptions=True)

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as entrance:
        served.port = entrance.sockets[0].getsockname()[1]
        yield served


async def unused_port() -> int:
    """Return a port where nobody listens."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
