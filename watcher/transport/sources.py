"""Requests of one source: within its budget, with its credentials, and the whole answer or an error.

Rules: whatever goes wrong on the way becomes a SourceError that names host and port, never a token,
a path or a query. An answer that is no success has lost the credentials of its request, in whatever
form it quotes them, before anybody reads it. What an answer *means* is decided by the provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import anyio

from watcher.clock import Clock
from watcher.errors import ConfigError, SourceError, SourceRefused, SourceUnavailable
from watcher.http import http_date
from watcher.providers import Budget, Quota, Request, Response
from watcher.settings.link import USUAL, Link
from watcher.transport.body import check_head, unpacked
from watcher.transport.budget import Budgets
from watcher.transport.clients import CONNECT_TIMEOUT, READ_TIMEOUT, Lane, LinkClient
from watcher.transport.direct import Reply
from watcher.transport.echoes import redactor_of, strike_bytes
from watcher.transport.failures import NETWORK_ERRORS, Failure, explain
from watcher.transport.library import httpx
from watcher.transport.requests import RequestTemplate, template_for

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


_USUAL = {"accept": "application/json", "accept-encoding": "gzip"}


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

    __slots__ = (
        "_budgets",
        "_client",
        "_clock",
        "_connection",
        "_template",
    )

    def __init__(
        self, connection: Connection, client: LinkClient, budgets: Budgets, clock: Clock
    ) -> None:
        self._connection = connection
        self._client = client
        self._budgets = budgets
        self._clock = clock
        self._template: RequestTemplate | None = None

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
            template = self._template
            if template is None:
                template = self._template = template_for(self._connection.base_url)
            async with self._client.using(template.url) as lane:
                with anyio.fail_after(self._connection.deadline):
                    first = Reply()
                    try:
                        return await self._attempt(lane, template, request, first)
                    except STALE_ERRORS:
                        # What was kept alive turned out to be dead.
                        if first.status or not first.reused:
                            raise
                    return await self._attempt(lane, template, request, Reply())
        except NETWORK_ERRORS as error:
            # No chain: a library's message may quote the header that carries the token.
            failure = explain(error, self._url, "the provider", self._connection.link)
            raise _to_source_error(failure) from None

    @property
    def _url(self) -> httpx.URL | None:
        return None if self._template is None else self._template.url

    async def _attempt(
        self, lane: Lane, template: RequestTemplate, request: Request, reply: Reply
    ) -> Response:
        connection, url = self._connection, template.url
        headers = {**_USUAL, **dict(request.headers), **_read_credentials(connection)}
        path = quote(request.path, safe="/%:@!$&'()*+,;=~")
        message = template.ask(request.method, path, request.params, headers, request.json)
        largest, sent = connection.largest, self._clock()
        await lane.exchange(
            message,
            reply,
            connect=CONNECT_TIMEOUT,
            read=max(READ_TIMEOUT, connection.deadline - READ_TIMEOUT),
            most=largest + 1,  # one byte beyond the limit is enough to know
            begun=partial(check_head, most=largest, url=url),
        )
        received, body = self._clock(), unpacked(reply, largest, url)
        told = reply.headers
        date = http_date(told.get("date", ""))
        if not 200 <= reply.status < 300 and (body or reply.status != NOT_MODIFIED):
            # Pages that explain an error like to quote what they were sent, and plug-ins quote them.
            redactor = redactor_of(message.named())
            body = strike_bytes(redactor, body[:LARGEST_ERROR], cut=len(body) > LARGEST_ERROR)
            told = {name: redactor.strike(value) for name, value in told.items()}
        return Response(
            status=reply.status,
            body=body,
            headers=told,
            sent=sent,
            received=received,
            date=date,
        )


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
