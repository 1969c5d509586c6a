"""Conditions: compiled once, asked about many events, with the part that decided.

Law: pure. What goes wrong with one event is an `EvaluationError`, and nothing else is ever
raised. A condition is asked part by part, each part once for an event whatever the number of
conditions that share it; what comes out is what the whole expression gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.conditions._cel import cel
from watcher.conditions.names import Joined, Leaf, Named, Negated, Part
from watcher.errors import WatcherError
from watcher.model import Event
from watcher.vocabulary import variables

__all__ = [
    "FAILURES",
    "Condition",
    "Context",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Outcome",
    "context",
    "explain_failure",
    "name_kind",
]

FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What the library raises where an expression cannot be evaluated."""

SHOWN = 3
"""Deciding parts that are told; the further ones are counted."""

LONGEST_VALUE = 60
LONGEST_PART = 120

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_LASTS = frozenset({"source", "provider", "conversation"})


class ExpressionError(WatcherError):
    """An expression is wrong, whatever the event.

    `message` says what was found and what is allowed, `offset` counts characters from the
    expression's start, `suggestion` is what was probably meant (None where nothing comes close).
    `others` are the further mistakes of the same expression, in reading order.
    """

    def __init__(
        self,
        message: str,
        offset: int = 0,
        suggestion: str | None = None,
        others: tuple[ExpressionError, ...] = (),
    ) -> None:
        self.message = message
        self.offset = offset
        self.suggestion = suggestion
        self.others = others
        super().__init__(message)


class EvaluationError(WatcherError):
    """A condition cannot be evaluated for one event; `message` says why in one line."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


Decided = tuple[tuple[Leaf, tuple[str, ...], bool], ...]
"""The parts that decided: each with the names of conditions on the way to it, and its value."""


@dataclass(frozen=True, slots=True)
class Context:
    """One event as conditions see it; built once and shared by all conditions.

    `asked` remembers the value of each part that was asked, by its text; `told` the words about it.
    """

    cel: cel.Context
    names: Mapping[str, Any]
    asked: dict[str, bool | EvaluationError] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a condition holds, and by which of its parts with which values, for people."""

    holds: bool
    because: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression. `roots` are the names that it reads, `whole` is its text with those of
    the conditions that it names put in.
    """

    source: str
    roots: frozenset[str]
    whole: str
    _part: Part = field(repr=False)
    _programs: Mapping[str, cel.Program] = field(repr=False, hash=False, compare=False)
    _named: Mapping[str, Condition] = field(repr=False, hash=False)

    @property
    def lasts(self) -> bool:
        """Whether it speaks of the conversation's state alone, which can be asked again later;
        `type`, `changes`, `observed`, `delay` and `reason` belong to the moment of the event.
        """
        return self.roots <= _LASTS

    @property
    def names(self) -> frozenset[str]:
        """The conditions that it names, also through others."""
        return frozenset(self._named).union(*(one.names for one in self._named.values()))

    def holds(self, context: Context) -> bool:
        """Tell whether the event fulfils the condition; raises EvaluationError."""
        value, _ = self._ask(self._part, context)
        if isinstance(value, EvaluationError):
            raise value
        return value

    def explain(self, context: Context) -> Outcome:
        """Tell whether the event fulfils the condition, and why; raises EvaluationError."""
        value, decided = self._ask(self._part, context)
        if isinstance(value, EvaluationError):
            raise value
        return Outcome(value, _said(decided, context))

    def _ask(self, part: Part, context: Context) -> tuple[bool | EvaluationError, Decided]:
        """Give the value of a part, and the smallest parts that decided it.

        As CEL has it, what cannot be evaluated does not matter beside what decides without it.
        """
        match part:
            case Leaf(text):
                value = self._value(text, context)
                return value, ((part, (), value is True),)
            case Negated(inner):
                value, decided = self._ask(inner, context)
                return (value if isinstance(value, EvaluationError) else not value), decided
            case Named(name):
                condition = self._named[name]
                value, decided = condition._ask(condition._part, context)
                return value, tuple((leaf, (name, *way), is_) for leaf, way, is_ in decided)
            case Joined(operator, parts):
                return self._joined(operator == "||", parts, context)

    def _joined(
        self, deciding: bool, parts: tuple[Part, ...], context: Context
    ) -> tuple[bool | EvaluationError, Decided]:
        failed: EvaluationError | None = None
        together: Decided = ()
        for part in parts:
            value, decided = self._ask(part, context)
            if value is deciding:
                return value, decided
            if isinstance(value, EvaluationError):
                failed = failed or value
            together += decided
        return failed or not deciding, together

    def _value(self, text: str, context: Context) -> bool | EvaluationError:
        if (known := context.asked.get(text)) is not None:
            return known
        value: bool | EvaluationError
        try:
            result = self._programs[text].execute(context.cel)
        except FAILURES as failure:
            value = EvaluationError(explain_failure(failure))
        else:
            value = result if isinstance(result, bool) else _no_truth(result)
        context.asked[text] = value
        return value


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression whose value groups events: those with the same one belong together.
    `names` are the conditions that it names.
    """

    source: str
    names: frozenset[str]
    _program: cel.Program = field(repr=False, hash=False, compare=False)

    def key(self, context: Context) -> str:
        """Give the value for one event as text (JSON); raises EvaluationError."""
        try:
            result = self._program.execute(context.cel)
        except FAILURES as failure:
            raise EvaluationError(explain_failure(failure)) from None
        return json.dumps(result, sort_keys=True, default=str, ensure_ascii=False)


