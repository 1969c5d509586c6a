"""The network: the only code that speaks HTTP to the outside.

Law: everything that can go wrong on the way becomes a SourceError (or an HttpReply with `error`)
here, with a reason that names host and port and never a token, a path or a query. What an answer
*means* is the provider's to say. This package is the one import point of httpx.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import anyio
import httpx  # noqa: TID251 - watcher.transport is the one import point

from watcher.clock import Clock
from watcher.errors import (
    ConfigError,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from watcher.http import http_date
from watcher.providers import Budget, Quota, Request, Response
from watcher.records import HttpReply
from watcher.settings.link import USUAL, Link
from watcher.transport.body import read_whole
from watcher.transport.budget import Budgets
from watcher.transport.client import CONNECT_TIMEOUT, READ_TIMEOUT, call_unix, new_client
from watcher.transport.failures import NETWORK_ERRORS, Failure, explain
from watcher.transport.origins import App, PerOriginTransport

__all__ = [
    "DEADLINE",
    "LARGEST_PAGE",
    "Connection",
    "Link",
    "PerOriginTransport",
    "Transport",
    "call_unix",
    "name_resolution_hangs",
    "prepare_loop",
]

DEADLINE = 60.0
"""Seconds for one exchange from the first byte sent to the last byte read, a retry included."""

LARGEST_PAGE = 32 * 2**20
"""Bytes of an unpacked body; a page is some hundred kilobytes, with long e-mails some megabytes."""

LARGEST_ANSWER = 64 * 1024
"""Bytes that are read of what a receiver answers."""

RESOLVERS = 64
RESOLVER = "inbox-watcher-resolve"


@dataclass(frozen=True, slots=True)
class Connection:
    """How one source reaches its provider.

    `credentials` gives the headers that carry the token; it is asked anew for each request, since
    the token's file may change (it may raise OSError or ConfigError where it cannot be read).
    `quota` is `Provider.quota`. `link` says how connections are made. `deadline` is the seconds that
    a request may take in all, once its budget has let it through, `largest` the bytes of its
    unpacked answer.
    """

    base_url: str
    credentials: Callable[[], Mapping[str, str]]
    budget: Budget
    quota: Callable[[Response], Quota | None]
    link: Link = USUAL
    deadline: float = DEADLINE
    largest: int = LARGEST_PAGE


class Transport:
    """Sends requests of sources, and what webhooks post; an asynchronous context manager.

    `mount` puts ASGI applications in the place of origins (keys like `http://chat.example.com`);
    an application that raises an OSError stands for a connection that fails.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        mount: Mapping[str, App] | None = None,
    ) -> None:
        self._clock = clock
        self._budgets = Budgets()
        self._client = new_client(PerOriginTransport(mount=mount))

    @property
    def waited(self) -> Mapping[str, float]:
        """Seconds that requests have waited for their budget so far, by `Budget.key`."""
        return self._budgets.waited

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def send(self, connection: Connection, request: Request, *, urgent: bool) -> Response:
        """Send one request when its budget allows, and give the whole answer of whatever status.

        `urgent` requests (polls, look-ups) go before the others (sweeps). A kept-alive connection
        that turns out to be dead is replaced at once: to list is safe to repeat.
        Raises SourceUnavailable (network, time, quota), SourceChanged (too long an answer),
        SourceRefused (the credentials cannot be read or sent, the address is none).
        """
        async with self._budgets.admitted(connection.budget, urgent=urgent) as admission:
            response = await self._exchange(connection, request)
            admission.report(connection.quota(response))
        return response

    async def _exchange(self, connection: Connection, request: Request) -> Response:
        message: httpx.Request | None = None
        try:
            message = self._compose(connection, request)
            with anyio.fail_after(connection.deadline):
                try:
                    return await self._attempt(message, connection.largest)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    if not message.extensions["trace"].stale:
                        raise
                return await self._attempt(self._compose(connection, request), connection.largest)
        except NETWORK_ERRORS as error:
            url = None if message is None else message.url
            # No chain: a library's message may quote the header that carries the token.
            failure = explain(error, url, "the provider", connection.link)
            raise _to_source_error(failure) from None

    def _compose(self, connection: Connection, request: Request) -> httpx.Request:
        path = quote(request.path, safe="/%:@!$&'()*+,;=~")
        headers = {"accept": "application/json", "accept-encoding": "gzip", **dict(request.headers)}
        return self._client.build_request(
            request.method,
            connection.base_url.rstrip("/") + path,
            params=request.params or None,
            json=request.json,
            headers={**headers, **_read_credentials(connection)},
            timeout=httpx.Timeout(
                max(READ_TIMEOUT, connection.deadline - READ_TIMEOUT), connect=CONNECT_TIMEOUT
            ),
            extensions={"trace": _Trace(), "link": connection.link},
        )

    async def _attempt(self, message: httpx.Request, most: int) -> Response:
        sent = self._clock()
        answer = await self._client.send(message, stream=True)
        try:
            body = await read_whole(answer, most)
        finally:
            await answer.aclose()
        return Response(
            status=answer.status_code,
            body=body,
            headers=dict(answer.headers),
            sent=sent,
            received=self._clock(),
            date=http_date(answer.headers.get("date", "")),
        )

    async def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        timeout: float,
        connect_timeout: float = CONNECT_TIMEOUT,
        link: Link = USUAL,
    ) -> HttpReply:
        """POST once (`watcher.notify.Post`): no redirect is followed, nothing is repeated.

        `timeout` is in seconds for all of it, `connect_timeout` for the connection alone. Once there
        is a status it counts, however slowly the rest of the answer drips; at most 64 KiB of it are
        read, at most until `timeout` seconds have passed in all.
        """
        message: httpx.Request | None = None
        answer: httpx.Response | None = None
        body = bytearray()
        try:
            with anyio.fail_after(timeout):
                message = self._client.build_request(
                    "POST",
                    url,
                    content=content,
                    headers={"accept-encoding": "identity", **headers},
                    timeout=httpx.Timeout(timeout, connect=min(timeout, connect_timeout)),
                    extensions={"link": link},
                )
                answer = await self._client.send(message, stream=True)
                async for chunk in answer.aiter_raw():
                    body += chunk[: LARGEST_ANSWER - len(body)]
                    if len(body) >= LARGEST_ANSWER:
                        break
        except NETWORK_ERRORS as error:
            if answer is None:
                address = None if message is None else message.url
                return HttpReply(0, {}, b"", explain(error, address, "the receiver", link).reason)
        finally:
            if answer is not None:
                await answer.aclose()
        return HttpReply(answer.status_code, dict(answer.headers), bytes(body))


