"""How httpx is set up here, and the daemon's own control socket as the smallest use of it.

Law: nothing of the environment but proxies and certificate authorities takes part, nothing is
remembered between requests, and httpx logs no addresses.
"""

from __future__ import annotations

import logging
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import anyio
import httpx  # noqa: TID251 - watcher.transport is the one import point

from watcher import __version__
from watcher.records import HttpReply
from watcher.transport.failures import NETWORK_ERRORS, explain

__all__ = ["CONNECT_TIMEOUT", "READ_TIMEOUT", "call_unix", "new_client"]

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds: for a connection, and for the next bytes to arrive."""

# httpx logs whole addresses at INFO, httpcore whole headers at DEBUG: tokens, both of them.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def new_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """Make a client that keeps no cookies (accounts on one host would share them), follows no
    redirects (they would carry the token elsewhere) and reads no .netrc.
    """
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": f"inbox-watcher/{__version__}"},
        timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
    )


async def call_unix(
    socket: Path, method: str, path: str, *, json: Any = None, timeout: float
) -> HttpReply:
    """Ask the daemon's control socket; status 0 and `error` where nobody answers in `timeout`
    seconds.
    """
    # The context is for httpx alone, which would else load every authority for a plain socket.
    transport = httpx.AsyncHTTPTransport(
        uds=str(socket), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False
    )
    try:
        async with new_client(transport) as client:
            with anyio.fail_after(timeout):
                answer = await client.request(
                    method, f"http://localhost{path}", json=json, timeout=timeout
                )
    except NETWORK_ERRORS as error:
        return HttpReply(0, {}, b"", explain(error, None, "the control socket").reason)
    return HttpReply(answer.status_code, dict(answer.headers), answer.content)
