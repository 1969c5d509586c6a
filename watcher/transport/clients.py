"""HTTP clients: how httpx is set up here, and who shares one.

Rules: moves requests and answers, judges neither. Nothing of the environment but proxies and
certificate authorities counts, nothing is remembered between requests, and httpx logs no addresses.

A client talks to one host over a few lanes of one connection each: a pool of several would be slow, because
httpcore walks all of its connections on each request (encode/httpcore#1035). Each receiver has a client of
its own, so that one that hangs does not hold up another. Sources of one host that connect in the usual way
share theirs: a thousand accounts of one service are a few connections, not a thousand.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from watcher.addresses import EVERYWHERE, AddressFilter
from watcher.clock import loop_time
from watcher.settings.link import USUAL, Link
from watcher.transport.addresses import FilteringBackend, judge_name
from watcher.transport.direct import DirectTransport, Reply, written
from watcher.transport.library import httpx
from watcher.transport.links import (
    Origin,
    context_for,
    marks,
    origin_of,
    proxy_for,
    tls_context,
)
from watcher.transport.requests import OutgoingRequest

__all__ = [
    "CONNECT_TIMEOUT",
    "READ_TIMEOUT",
    "App",
    "Clients",
    "Lane",
    "LinkClient",
]

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds: for a connection, and for the next bytes to arrive."""

KEEPALIVE = 90.0
"""Seconds; above the usual poll interval, so that a poll does not pay for a new TLS connection."""

AnyTransport = DirectTransport | httpx.AsyncBaseTransport

App = Callable[..., Any]
"""An ASGI application."""

