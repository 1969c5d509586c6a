"""Takes a condition apart: `&&`, `||`, `!` and parentheses, down to what is asked on its own.

Law: pure; of what the compiler and the reader have accepted. Whatever is not surely a part stays
whole, so the parts together always mean what the expression means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from watcher.conditions.syntax import Token, tokenize

__all__ = [
    "CONDITIONS",
    "Joined",
    "Leaf",
    "Named",
    "Negated",
    "Part",
    "UnknownName",
    "expand",
    "named_in",
    "split",
    "unknown_names",
]

CONDITIONS = "conditions"
"""The root name below which conditions stand that have a name."""

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_EQUAL = frozenset(("==", "!="))
_BEFORE = frozenset(("", "(", "!", "&&", "||", "?", ":", ","))
_AFTER = frozenset(("", ")", "&&", "||", "?", ":", ","))
_BINARY = frozenset(("==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"))


@dataclass(frozen=True, slots=True)
class Leaf:
    """What has no parts; `paths` are the values of the event that it reads."""

    text: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """`conditions.name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Negated:
    """`!part`."""

    part: Part


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts joined by one operator."""

    operator: Literal["&&", "||"]
    parts: tuple[Part, ...]


Part = Leaf | Named | Negated | Joined


def split(source: str, roots: Collection[str]) -> Part:
    """Take an expression apart; `roots` are the names at which paths begin."""
    return _Splitter(source, roots).part(tokenize(source)[:-1])


def named_in(source: str) -> tuple[Token, ...]:
    """Give the tokens after `conditions.` in an expression; for one that stands alone, its own."""
    tokens = tokenize(source)
    found = []
    for number, token in enumerate(tokens):
        if token.kind != "name" or token.text != CONDITIONS:
            continue
        if number and tokens[number - 1].text == ".":
            continue
        dotted = tokens[number + 1].text == "."
        found.append(tokens[number + 2] if dotted else token)
    return tuple(found)


def expand(source: str, named: Mapping[str, str]) -> str:
    """Put the named conditions' own texts into an expression, each in parentheses."""
    for token in reversed(named_in(source)):
        start = source.rindex(CONDITIONS, 0, token.offset)
        end = token.offset + len(token.text)
        source = f"{source[:start]}({named[token.text]}\n){source[end:]}"
    return source


class _Splitter:
    def __init__(self, source: str, roots: Collection[str]) -> None:
        self._source = source
        self._roots = roots

    def part(self, tokens: Sequence[Token]) -> Part:
        levels = _levels(tokens)
        flat = {token.text for token, level in zip(tokens, levels, strict=True) if not level}
        if "?" in flat:
            return self._leaf(tokens)
        for operator in ("||", "&&"):
            if operator in flat:
                pieces = _cut(tokens, levels, operator)
                return Joined(operator, tuple(map(self.part, pieces)))
        if not _BINARY.isdisjoint(flat):
            return self._leaf(tokens)
        signs = next(number for number, token in enumerate(tokens) if token.text != "!")
        if signs:
            inner = self.part(tokens[signs:])
            return Negated(inner) if signs % 2 else inner
        if tokens[0].text == "(" and _closes(tokens) == len(tokens) - 1:
            return self.part(tokens[1:-1])
        if len(tokens) == 3 and tokens[0].text == CONDITIONS:
            return Named(tokens[2].text)
        return self._leaf(tokens)

    def _leaf(self, tokens: Sequence[Token]) -> Leaf:
        text = self._source[tokens[0].offset : tokens[-1].offset + len(tokens[-1].text)]
        return Leaf(text, tuple(dict.fromkeys(self._paths(tokens))))

    def _paths(self, tokens: Sequence[Token]) -> list[str]:
        """Find the chains of names that begin with a root; a method's name is none of them."""
        found = []
        for number, token in enumerate(tokens):
            after_dot = number > 0 and tokens[number - 1].text == "."
            if token.kind != "name" or token.text not in self._roots or after_dot:
                continue
            chain, at = [token.text], number + 1
            while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind == "name":
                if at + 2 < len(tokens) and tokens[at + 2].text == "(":
                    break
                chain.append(tokens[at + 1].text)
                at += 2
            if token.text != CONDITIONS:
                found.append(".".join(chain))
        return found


def _levels(tokens: Sequence[Token]) -> list[int]:
    """Give how deep in brackets each token is; the brackets themselves count as inside."""
    levels, level = [], 0
    for token in tokens:
        symbol = token.kind == "symbol"
        level += symbol and token.text in _OPEN
        levels.append(level)
        level -= symbol and token.text in _CLOSE
    return levels


def _cut(tokens: Sequence[Token], levels: Sequence[int], operator: str) -> list[Sequence[Token]]:
    pieces, start = [], 0
    for number, token in enumerate(tokens):
        if not levels[number] and token.kind == "symbol" and token.text == operator:
            pieces.append(tokens[start:number])
            start = number + 1
    return [*pieces, tokens[start:]]


def _closes(tokens: Sequence[Token]) -> int:
    """Find the bracket that closes the first token's."""
    levels = _levels(tokens)
    return next(
        number
        for number, token in enumerate(tokens)
        if levels[number] == 1 and token.kind == "symbol" and token.text in _CLOSE
    )


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that a `match` compares with and that nothing has: `kind` is the variable (`source`,
    `rule`, `receiver`), `offset` counts characters from the expression's start.
    """

    kind: str
    name: str
    offset: int


def unknown_names(match: str, known: Mapping[str, Collection[str]]) -> tuple[UnknownName, ...]:
    """Give the texts in an expression that compiles which variables of `known` are compared with
    by `==`, `!=` or `in [...]`, and which are none of their names: such a silence does nothing, or
    too much. What is compared otherwise (`startsWith`, `matches`) cannot be known.
    """
    tokens = (Token("end", "", 0), *tokenize(match), Token("end", "", 0))
    return tuple(
        UnknownName(name, literal.value, literal.offset)
        for name, literal in _compared(tokens, known)
        if literal.value is not None and literal.value not in known[name]
    )


def _compared(tokens: tuple[Token, ...], names: Collection[str]) -> Iterator[tuple[str, Token]]:
    """Give each variable with each text that it is compared with."""
    for at in range(1, len(tokens) - 2):
        name, before, after = tokens[at], tokens[at - 1], tokens[at + 1]
        if name.kind != "name" or name.text not in names or before.text == ".":
            continue
        if after.text in _EQUAL and tokens[at + 3].text in _AFTER:
            yield name.text, tokens[at + 2]
        elif before.text in _EQUAL and after.text in _AFTER and tokens[at - 3].text in _BEFORE:
            yield name.text, tokens[at - 2]
        elif after.text == "in" and tokens[at + 2].text == "[":
            inner = tuple(takewhile(lambda token: token.text != "]", tokens[at + 3 :]))
            if all(token.kind == "string" or token.text == "," for token in inner):
                yield from ((name.text, token) for token in inner if token.kind == "string")
