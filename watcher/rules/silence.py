"""Silences: what is not told for a while, and why.

Law: pure. A silence whose `match` cannot be evaluated suppresses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from watcher.rules._tokens import Token, tokenize
from watcher.rules.conditions import Condition, Context, EvaluationError
from watcher.rules.hours import Hours

__all__ = ["Silence", "Stranger", "silenced", "strangers"]

_EQUAL = frozenset(("==", "!="))
_BEFORE = frozenset(("", "(", "!", "&&", "||", "?", ":", ","))
_AFTER = frozenset(("", ")", "&&", "||", "?", ":", ","))


@dataclass(frozen=True, slots=True)
class Silence:
    """Suppresses the messages that `match`, from `starts` until before `ends` (None: without a
    bound), and with `hours` only within them. `match` sees what conditions see, and `rule`,
    `receiver` and `severity`. `name` is the configuration's or the store's id.
    """

    name: str
    match: Condition
    reason: str = ""
    starts: datetime | None = None
    ends: datetime | None = None
    hours: Hours | None = None

    def lasts(self, at: datetime) -> bool:
        """Tell whether it is in force at an instant."""
        if self.starts is not None and at < self.starts:
            return False
        if self.ends is not None and at >= self.ends:
            return False
        return self.hours is None or self.hours.open(at)


def silenced(silences: Iterable[Silence], known: Context, at: datetime) -> Silence | None:
    """Give the first silence that suppresses a message; `known` is made with `rule`, `receiver`
    and `severity` (`watcher.rules.context`).
    """
    for silence in silences:
        if not silence.lasts(at):
            continue
        try:
            if silence.match.holds(known):
                return silence
        except EvaluationError:
            continue
    return None


@dataclass(frozen=True, slots=True)
class Stranger:
    """A name that a `match` compares with and that nothing has: `kind` is the variable (`source`,
    `rule`, `receiver`), `offset` counts characters from the expression's start.
    """

    kind: str
    name: str
    offset: int


def strangers(match: str, known: Mapping[str, Collection[str]]) -> tuple[Stranger, ...]:
    """Give the texts in an expression that compiles which variables of `known` are compared with
    by `==`, `!=` or `in [...]`, and which are none of their names: such a silence does nothing, or
    too much. What is compared otherwise (`startsWith`, `matches`) cannot be known.
    """
    tokens = (Token("end", "", 0), *tokenize(match), Token("end", "", 0))
    return tuple(
        Stranger(name, literal.value, literal.offset)
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
