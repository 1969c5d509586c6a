"""Reading an answer's body up to a limit.

Rules: a body is measured while it arrives and while it is unpacked, never after: an endless body, or
a decompression bomb, ends at the limit.
"""

from __future__ import annotations

import zlib

from watcher.errors import SourceChanged, SourceUnavailable
from watcher.transport.failures import place
from watcher.transport.library import httpx

__all__ = ["read_whole"]

GZIP = 16 + zlib.MAX_WBITS
"""zlib for gzip, with its header and checksum."""


async def read_whole(answer: httpx.Response, most: int) -> bytes:
    """Read and unpack a body of at most `most` bytes.

    Raises SourceChanged for more, or for a compression that was not asked for (only gzip was), and
    SourceUnavailable where gzip is broken or ends too early.
    """
    encoding = answer.headers.get("content-encoding", "").strip().lower() or "identity"
    if encoding not in ("identity", "gzip"):
        raise SourceChanged(f"{place(answer.url)} sent an encoding that was not asked for")
    if _declared(answer) > most:
        raise _too_much(answer, most)
    unpack = zlib.decompressobj(GZIP) if encoding == "gzip" else None
    body = bytearray()
    arrived = 0
    try:
        async for chunk in answer.aiter_raw():
            arrived += len(chunk)
            # One byte beyond the limit is enough to know.
            body += chunk if unpack is None else unpack.decompress(chunk, most + 1 - len(body))
            if len(body) > most or arrived > most:
                raise _too_much(answer, most)
    except zlib.error:
        raise _broken(answer) from None
    if unpack is not None and arrived and not unpack.eof:
        raise _broken(answer)
    return bytes(body)


def _declared(answer: httpx.Response) -> int:
    """Return the length that the answer declares, 0 if it declares none."""
    length = answer.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _too_much(answer: httpx.Response, most: int) -> SourceChanged:
    return SourceChanged(
        f"{place(answer.url)} sent an answer of more than {most / 2**20:g} MiB",
        "check base_url; if its pages are that large, raise largest_answer",
    )


def _broken(answer: httpx.Response) -> SourceUnavailable:
    return SourceUnavailable(f"{place(answer.url)} sent an answer whose compression is broken")