def context(event: Event, **more: str) -> Context:
    """Make an event known to conditions, for silences with `rule`, `receiver` and `severity`.
    Never fails: what CEL cannot hold is replaced.
    """
    names = variables(event) | more
    try:
        return Context(cel.Context(names), names)
    except (OverflowError, TypeError, ValueError):
        holdable = {name: _holdable(value) for name, value in names.items()}
        return Context(cel.Context(holdable), holdable)


def _holdable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can spell (`"\\ud83d"`) and CEL's texts cannot hold."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_holdable(str(key)): _holdable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_holdable(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _said(decided: Decided, context: Context) -> str:
    """Put the deciding parts into words: `text` is true (path = value)."""
    said = []
    for leaf, way, value in decided[:SHOWN]:
        if (told := context.told.get(leaf.text)) is None:
            told = context.told[leaf.text] = _told(leaf, value, context.names)
        said.append("".join(f"conditions.{name}: " for name in way) + told if way else told)
    if len(decided) > SHOWN:
        said.append(f"and {len(decided) - SHOWN} more")
    return "; ".join(said)


def _told(leaf: Leaf, value: bool, names: Mapping[str, Any]) -> str:
    seen = [f"{path} = {_shown(path, names)}" for path in leaf.paths if path != leaf.text]
    values = f" ({', '.join(seen)})" if seen else ""
    text = _cut(" ".join(leaf.text.split()), LONGEST_PART)
    return f"`{text}` is {'true' if value else 'false'}{values}"


def _shown(path: str, names: Mapping[str, Any]) -> str:
    """Show a value of the event in bounded length; what is not there is null."""
    value: Any = names
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value[:LONGEST_VALUE]
    return _cut(_encode(value).encode(errors="replace").decode(), LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _no_truth(result: Any) -> EvaluationError:
    return EvaluationError(f"the result is {name_kind(result)}, not true or false")


def name_kind(value: Any) -> str:
    """Name the type of a result, without showing it: it may hold what a customer wrote."""
    if value is None:
        return "null"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value of another type")


def explain_failure(failure: Exception) -> str:
    """Say in one line why an evaluation failed, in the words of conditions."""
    text = " ".join(str(failure).split())
    if isinstance(failure, KeyError):
        return f"there is no field {text}"
    if isinstance(failure, TypeError):
        return "an operation gets a value of a wrong type, or null"
    if match := re.match(r"Undefined variable or function: '(.*?)'", text):
        return f"{match.group(1)}() gets a value of a wrong type, or null"
    return text.split(". ")[0][:200]
