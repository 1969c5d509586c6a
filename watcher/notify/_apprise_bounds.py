"""What a worker process of Apprise may take: memory, and how much of an answer it reads.

Rules: called in the worker alone, before anything is sent. Apprise's plug-ins all speak HTTP through
`requests` and read answers whole; the bound is put below all of them, on the bytes as unpacked.
"""

from __future__ import annotations

import contextlib
import resource
from typing import Any

__all__ = ["LARGEST_ANSWER", "MEMORY", "confine", "redirected"]

MEMORY = 512 * 2**20
"""Bytes of a worker's address space."""

LARGEST_ANSWER = 2**20
"""Bytes of an answer that are read; the rest is left, and the connection closed."""

_CHUNK = 16 * 1024
_confined = False
_redirects: list[int] = []


def confine() -> None:
    """Bound this process, once: its memory, its answers; and let it leave no dump of its memory."""
    global _confined
    _redirects.clear()
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


def redirected() -> int:
    """Return the status of the last redirect that was answered since `confine`, 0 if none was."""
    return _redirects[-1] if _redirects else 0


def _bound_answers() -> None:
    from requests.adapters import HTTPAdapter

    whole: Any = HTTPAdapter.send

    def send(self: Any, request: Any, stream: bool = False, *args: Any, **named: Any) -> Any:
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
