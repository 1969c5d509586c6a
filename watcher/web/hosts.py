"""Which names a request may call the server by: a page elsewhere must not read it under a name of its own.

Rules: a host that is unknown gets 400 before anything is looked up. A browser names the host of the page that
asks: an address in numbers cannot lead it elsewhere, a name can (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.settings.values import Address

__all__ = ["KnownHosts", "is_known"]

_HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<bare>[^:\[\]]*))(?::\d{1,5})?\Z")

UNKNOWN = "the request names an unknown host; an operator can add it to `server.hosts`\n"


class KnownHosts:
    """An application that answers only requests to hosts of its own."""

    def __init__(self, app: ASGIApp, listen: Address, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._listen = listen
        self._hosts = tuple(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        known = is_known(host, self._listen, self._hosts)
        app = self._app if known else PlainTextResponse(UNKNOWN, status_code=400)
        await app(scope, receive, send)


def is_known(host: str, listen: Address, hosts: Sequence[str] = ()) -> bool:
    """Return whether a `Host` header names this machine, the address that is listened on, or one of
    `hosts` (`*.example.com` stands for all below it); any address in numbers where others reach it.
    """
    match = _HOST.match(host.strip().lower())
    if match is None:
        return False
    name = (match["bracketed"] or match["bare"] or "").removesuffix(".")
    if not name:
        return False
    if name in (listen.host.lower(), *hosts) or name == "localhost" or name.endswith(".localhost"):
        return True
    if (number := _number(name)) is not None:
        return number.is_loopback or not listen.local
    return any(one.startswith("*.") and name.endswith(one[1:]) for one in hosts)


def _number(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