# httpx logs whole addresses at INFO, httpcore whole headers at DEBUG: tokens, both of them.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Clients:
    """Opens clients, and closes those that are still open at the end.

    `mount` puts ASGI applications in the place of origins, for tests and the demo; its keys read
    like `http://chat.example.com`. One that raises an OSError stands for a connection that fails.
    """

    def __init__(self, mount: Mapping[str, App] | None = None) -> None:
        self.addresses = EVERYWHERE
        self._mounted = {
            origin_of(httpx.URL(origin)): _Mounted(app) for origin, app in (mount or {}).items()
        }
        self._tls: ssl.SSLContext | None = None
        self._open: set[LinkClient] = set()
        self._shared: dict[str, LinkClient] = {}

    def open(self, link: Link) -> LinkClient:
        """Return a client that connects as `link` says."""
        client = LinkClient(link, self._connect, self._open.discard, lambda: self.addresses)
        self._open.add(client)
        return client

    def share(self, link: Link, address: str) -> LinkClient:
        """Return the client that all share which connect as `link` says to the host of `address`."""
        if link is not USUAL:  # certificates and proxies of its own may be read again at any time
            return self.open(link)
        scheme, _, rest = address.partition("://")
        host = f"{scheme}://{rest.partition('/')[0]}"
        client = self._shared.get(host)
        if client is None or client not in self._open:
            client = self._shared[host] = self.open(link)
        else:
            client.owners += 1
        return client

    async def aclose(self) -> None:
        """Close every client."""
        for client in tuple(self._open):
            client.owners = 1
            await client.aclose()

    def _connect(self, origin: Origin, link: Link) -> AnyTransport:
        if origin in self._mounted:
            return self._mounted[origin]
        address = proxy_for(origin, link)
        secure = "https" in (origin[0], (address or "").partition(":")[0])
        context, backend = self._context(link, secure), FilteringBackend(lambda: self.addresses)
        if address is None:
            return DirectTransport(context, backend, keepalive=KEEPALIVE)
        try:
            transport = httpx.AsyncHTTPTransport(
                verify=context,
                trust_env=False,
                proxy=httpx.Proxy(
                    address, ssl_context=context if address.startswith("https:") else None
                ),
                limits=httpx.Limits(
                    max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE
                ),
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise httpx.ProxyError("the proxy's address cannot be used") from None
        # httpx has no parameter for it; without one, nothing judges where connections go.
        transport._pool._network_backend = backend
        return transport

    def _context(self, link: Link, secure: bool) -> ssl.SSLContext:
        # A context takes 20 ms to make and two megabytes to keep: the usual one is shared, and made where
        # something is encrypted.
        if not link.verify or link.ca_file is not None or link.client_cert is not None:
            return context_for(link)
        if not secure:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._tls is None:
            self._tls = tls_context()
        return self._tls


class Lane:
    """One connection, with nothing of httpx's client: no cookies (accounts on one host must not share
    them), no redirects (they would carry the token elsewhere), no .netrc.
    """

    __slots__ = ("_transport", "used")

    def __init__(self, transport: AnyTransport) -> None:
        self._transport = transport
        self.used = 0.0
        """When it was used last (loop time)."""

    async def exchange(
        self,
        request: OutgoingRequest,
        reply: Reply,
        *,
        connect: float,
        read: float | None,
        most: int,
        begun: Callable[[Reply], None] | None = None,
    ) -> None:
        """Send a request and fill `reply` with what comes, at most `most` bytes of a body.

        `connect` and `read` are seconds, for a connection and for the next bytes; `begun` is called when the
        headers have come, and may raise what then ends the exchange. Raise httpx.HTTPError.
        """
        if isinstance(self._transport, DirectTransport):
            await self._transport.exchange(
                request.url,
                written(request.method, request.target, request.headers.items()) + request.content,
                reply,
                connect=connect,
                read=read,
                most=most,
                begun=begun,
            )
            return
        timeout = httpx.Timeout(read, connect=connect)
        trace = _Trace(reply)
        message = request.for_httpx({"timeout": timeout.as_dict(), "trace": trace})
        answer = await self._transport.handle_async_request(message)
        answer.request = message
        reply.begin(answer.status_code, answer.headers.raw)
        try:
            if begun is not None:
                begun(reply)
            async for chunk in answer.aiter_raw():
                reply.body += chunk[: most - len(reply.body)]
                if len(reply.body) >= most:
                    break
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._transport.aclose()


class _Trace:
    """Notes whether a request made a connection of its own (httpcore's `trace` extension)."""

    __slots__ = ("_reply",)

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        reply.reused = True

    async def __call__(self, name: str, _info: Mapping[str, Any]) -> None:
        if name.startswith("connection.connect"):
            self._reply.reused = False


class _Generation:
    """The lanes to one origin, made in one state of the link's files."""

    def __init__(self, key: tuple[object, ...], connect: Callable[[], AnyTransport]) -> None:
        self.key = key
        self._connect = connect
        self._idle: list[Lane] = []  # the one that was used last is used next
        self._over = False

    async def take(self) -> Lane:
        """Return a lane that nobody uses."""
        # Its server has closed it, or is about to.
        if self._idle and loop_time() - self._idle[0].used > KEEPALIVE:
            await self._idle.pop(0).aclose()
        return self._idle.pop() if self._idle else Lane(self._connect())

    async def put_back(self, lane: Lane) -> None:
        """Keep a lane for the next request, if there is one."""
        if self._over:
            await lane.aclose()
        else:
            lane.used = loop_time()
            self._idle.append(lane)

    async def aclose(self) -> None:
        """Close what is idle now, and what is under way when it is done."""
        self._over = True
        idle, self._idle = self._idle, []
        for lane in idle:
            await lane.aclose()


class LinkClient:
    """The client of a receiver, of a source or of the sources of one host.

    Its connections are replaced when its origin, a file of its link or what addresses are denied changes.
    """

    def __init__(
        self,
        link: Link,
        connect: Callable[[Origin, Link], AnyTransport],
        closed: Callable[[LinkClient], None],
        addresses: Callable[[], AddressFilter],
    ) -> None:
        self.link = link
        self.owners = 1
        self._connect = connect
        self._closed = closed
        self._addresses = addresses
        self._current: _Generation | None = None
        self._turns = anyio.Semaphore(link.connections)

    @asynccontextmanager
    async def using(self, url: httpx.URL) -> AsyncIterator[Lane]:
        """Yield a lane for a request to the origin of `url`, once one is free; raise LinkUnusable."""
        try:
            self._turns.acquire_nowait()
        except anyio.WouldBlock:
            await self._turns.acquire()
        try:
            if self._addresses().deny and proxy_for(origin_of(url), self.link) is not None:
                await judge_name(url.host, origin_of(url)[2], self._addresses())
            generation = await self._generation(url)
            lane = await generation.take()
            try:
                yield lane
            finally:
                await generation.put_back(lane)
        finally:
            self._turns.release()

    async def _generation(self, url: httpx.URL) -> _Generation:
        # What was connected to before it was denied is not used any more.
        key = (origin_of(url), marks(self.link), self._addresses())
        former = self._current
        if former is not None and former.key == key:
            return former
        self._current = _Generation(key, lambda: self._connect(origin_of(url), self.link))
        # Requests under way finish over the connections that they began with.
        if former is not None:
            await former.aclose()
        return self._current

    async def aclose(self) -> None:
        """Close every connection, once its last owner asks for it."""
        self.owners -= 1
        if self.owners > 0:
            return
        self._closed(self)
        current, self._current = self._current, None
        if current is not None:
            await current.aclose()


class _Mounted(httpx.AsyncBaseTransport):
    """An ASGI application in the place of a server. One that raises ConnectionRefusedError or
    socket.gaierror is out of reach, one that raises any other OSError breaks the connection off.
    """

    def __init__(self, app: App) -> None:
        self._inner = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except (ConnectionRefusedError, socket.gaierror) as error:
            raise httpx.ConnectError(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
