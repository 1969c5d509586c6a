"""Connections: one small pool for each origin and link, over one shared TLS context where it can.

Law: moves requests and answers, judges neither. One pool over many hosts walks all of its
connections on every request (encode/httpcore#1035), so that polling 300 hosts costs fifty times
as much as polling ten; a pool per origin stays flat, and its limit is a politeness of its own.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx  # noqa: TID251 - watcher.transport is the one import point

from watcher.settings.link import USUAL, Link
from watcher.transport.links import context_for, marks, read_proxy, tls_context

__all__ = [
    "App",
    "Origin",
    "PerOriginTransport",
    "link_of",
    "origin_of",
    "proxy_for",
]

Origin = tuple[str, str, int]
"""Scheme, host and port."""

App = Callable[..., Any]
"""An ASGI application."""

KEEPALIVE = 90.0
"""Seconds; above the usual poll interval, so that a poll does not pay for a new TLS connection."""

IDLE = 300.0
"""Seconds after which an unused origin's connections are closed."""

LOOK_AROUND = 60.0
"""Seconds between two looks for unused origins."""


def origin_of(url: httpx.URL) -> Origin:
    """Give the origin of an address, the port also where it is the scheme's own."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def link_of(request: httpx.Request) -> Link:
    """Give the link that a request asks for in its extensions, else the usual one."""
    link: Link = request.extensions.get("link", USUAL)
    return link


def proxy_for(origin: Origin, link: Link = USUAL) -> str | None:
    """Give the proxy on the way to an origin: the link's own, else the environment's.

    Raises LinkUnusable where the link's own cannot be read.
    """
    own = read_proxy(link)
    return _proxy_of_environment(origin) if own is None else own or None


def _proxy_of_environment(origin: Origin) -> str | None:
    """Give the proxy that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` ask for.

    This machine itself is never reached through a proxy.
    """
    scheme, host, port = origin
    if _is_loopback(host) or proxy_bypass(f"{host}:{port}" if ":" not in host else host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Pool:
    """One origin's transport; `busy` counts answers that are still being read."""

    __slots__ = ("busy", "transport", "used")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.busy = 0
        self.used = anyio.current_time()

    def idle(self, now: float) -> bool:
        return self.busy == 0 and now - self.used >= IDLE


class _Leased(httpx.AsyncByteStream):
    """An answer's body that tells its pool when it has been read or given up."""

    def __init__(self, stream: httpx.AsyncByteStream, pool: _Pool) -> None:
        self._stream = stream
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        if self._pool is not None:
            self._pool.busy -= 1
            self._pool.used = anyio.current_time()
            self._pool = None
        await self._stream.aclose()


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


class PerOriginTransport(httpx.AsyncBaseTransport):
    """Sends each request over its origin's own pool, and closes the pools that nobody uses.

    `mount` puts ASGI applications in the place of origins, for tests and the demo; its keys read
    like `http://chat.example.com`.
    """

    def __init__(self, *, mount: Mapping[str, App] | None = None) -> None:
        self._mounted = {
            origin_of(httpx.URL(origin)): _Mounted(app) for origin, app in (mount or {}).items()
        }
        self._pools: dict[tuple[Origin, Link, tuple[object, ...]], _Pool] = {}
        self._tls: ssl.SSLContext | None = None
        self._looked = 0.0

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The origins with a pool at present."""
        return tuple(origin for origin, _, _ in self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over the pool of the origin and the link (`extensions["link"]`).

        Raises LinkUnusable beside what httpx raises.
        """
        await self._close_idle()
        link = link_of(request)
        key = (origin_of(request.url), link, marks(link))
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(self._open(key[0], link))
        pool.busy += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.busy -= 1
            pool.used = anyio.current_time()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type
        response.stream = _Leased(response.stream, pool)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.transport.aclose()

    def _open(self, origin: Origin, link: Link) -> httpx.AsyncBaseTransport:
        if origin in self._mounted:
            return self._mounted[origin]
        context = self._context(link)
        address = proxy_for(origin, link)
        try:
            tls = context if address and address.startswith("https:") else None
            proxy = None if address is None else httpx.Proxy(address, ssl_context=tls)
            return httpx.AsyncHTTPTransport(
                verify=context,
                trust_env=False,
                proxy=proxy,
                limits=httpx.Limits(
                    max_connections=link.connections,
                    max_keepalive_connections=link.connections,
                    keepalive_expiry=KEEPALIVE,
                ),
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise httpx.ProxyError("the proxy's address cannot be used") from None

    def _context(self, link: Link) -> ssl.SSLContext:
        if link.verify and link.ca_file is None and link.client_cert is None:
            if self._tls is None:
                self._tls = tls_context()
            return self._tls
        return context_for(link)

    async def _close_idle(self) -> None:
        now = anyio.current_time()
        if now - self._looked < LOOK_AROUND:
            return
        self._looked = now
        for key in [key for key, pool in self._pools.items() if pool.idle(now)]:
            await self._pools.pop(key).transport.aclose()
