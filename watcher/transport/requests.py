"""Requests as they are sent, byte for byte, without httpx's objects: most of them are like the one before.

Rules: what httpx would send is sent (`tests/transport/test_requests.py` compares them); where a path has
more than letters, digits and a few marks, or a parameter comes twice, httpx writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from watcher import __version__
from watcher.transport.library import httpx

__all__ = ["OutgoingRequest", "RequestTemplate", "template_for"]

_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "keep-alive",
    "user-agent": f"inbox-watcher/{__version__}",
}

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)+")
"""A path that stays as it is: no escape, no dot alone."""


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request, whole: with what every request has, and the credentials of its URL."""

    url: httpx.URL
    """Leads to the server; of a source, the address that its paths are appended to."""

    method: str
    target: bytes
    """Path and query."""

    headers: Mapping[bytes, bytes]
    content: bytes = b""

    def named(self) -> dict[str, str]:
        """Return the headers as text."""
        return {name.decode("ascii"): value.decode("ascii") for name, value in self.headers.items()}

    def for_httpx(self, extensions: Mapping[str, Any]) -> httpx.Request:
        """Return the same request for a transport of httpx's."""
        return httpx.Request(
            self.method,
            self.url.copy_with(raw_path=self.target),
            headers=list(self.headers.items()),
            content=self.content or None,
            extensions=dict(extensions),
        )


class RequestTemplate:
    """What all requests to one address have in common: it is made of the address once."""

    def __init__(self, address: str) -> None:
        """Raise what httpx raises for an address that is none."""
        self.address = address
        usual = _whole(httpx.URL(address))
        self.url = usual.url
        headers = dict(usual.headers.raw)
        own = headers.pop(b"Authorization", None)
        # In small letters as all that follow, but for `Host`, which is nobody else's.
        self._usual = headers
        self._credentials = {} if own is None else {b"authorization": own}
        self._path = self.url.raw_path.partition(b"?")[0].rstrip(b"/")

    def ask(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        plain: Any = None,
    ) -> OutgoingRequest:
        """Return a request to a path below the address, with `plain` as JSON where it is not None; raise
        UnicodeError for a header that is not ASCII.
        """
        content = b""
        if plain is not None:
            content = json.dumps(
                plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            ).encode()
            headers = {"content-type": "application/json", **headers}
        return self.send(method, self._target(path, params), headers, content)

    def _target(self, path: str, params: Sequence[tuple[str, str]]) -> bytes:
        # httpx puts the values of one name side by side.
        repeated = len({name for name, _ in params}) < len(params)
        if repeated or not _PLAIN.fullmatch(path):
            whole = self.address.rstrip("/") + path
            return httpx.URL(whole, params=list(params) or None).raw_path
        target = self._path + path.encode()
        return target + b"?" + urlencode(params).encode() if params else target

    def send(
        self, method: str, target: bytes, headers: Mapping[str, str], content: bytes = b""
    ) -> OutgoingRequest:
        """Return a request to this host; raise UnicodeError for a header that is not ASCII."""
        given = {
            name.lower().encode("ascii"): value.encode("ascii") for name, value in headers.items()
        }
        whole = {**self._usual, **given, **self._credentials}
        if content or method == "POST":
            whole[b"content-length"] = b"%d" % len(content)
        return OutgoingRequest(self.url, method, target, whole, content)


@lru_cache(maxsize=1024)
def template_for(address: str) -> RequestTemplate:
    """Return the template of an address: a thousand accounts of one service share it."""
    return RequestTemplate(address)


def _whole(url: httpx.URL) -> httpx.Request:
    """Return a request as httpx writes it, with user and password from its URL."""
    request = httpx.Request("GET", url, headers=_HEADERS)
    if request.url.is_relative_url:
        raise httpx.UnsupportedProtocol("no host", request=request)
    if request.url.userinfo:
        auth = httpx.BasicAuth(request.url.username, request.url.password)
        request = next(auth.sync_auth_flow(request))
    return request
