"""Connections over which requests cost little: httpcore's own, without what it does over and over.

Rules: moves bytes as httpcore does; changes nothing of what it sends, waits for or raises. A connection reads
what comes, up to a bound, also while nobody asks: to be told to read and not to read costs two calls of the
system for every answer.
"""

from __future__ import annotations

import asyncio
import select
import sys
from collections import deque
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import anyio
from anyio.abc import ByteStream
from httpcore import (
    AnyIOBackend,
    AsyncNetworkStream,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)

__all__ = ["SocketBackend"]

# httpcore looks for this package several times in each request, to find out which loop runs. To look for one
# that is not installed reads every folder of the path, 0.2 ms each time; without it, it takes asyncio.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # the import system's own mark

MOST_UNREAD = 128 * 1024
"""Bytes that have come and nobody has asked for, beyond which no more are read for the moment."""


class SocketBackend(AnyIOBackend):
    """Makes connections that cost little to read and write, and to ask whether the other side has ended."""

    async def connect_tcp(self, *args: Any, **options: Any) -> AsyncNetworkStream:
        """Connect to a host."""
        inner: Any = await super().connect_tcp(*args, **options)  # its parts have no public names
        wire = _Wire(inner._stream)
        inner._stream = wire  # so that TLS goes over it, too
        return _Stream(inner, wire)


class _Wire(asyncio.Protocol, ByteStream):
    """A socket of asyncio's, after anyio has connected it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._transport: asyncio.Transport = stream._transport
        self._loop = asyncio.get_running_loop()
        self._chunks = deque[bytes]()
        self._unread = 0
        self._paused = self._full = self._closed = self._over = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            self._over = True
        else:
            self._transport.resume_reading()

    # What asyncio tells

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._unread += len(data)
        if self._unread > MOST_UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._over = True
        _wake(self._reader)
        return True  # what is under way may still be sent

    def connection_lost(self, exc: Exception | None) -> None:
        self._over, self._error = True, exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        _wake(self._writer)

    # What is asked of it

    @property
    def readable(self) -> bool:
        """Whether something has come, or the end."""
        return self._over or bool(self._chunks)

    async def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:
        """Return what has come, once something has; raise anyio's errors, EndOfStream among them, and
        TimeoutError.
        """
        if not self._chunks:
            if not self._over and not self._closed:
                self._reader = self._loop.create_future()
                await _within(timeout, self._reader)
            if not self._chunks:
                if self._closed:
                    raise anyio.ClosedResourceError
                if self._error is not None:
                    raise anyio.BrokenResourceError from self._error
                raise anyio.EndOfStream
        chunk = self._chunks.popleft()
        if len(chunk) > max_bytes:
            self._chunks.appendleft(chunk[max_bytes:])
            chunk = chunk[:max_bytes]
        self._unread -= len(chunk)
        if self._paused and not self._unread:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    async def send(self, item: bytes, *, timeout: float | None = None) -> None:
        """Send, and wait until the system has taken all of it; raise anyio's errors and TimeoutError."""
        if self._closed:
            raise anyio.ClosedResourceError
        if self._error is not None or self._transport.is_closing():
            raise anyio.BrokenResourceError from self._error
        self._transport.write(item)
        while self._full and not self._transport.is_closing():
            self._writer = self._loop.create_future()
            await _within(timeout, self._writer)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self._closed = True
        _wake(self._reader)
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        found: Mapping[Any, Callable[[], Any]] = self._stream.extra_attributes
        return found


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


async def _within(timeout: float | None, waiter: asyncio.Future[None]) -> None:
    """Wait for a future, as long as that; raise TimeoutError."""
    if timeout is None:
        await waiter
        return
    ends = waiter.get_loop().call_later(timeout, _give_up, waiter)
    try:
        await waiter
    finally:
        ends.cancel()


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class _Stream(AsyncNetworkStream):
    """A connection. The pool asks each idle one several times in each request whether it can be read, and
    anyio looks up all that it knows of a socket for that, the peer's address, too.
    """

    def __init__(self, inner: Any, wire: _Wire) -> None:
        self._inner = inner
        self._wire = wire
        self._socket = inner.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)
        self.aclose = inner.aclose  # type: ignore[method-assign]
        if inner._stream is not wire:  # TLS over it
            self.read, self.write = inner.read, inner.write  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._wire.receive(max_bytes, timeout=timeout)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ReadError(str(error)) from error
        except TimeoutError as error:
            raise ReadTimeout(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._wire.send(buffer, timeout=timeout)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise WriteError(str(error)) from error
        except TimeoutError as error:
            raise WriteTimeout(str(error)) from error

    async def start_tls(self, *args: Any, **options: Any) -> AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*args, **options), self._wire)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            # Also what the loop has not heard of yet.
            closed = self._socket.fileno() < 0
            return closed or self._wire.readable or bool(self._poll.poll(0))
        return self._inner.get_extra_info(info)
