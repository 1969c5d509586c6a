"""Cuts a CEL expression into tokens, each with its place.

Law: lexis only, and only of what the CEL compiler has accepted: nothing here reports a mistake.
The grammar is the CEL specification's (`doc/langdef.md`, section "Syntax").
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Cursor", "Stop", "Token", "tokenize"]

_TOKEN = re.compile(
    r"""
      (?P<space>  \s+ | //[^\n]* )
    | (?P<raw>    (?:[bB]?[rR]|[rR][bB])
                  (?: \"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\n]*" | '[^'\n]*' ) )
    | (?P<string> [bB]?
                  (?: \"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3}
                    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<number> 0x[0-9a-fA-F]+[uU]? | \d*\.\d+(?:[eE][-+]?\d+)? | \d+[eE][-+]?\d+ | \d+[uU]? )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<symbol> && | \|\| | [=!<>]= | [-+*/%<>!?:.,()\[\]{}] )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`text` as written, at `offset` characters from the start; the last token is `end`.

    `value` is the content of a text literal without escapes, None for everything else.
    """

    kind: Literal["string", "bytes", "number", "name", "symbol", "end"]
    text: str
    offset: int
    value: str | None = None


class Stop(Exception):
    """Reading cannot go on at `offset`."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Cursor:
    """A place in an expression's tokens, moving forward only."""

    def __init__(self, source: str) -> None:
        self._tokens = tokenize(source)
        self._at = 0

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """Give the next token and move on (the end stays)."""
        token = self.token
        if token.kind != "end":
            self._at += 1
        return token

    def accept(self, symbol: str) -> bool:
        """Move on if the next token is this symbol."""
        if self.token.kind == "symbol" and self.token.text == symbol:
            self._at += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        """Move on over this symbol; raises Stop if it is not there."""
        if not self.accept(symbol):
            raise Stop(f"{symbol!r} is missing here", self.token.offset)


@functools.lru_cache(maxsize=64)  # checking, splitting and expanding each begin with it
def tokenize(source: str) -> tuple[Token, ...]:
    """Give the tokens of an expression that compiles; raises Stop where none fits."""
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise Stop("this cannot be read", at)
        text, group = match.group(), match.lastgroup
        if group in ("raw", "string"):
            tokens.append(_literal(text, at))
        elif group == "number":
            tokens.append(Token("number", text, at))
        elif group == "name":
            tokens.append(Token("name", text, at))
        elif group == "symbol":
            tokens.append(Token("symbol", text, at))
        at = match.end()
    tokens.append(Token("end", "", len(source)))
    return tuple(tokens)


def _literal(text: str, at: int) -> Token:
    bare = text.lstrip("rRbB")
    prefix = text[: len(text) - len(bare)].lower()
    if "b" in prefix:
        return Token("bytes", text, at)
    quote = 3 if bare[:3] in ('"""', "'''") and len(bare) >= 6 else 1
    inner = bare[quote:-quote]
    plain = "r" in prefix or "\\" not in inner
    return Token("string", text, at, inner if plain else None)
