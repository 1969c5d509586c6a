"""Requests of one source: within its budget, with its credentials, and the whole answer or an error.

Rules: whatever goes wrong on the way becomes a SourceError that names host and port, never a token,
a path or a query. An answer that is no success has lost the credentials of its request, in whatever
form it quotes them, before anybody reads it. What an answer *means* is decided by the provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio

from watcher.clock import Clock
from watcher.errors import ConfigError, SourceError, SourceRefused, SourceUnavailable
from watcher.http import http_date
from watcher.providers import Budget, Quota, Request, Response
from watcher.settings.link import USUAL, Link
from watcher.transport.body import read_whole
from watcher.transport.budget import Budgets
from watcher.transport.clients import CONNECT_TIMEOUT, READ_TIMEOUT, Lane, LinkClient, compose
from watcher.transport.echoes import redactor_of, strike_bytes
from watcher.transport.failures import NETWORK_ERRORS, Failure, explain
from watcher.transport.library import httpx

__all__ = ["DEADLINE", "LARGEST_PAGE", "Connection", "SourceClient"]

DEADLINE = 60.0
"""Seconds for one exchange from the first byte sent to the last byte read, a retry included."""

LARGEST_PAGE = 32 * 2**20
"""Bytes of an unpacked body; a page is some hundred kilobytes, with long e-mails some megabytes."""

LARGEST_ERROR = 64 * 2**10
"""Bytes that count of an answer that is no success."""

NOT_MODIFIED = 304
"""The answer to a conditional request that has nothing new to say, and no words that could quote."""

STALE_ERRORS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""How a kept-alive connection fails that the server has closed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How one source reaches its provider."""

    base_url: str
    """What the path of each request is appended to."""

    credentials: Callable[[], Mapping[str, str]]
    """Returns the headers that carry the token. Called for each request, since the token's file may
    change; may raise OSError or ConfigError.
    """

    budget: Budget
    """The request limit; sources with the same key share it."""

    quota: Callable[[Response], Quota | None]
    """`Provider.quota`: what an answer says of the limit."""

    link: Link = USUAL
    """How connections are made."""

    deadline: float = DEADLINE
    """Seconds that a request may take once its budget has admitted it."""

    largest: int = LARGEST_PAGE
    """Bytes that an unpacked answer may have."""


class SourceClient:
    """Sends the requests of one source."""

    def __init__(
        self, connection: Connection, client: LinkClient, budgets: Budgets, clock: Clock
    ) -> None:
        self._connection = connection
        self._client = client
        self._budgets = budgets
        self._clock = clock
        self._base: httpx.URL | None = None

    async def send(self, request: Request, *, urgent: bool) -> Response:
        """Send one request when its budget allows, and return the whole answer of whatever status.

        `urgent` requests (polls, look-ups) go before the others (sweeps). A kept-alive connection
        that turns out to be dead is replaced at once: listing is safe to repeat.
        Raise SourceUnavailable (network, time, quota), SourceChanged (too long an answer),
        SourceRefused (unreadable credentials or certificates, an invalid address).
        """
        connection = self._connection
        async with self._budgets.admitted(connection.budget, urgent=urgent) as admission:
            response = await self._exchange(request)
            admission.report(connection.quota(response), refused=response.status == 429)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _exchange(self, request: Request) -> Response:
        try:
            if self._base is None:
                self._base = httpx.URL(self._connection.base_url)
            async with self._client.using(self._base) as lane:
                with anyio.fail_after(self._connection.deadline):
                    message = self._compose(request)
                    try:
                        return await self._attempt(lane, message)
                    except STALE_ERRORS:
                        if not message.extensions["trace"].stale:
                            raise
                    return await self._attempt(lane, self._compose(request))
        except NETWORK_ERRORS as error:
            # No chain: a library's message may quote the header that carries the token.
            failure = explain(error, self._base, "the provider", self._connection.link)
            raise _to_source_error(failure) from None

    def _compose(self, request: Request) -> httpx.Request:
        connection = self._connection
        path = quote(request.path, safe="/%:@!$&'()*+,;=~")
        headers = {"accept": "application/json", "accept-encoding": "gzip", **dict(request.headers)}
        return compose(
            request.method,
            connection.base_url.rstrip("/") + path,
            params=request.params or None,
            json=request.json,
            headers={**headers, **_read_credentials(connection)},
            timeout=httpx.Timeout(
                max(READ_TIMEOUT, connection.deadline - READ_TIMEOUT), connect=CONNECT_TIMEOUT
            ),
            extensions={"trace": _Trace()},
        )

    async def _attempt(self, lane: Lane, message: httpx.Request) -> Response:
        sent = self._clock()
        answer = await lane.send(message)
        try:
            body = await read_whole(answer, self._connection.largest)
        finally:
            await answer.aclose()
        headers = dict(answer.headers)
        if not answer.is_success and (body or answer.status_code != NOT_MODIFIED):
            # Pages that explain an error like to quote what they were sent, and plug-ins quote them.
            redactor = redactor_of(message.headers)
            body = strike_bytes(redactor, body[:LARGEST_ERROR], cut=len(body) > LARGEST_ERROR)
            headers = {name: redactor.strike(value) for name, value in headers.items()}
        return Response(
            status=answer.status_code,
            body=body,
            headers=headers,
            sent=sent,
            received=self._clock(),
            date=http_date(answer.headers.get("date", "")),
        )


class _Trace:
    """Records how far a request came (httpcore's `trace` extension)."""

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
