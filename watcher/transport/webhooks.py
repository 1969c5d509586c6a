"""What one webhook receiver is sent: a POST, once, and what came back.

Rules: no redirect is followed and nothing is repeated. Whatever goes wrong on the way becomes an
HttpReply with `error`, which names host and port, never a path or a query. An answer has lost the
credentials of its request, and the address that it was sent to, before anybody reads it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Literal

import anyio

from watcher.descriptors import spent
from watcher.records import HttpReply
from watcher.secrets import Redactor, is_sensitive
from watcher.transport.clients import CONNECT_TIMEOUT, LinkClient
from watcher.transport.direct import Reply
from watcher.transport.echoes import redactor_of, strike_bytes
from watcher.transport.failures import NETWORK_ERRORS, explain
from watcher.transport.library import httpx
from watcher.transport.requests import RequestTemplate

__all__ = ["WebhookClient"]

LARGEST_ANSWER = 64 * 1024
"""Bytes that are read of what a receiver answers."""


class WebhookClient:
    """Posts to one receiver (`watcher.notify.Post`); `connect_timeout` is in seconds."""

    def __init__(self, client: LinkClient, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._client = client
        self._connect_timeout = connect_timeout
        self._template: RequestTemplate | None = None
        self._redactor: tuple[tuple[str, ...], Redactor] | None = None

    async def __call__(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        timeout: float,
        method: Literal["GET", "POST"] = "POST",
    ) -> HttpReply:
        """Ask once, within `timeout` seconds. Raise OSError where this process has no descriptor left.

        Once there is a status it counts, however slowly the rest of the answer arrives; at most
        64 KiB of it are read.
        """
        address: httpx.URL | None = None
        reply = Reply()
        try:
            with anyio.fail_after(timeout):
                template = self._template
                if template is None or template.address != url:
                    address = httpx.URL(url)
                    template = self._template = RequestTemplate(url)
                address = template.url
                asked = template.send(method, template.url.raw_path, headers, content)
                async with self._client.using(address) as lane:
                    connect = min(timeout, self._connect_timeout)
                    await lane.exchange(
                        asked, reply, connect=connect, read=None, most=LARGEST_ANSWER
                    )
        except NETWORK_ERRORS as error:
            if not reply.status:
                if spent(error):  # no attempt: nothing of it says anything of the receiver
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from None
                failure = explain(error, address, "the receiver", self._client.link)
                return HttpReply(0, {}, b"", failure.reason)
        redactor = self._redactor_of(headers, url)
        said = strike_bytes(redactor, bytes(reply.body), cut=len(reply.body) >= LARGEST_ANSWER)
        answered = {name: redactor.strike(value) for name, value in reply.headers.items()}
        return HttpReply(reply.status, answered, said)

    def _redactor_of(self, headers: Mapping[str, str], url: str) -> Redactor:
        """Return the one for these credentials, which are the same from one attempt to the next."""
        key = (url, *(value for name, value in headers.items() if is_sensitive(name)))
        if self._redactor is None or self._redactor[0] != key:
            self._redactor = key, redactor_of(headers, url)
        return self._redactor[1]

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()
