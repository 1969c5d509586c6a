"""HTTP/1.1 over one connection: what httpx's own transport does, at less than half of its cost.

Rules: one request at a time, its answer, and the connection kept for the next one. No pool, no proxy, no
redirect, no repetition; errors are httpx's own. httptools (the parser of Node.js) reads, httpcore's backend
connects and encrypts. In httpx's own transport most of a request's time is spent in a pool for many hosts
and in a parser written in Python.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import httpcore
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from watcher.clock import loop_time
from watcher.transport.library import httpx

__all__ = ["DirectTransport", "Reply", "written"]

LARGEST_HEAD = 64 * 1024
"""Bytes that may arrive with nothing of a body: an answer's headers with the interim answers (1xx) before
them, trailers, or what a chunk says of itself.
"""

CHUNK = 64 * 1024
"""Bytes that are read at once."""

CLOSING = 1.0
"""Seconds that closing a connection may take."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?")
"""A header's name and value as they may be sent (RFC 9110 5.1 and 5.5)."""

ERRORS: Mapping[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.WriteError: httpx.WriteError,
}


class DirectTransport:
    """One connection to one origin, made when it is needed.

    `keepalive` is for how many seconds it is kept without a request.
    """

    def __init__(
        self, context: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend, *, keepalive: float
    ) -> None:
        self._context = context
        self._backend = backend
        self._keepalive = keepalive
        self._stream: httpcore.AsyncNetworkStream | None = None
        self._idle_since = 0.0

    async def exchange(
        self,
        url: httpx.URL,
        message: bytes,
        reply: Reply,
        *,
        connect: float,
        read: float | None,
        most: int,
        begun: Callable[[Reply], None] | None,
    ) -> None:
        """Send a request as it is `written`, with its body, over a connection to the host of `url`; the rest
        is as for `Lane.exchange`. How long all takes is the caller's to bound.
        """
        former = self._stream
        stream = await self._connected(url, connect)
        reply.reused = stream is former
        answer = await self._asked(stream, message, read)
        reply.begin(answer.status, answer.headers)
        try:
            if begun is not None:
                begun(reply)
            while True:
                for chunk in answer.chunks:
                    reply.body += chunk[: most - len(reply.body)]
                answer.chunks.clear()
                if answer.complete or len(reply.body) >= most:
                    break
                with _MAPPED:
                    if not await answer.read(stream, read):
                        raise httpx.RemoteProtocolError("the server closed within its answer")
        finally:
            self._idle_since = loop_time()
            if not (answer.complete and answer.keeps):
                await self.aclose()

    async def _asked(
        self, stream: httpcore.AsyncNetworkStream, message: bytes, timeout: float | None
    ) -> _Answer:
        """Send a request; return the answer when its headers have come."""
        answer = _Answer()
        try:
            with _MAPPED:
                # A server may answer and close before it has read everything.
                lost: Exception | None = None
                try:
                    await stream.write(message, timeout)
                except httpcore.WriteError as error:
                    lost = error
                while not answer.has_head:
                    if not await answer.read(stream, timeout):
                        if lost is not None:
                            raise lost
                        raise httpx.RemoteProtocolError("the server closed without an answer")
        except BaseException:
            await self.aclose()
            raise
        return answer

    async def _connected(
        self, url: httpx.URL, timeout: float | None
    ) -> httpcore.AsyncNetworkStream:
        kept = self._stream
        if kept is not None:
            # What is readable before a request is the other side's end.
            rested = loop_time() - self._idle_since
            if rested <= self._keepalive and not kept.get_extra_info("is_readable"):
                return kept
            await self.aclose()
        if url.scheme not in ("http", "https") or not url.raw_host:
            raise httpx.UnsupportedProtocol("no http or https address")
        host, secure = url.raw_host.decode("ascii"), url.scheme == "https"
        with _MAPPED:
            stream = await self._backend.connect_tcp(
                host, url.port or (443 if secure else 80), timeout
            )
            if secure:
                self._context.set_alpn_protocols(["http/1.1"])
                stream = await stream.start_tls(self._context, host, timeout)
        self._stream = stream
        return stream

    async def aclose(self) -> None:
        """Close the connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSING):
                await stream.aclose()


@dataclass(slots=True)
class Reply:
    """What came of a request, as far as it came; without a status, nothing has."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """By their names in small letters, what is given twice in one line."""

    body: bytearray = field(default_factory=bytearray)
    reused: bool = False
    """Whether the request went over a connection that was there before."""

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Note what the head of the answer says."""
        self.status = status
        for name, value in headers:
            key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


class _Answer:
    """An answer while it arrives; the parser calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.complete = False
        self.keeps = False
        """Whether the server keeps the connection, and has sent nothing beyond the answer."""

        self.chunks: list[bytes] = []
        self._parser = HttpResponseParser(self)
        self._size = 0
        self._ends_with_connection = True

    async def read(self, stream: httpcore.AsyncNetworkStream, timeout: float | None) -> bool:
        """Read on; return False at the end of the connection, where that is not the answer's end."""
        arrived = await stream.read(CHUNK, timeout)
        if not arrived:
            self.complete = self.has_head and self._ends_with_connection
            return self.complete
        self._size += len(arrived)
        try:
            self._parser.feed_data(arrived)
        except (HttpParserError, HttpParserUpgrade):
            raise httpx.RemoteProtocolError("the answer is no HTTP/1.1") from None
        if self._size > LARGEST_HEAD:
            raise httpx.RemoteProtocolError("what is around the answer's body is too long")
        if self.complete:
            del self._parser  # each knows the other: neither would go before it is searched for
        return True

    def on_message_begin(self) -> None:
        if self.complete:  # a second answer, which nobody asked for
            self.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:
            return  # trailers
        self.headers.append((name, value))
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200
        if self.status in (204, 304):
            self._ends_with_connection = False

    def on_body(self, body: bytes) -> None:
        self._size = 0
        if not self.complete:
            self.chunks.append(body)

    def on_message_complete(self) -> None:
        if not self.has_head:  # an interim answer: the real one follows
            self.headers.clear()
            self._ends_with_connection = True
        elif not self.complete:
            self.complete, self.keeps = True, self._parser.should_keep_alive()


class _Mapped:
    """Turns httpcore's errors into httpx's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None and (kind := ERRORS.get(type(error))) is not None:  # type: ignore[arg-type] # a key of another type is none
            raise kind(str(error)) from error


_MAPPED = _Mapped()


def written(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a request's line and headers as they are sent; raise LocalProtocolError."""
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target)]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            # Without the header: it may be the token's.
            raise httpx.LocalProtocolError("a header has characters that HTTP does not allow")
        lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join((*lines, b"", b""))
