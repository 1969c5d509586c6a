"""What a worker process of Apprise may take: memory, how much of an answer it reads, where it connects to.

Rules: called in the worker alone, before anything is sent. Apprise's plug-ins all speak HTTP through
`requests` and read answers whole; the bound is put below all of them, on the bytes as unpacked. They speak
other protocols through libraries of their own, so addresses are judged below all of these, at the socket.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from typing import Any
from urllib.parse import urlsplit

from watcher.addresses import EVERYWHERE, AddressFilter

__all__ = ["LARGEST_ANSWER", "MEMORY", "confine", "denied", "redirected"]

MEMORY = 512 * 2**20
"""Bytes of a worker's address space."""

LARGEST_ANSWER = 2**20
"""Bytes of an answer that are read; the rest is left, and the connection closed."""

_CHUNK = 16 * 1024
_confined = False
_redirects: list[int] = []
_denials: list[str] = []
_addresses = EVERYWHERE


def confine(addresses: AddressFilter = EVERYWHERE) -> None:
    """Bound this process, once: its memory, its answers; and let it leave no dump of its memory. From
    now on it connects where `addresses` permit.
    """
    global _confined, _addresses
    _redirects.clear()
    _denials.clear()
    _addresses = addresses
    if _confined:
        return
    _confined = True
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # A system that knows no such limit has none; the others count all the same.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (least, least))
    _bound_answers()
    _bound_addresses()


def denied() -> str:
    """Return what in `network.deny` refused a connection since `confine`, empty if nothing did."""
    return _denials[-1] if _denials else ""


def redirected() -> int:
    """Return the status of the last redirect that was answered since `confine`, 0 if none was."""
    return _redirects[-1] if _redirects else 0


def _bound_answers() -> None:
    from requests.adapters import HTTPAdapter

    whole: Any = HTTPAdapter.send

    def send(self: Any, request: Any, stream: bool = False, *args: Any, **named: Any) -> Any:
        if _addresses.deny and _is_proxied(request.url, named):
            _judge_name(urlsplit(request.url).hostname or "")
        answer = whole(self, request, True, *args, **named)
        if answer.is_redirect:
            _redirects.append(int(answer.status_code))
        if not stream:  # two plug-ins ask for pieces, and stop by themselves
            _read(answer)
        return answer

    HTTPAdapter.send = send  # type: ignore[method-assign, unused-ignore]


def _read(answer: Any) -> None:
    """Read an answer up to the bound, as if it ended there."""
    parts, size = [], 0
    for part in answer.iter_content(_CHUNK):
        parts.append(part)
        size += len(part)
        if size >= LARGEST_ANSWER:
            answer.close()
            break
    answer._content = b"".join(parts)[:LARGEST_ANSWER]
    answer._content_consumed = True


def _is_proxied(url: str, named: Any) -> bool:
    from requests.utils import select_proxy

    return bool(select_proxy(url, named.get("proxies")))


def _judge_name(host: str) -> None:
    """Judge a name that a proxy will resolve by what this machine makes of it."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # a name that only the proxy knows
    for each in found:
        _judge(str(each[4][0]))


def _judge(address: str) -> None:
    by = _addresses.refusal(address)
    if by:
        _denials.append(by)
        raise OSError(errno.EACCES, "the address is denied")


def _bound_addresses() -> None:
    """Resolve and judge every address that a socket is given, and pass on what was judged."""
    whole: Any = socket.socket

    def permitted(self: Any, address: Any) -> Any:
        if not _addresses.deny or self.family not in (socket.AF_INET, socket.AF_INET6):
            return address
        host, port, *rest = address
        found = socket.getaddrinfo(host, port, self.family, self.type)
        resolved = found[0][4]
        _judge(str(resolved[0]))
        return resolved if not rest else (resolved[0], port, *rest)

    for name in ("connect", "connect_ex"):
        _guard(whole, name, lambda self, address: (permitted(self, address),))
    # The address stands last; without one, the socket is connected.
    _guard(
        whole,
        "sendto",
        lambda self, content, *rest: (content, *rest[:-1], permitted(self, rest[-1])),
    )
    _guard(
        whole,
        "sendmsg",
        lambda self, *given: (
            (*given[:3], permitted(self, given[3])) if len(given) > 3 and given[3] else given
        ),
    )


def _guard(whole: Any, name: str, judged: Any) -> None:
    inner = getattr(whole, name)

    def guarded(self: Any, *given: Any) -> Any:
        return inner(self, *judged(self, *given))

    setattr(whole, name, guarded)
