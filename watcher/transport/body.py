"""The body of an answer, unpacked, up to a limit.

Rules: a body is measured while it arrives and while it is unpacked, never after: an endless body, or
a decompression bomb, ends at the limit.
"""

from __future__ import annotations

import zlib

from watcher.errors import SourceChanged, SourceUnavailable
from watcher.transport.direct import Reply
from watcher.transport.failures import place
from watcher.transport.library import httpx

__all__ = ["check_head", "unpacked"]

GZIP = 16 + zlib.MAX_WBITS
"""zlib for gzip, with its header and checksum."""


def check_head(reply: Reply, most: int, url: httpx.URL) -> None:
    """Raise SourceChanged where an answer declares more than `most` bytes, or a compression that was not
    asked for (only gzip was).
    """
    headers = reply.headers
    if _encoding(headers) not in ("identity", "gzip"):
        raise SourceChanged(f"{place(url)} sent an encoding that was not asked for")
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > most:
        raise _too_much(most, url)


def unpacked(reply: Reply, most: int, url: httpx.URL) -> bytes:
    """Return the body of an answer of which one byte more than `most` was read, if there was one.

    Raise SourceChanged for more, packed or unpacked, and SourceUnavailable where gzip is broken or ends too
    early.
    """
    body = reply.body
    if len(body) > most:
        raise _too_much(most, url)
    if not body or _encoding(reply.headers) != "gzip":
        return bytes(body)
    unpack = zlib.decompressobj(GZIP)
    try:
        whole = unpack.decompress(body, most + 1)
    except zlib.error:
        raise _broken(url) from None
    if len(whole) > most:
        raise _too_much(most, url)
    if not unpack.eof:
        raise _broken(url)
    return whole


def _encoding(headers: dict[str, str]) -> str:
    return headers.get("content-encoding", "").strip().lower() or "identity"


def _too_much(most: int, url: httpx.URL) -> SourceChanged:
    return SourceChanged(
        f"{place(url)} sent an answer of more than {most / 2**20:g} MiB",
        "check base_url; if its pages are that large, raise largest_answer",
    )


def _broken(url: httpx.URL) -> SourceUnavailable:
    return SourceUnavailable(f"{place(url)} sent an answer whose compression is broken")
