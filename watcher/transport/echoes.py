"""What the other side quotes of the request that it got: the credentials in it are struck out.

Rules: pure. Which headers are credentials follows from their names; a URL is one as a whole, with its
path and its query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from watcher.secrets import Redactor, is_sensitive

__all__ = ["redactor_of", "strike_bytes"]

LONGEST_WORD = 4_096
_LAST_WORD = re.compile(r"[^\s\"'<>&]*\Z")

SHORTEST_PATH = 4
"""Characters; a shorter path or query is no secret."""


def redactor_of(headers: Mapping[str, str], url: str = "") -> Redactor:
    """Return a redactor that knows the credentials of one request."""
    redactor = Redactor()
    for name, value in headers.items():
        if is_sensitive(name):
            redactor.add(value)
    if url:
        redactor.add_url(url)
        parts = urlsplit(url)
        for part in (parts.path, parts.query):
            if len(part) >= SHORTEST_PATH:
                redactor.add(part)
    return redactor


def strike_bytes(redactor: Redactor, body: bytes, *, cut: bool = False) -> bytes:
    """Return a body without what the redactor knows; bytes that are no text stay. Of one that was `cut`
    the last word goes, which may be half a secret.
    """
    text = body.decode("utf-8", "surrogateescape")
    if cut:
        text = text[:-LONGEST_WORD] + _LAST_WORD.sub("", text[-LONGEST_WORD:])
    struck = redactor.strike(text)
    return body if struck == text else struck.encode("utf-8", "surrogateescape")
