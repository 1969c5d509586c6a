"""What a source's session remembers of answers: one that says again what it said is not read again.

Rules: an accelerator only. An answer is remembered once its rows have shown nothing new, and forgotten as
soon as any row of the source shows something else or its snapshot is written: until then, to read it again
would come to the same.
"""

from __future__ import annotations

import dataclasses
import re
from array import array
from dataclasses import dataclass
from hashlib import sha256

from watcher.poller.row_cache import key_of
from watcher.providers import Page, Position, Request, Response

__all__ = ["AnswerCache", "KnownAnswer"]

MOST = 4
"""Answers that are remembered; a poll alternates between two or three positions."""

_VALIDATOR = re.compile(r'(W/)?"[\x21\x23-\x7e]{1,200}"')
"""An entity tag (RFC 9110 8.8.3) of a length that is worth keeping."""

NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer whose rows show nothing new."""

    position: Position
    """What was asked for."""

    page: Page
    """What it said, without its rows."""

    keys: array[int]
    """What stands for its rows' ids in a table of rows: a twentieth of what the ids take."""

    digest: bytes
    """Stands for its body."""

    validator: str | None
    """The server's own name for what it said, with which it can be asked whether it still says so."""

    def condition(self, request: Request) -> Request:
        """Return the request as one to be answered only with something else, where that can be asked."""
        if self.validator is None or request.method != "GET":
            return request
        headers = (*request.headers, ("if-none-match", self.validator))
        return dataclasses.replace(request, headers=headers)

    def is_repeated(self, response: Response) -> bool:
        """Return whether an answer to the same question says the same."""
        if response.status == NOT_MODIFIED:
            validator = response.headers.get("etag", self.validator)
            return self.validator is not None and _opaque(validator) == _opaque(self.validator)
        return response.status == 200 and _digest(response.body) == self.digest


class AnswerCache:
    """The answers to the latest questions that came to nothing new."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: list[KnownAnswer] = []

    def find(self, position: Position) -> KnownAnswer | None:
        """Return what is known of the answer to a question."""
        return next((one for one in self._known if one.position == position), None)

    def keep(self, position: Position, page: Page, response: Response) -> None:
        """Remember an answer whose rows have shown nothing new, unless it has to be looked at again: it tells
        the time, or complains.
        """
        if response.status != 200 or page.fallback or page.clock is not None:
            return
        if page.unusable or page.complaints or page.missing:
            return
        known = KnownAnswer(
            position,
            dataclasses.replace(page, rows=()),
            array("q", (key_of(row.id) for row in page.rows)),
            _digest(response.body),
            _validator(response),
        )
        others = [one for one in self._known if one.position != position]
        self._known = [known, *others][:MOST]

    def forget(self) -> None:
        """Have every answer read again."""
        self._known.clear()


def _digest(body: bytes) -> bytes:
    return sha256(body).digest()


def _validator(response: Response) -> str | None:
    tag = response.headers.get("etag", "")
    return tag if _VALIDATOR.fullmatch(tag) else None


def _opaque(tag: str | None) -> str | None:
    """Return an entity tag without its weakness: both kinds are compared so (RFC 9110 8.8.3.2)."""
    return None if tag is None else tag.removeprefix("W/")