def prepare_loop() -> None:
    """Give the running loop threads enough to resolve host names.

    asyncio resolves in its default executor, which has six threads on two cores: six names that
    hang in DNS would delay every healthy host.
    """
    asyncio.get_running_loop().set_default_executor(
        _Resolvers(RESOLVERS, thread_name_prefix=RESOLVER)
    )


def name_resolution_hangs() -> bool:
    """Tell whether a thread still waits for DNS; the interpreter would wait for it at exit, for as
    long as the resolver likes.
    """
    return any(thread.name.startswith(RESOLVER) for thread in threading.enumerate())


class _Resolvers(ThreadPoolExecutor):
    """An executor that a loop's end does not wait for: a name that hangs cannot be called back."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class _Trace:
    """Notes how far a request came (httpcore's `trace` extension)."""

    __slots__ = ("answered", "connected")

    def __init__(self) -> None:
        self.connected = False
        self.answered = False

    async def __call__(self, name: str, _info: Mapping[str, Any]) -> None:
        if name.startswith("connection.connect"):
            self.connected = True
        elif name == "http11.receive_response_headers.complete":
            self.answered = True

    @property
    def stale(self) -> bool:
        """Whether a failed request found a kept-alive connection dead."""
        return not self.connected and not self.answered


def _read_credentials(connection: Connection) -> Mapping[str, str]:
    try:
        return connection.credentials()
    except OSError as error:
        raise SourceRefused(
            f"the token cannot be read ({error.strerror or type(error).__name__})",
            "check the file or variable that the configuration takes the token from",
            reached=False,
        ) from None
    except ConfigError as error:
        remedy = str(error).partition("\n")[0]
        raise SourceRefused("the token cannot be read", remedy, reached=False) from None


def _to_source_error(failure: Failure) -> SourceError:
    if failure.ours:
        return SourceRefused(failure.reason, failure.remedy, reached=False)
    return SourceUnavailable(failure.reason, failure.remedy, connect=failure.connect)
