"""Evaluates compiled conditions, and finds the parts that decided.

Rules: pure. What goes wrong with one event is an `EvaluationError`, and nothing else is ever
raised. A condition is evaluated part by part, each part once for an event however many conditions
share it; the result is what the whole expression gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Literal

from watcher.conditions.budget import STEPS, Budget, reckon
from watcher.conditions.library import FAILURES, Program, Values, explain_failure, make_values
from watcher.conditions.syntax import Node, Tree
from watcher.errors import OVER_BUDGET, WatcherError
from watcher.model import Event
from watcher.vocabulary import LARGEST, local_time, variables

__all__ = [
    "Condition",
    "Context",
    "EvaluationError",
    "Expression",
    "Joined",
    "Leaf",
    "Named",
    "Negated",
    "Outcome",
    "Part",
    "context",
    "exceeding",
    "name_kind",
]

SHOWN = 3
"""Deciding parts that are named; further ones are counted."""

LARGEST_KEY = 10_000
"""Steps that the value of an expression may count as, which a group is remembered by."""

LONGEST_VALUE = 60
LONGEST_PART = 120

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_LASTS = frozenset({"source", "provider", "conversation"})


class EvaluationError(WatcherError):
    """A condition cannot be evaluated for one event; `message` says why in one line."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


# Parts: a condition split at `&&`, `||` and `!`


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part without parts of its own."""

    text: str
    """As written."""
    paths: tuple[str, ...]
    """The values of the event that it reads."""
    whole: str
    """As evaluated: with the conditions that it names put in."""
    program: Program = field(repr=False)
    zone: tzinfo | None = None
    """Where `local` is, if it reads that."""
    repeating: Node | None = field(default=None, repr=False, compare=False)
    """What is evaluated, if it repeats anything: only then it can exceed the budget."""


@dataclass(frozen=True, slots=True)
class Named:
    """A condition that stands for itself: `conditions.name`."""

    name: str
    part: Part


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

Decided = tuple[tuple[Leaf, tuple[str, ...], bool], ...]
"""The parts that decided: each with the names of conditions on the way to it, and its value."""


@dataclass(frozen=True, slots=True)
class Context:
    """One event as conditions see it; built once and shared by all conditions."""

    values: Values
    """For the library."""
    names: Mapping[str, Any]
    """For people."""
    asked: dict[str, bool | EvaluationError] = field(default_factory=dict)
    """The value of each part that was evaluated, by its text."""
    reckoned: dict[str, int] = field(default_factory=dict)
    """The steps that each part takes at most, by its text."""
    shown: dict[str, str] = field(default_factory=dict)
    """The values of the event as explanations show them, by their paths."""
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """What each condition comes to that was explained, by its texts: many rules share one."""
    time: datetime | None = None
    """The event's time."""
    zones: dict[tzinfo, Context] = field(default_factory=dict)
    """The same with `local` in other time zones."""

    def at(self, zone: tzinfo | None) -> Context:
        """Return the event with `local` in a time zone; None is for those that do not read it."""
        if zone is None or self.time is None:
            return self
        if zone not in self.zones:
            names = {**self.names, "local": local_time(self.time, zone)}
            self.zones[zone] = Context(_values(names), names)
        return self.zones[zone]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a condition comes to for one event."""

    holds: bool
    because: str
    """Which of its parts decided, with which values; for people."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. Two with the same texts are equal."""

    source: str
    """As written."""
    whole: str
    """As evaluated: with the conditions that it names put in."""
    tree: Tree = field(repr=False, compare=False)
    roots: frozenset[str] = field(repr=False, compare=False)
    """The names of the event that it reads, also through the conditions that it names."""
    names: frozenset[str] = field(repr=False, compare=False)
    """The conditions that it names, also through others."""
    part: Part = field(repr=False, compare=False)

    @property
    def lasts(self) -> bool:
        """Whether it speaks of the conversation's state alone, which can be asked again later;
        `type`, `changes`, `observed`, `delay` and `reason` belong to the moment of the event.
        """
        return self.roots <= _LASTS

    @property
    def constant(self) -> bool | None:
        """What it comes to for every event; None where that depends on the event."""
        return _constant(self.part)

    def holds(self, context: Context) -> bool:
        """Return whether the event fulfils the condition; raise EvaluationError."""
        value, _ = _ask(self.part, context, Budget())
        if isinstance(value, EvaluationError):
            raise value
        return value

    def explain(self, context: Context) -> Outcome:
        """Return whether the event fulfils the condition, and why; raise EvaluationError."""
        texts = self.source, self.whole
        if (known := context.outcomes.get(texts)) is not None:
            return known
        value, decided = _ask(self.part, context, Budget())
        if isinstance(value, EvaluationError):
            raise value
        outcome = context.outcomes[texts] = Outcome(value, _because(decided, context))
        return outcome


def exceeding(condition: Condition | Expression) -> str:
    """Return how it exceeds its budget for the largest events that can come in; empty if it never does.

    No part is taken to decide alone.
    """
    for names in map(variables, LARGEST):
        if isinstance(condition, Expression):
            if not condition.fits(names):
                return _exceeds(condition.source)
            continue
        budget = Budget()
        for leaf in _leaves(condition.part):
            repeated = leaf.repeating
            if repeated is not None and not budget.take(reckon(repeated, names)[0]):
                return _exceeds(leaf.text)
    return ""


def _leaves(part: Part) -> Iterator[Leaf]:
    match part:
        case Leaf():
            yield part
        case Negated(inner) | Named(_, inner):
            yield from _leaves(inner)
        case Joined(_, parts):
            for one in parts:
                yield from _leaves(one)


def _exceeds(text: str) -> str:
    shown = _cut(" ".join(text.split()), LONGEST_PART)
    return f"`{shown}` may take more than {STEPS:,} {OVER_BUDGET} condition"


def _constant(part: Part) -> bool | None:
    match part:
        case Leaf():
            if part.paths or "conditions." in part.text:
                return None
            value = _value(part, Context(make_values({}), {}), Budget())
            return value if isinstance(value, bool) else None
        case Negated(inner):
            known = _constant(inner)
            return None if known is None else not known
        case Named(_, inner):
            return _constant(inner)
        case Joined(operator, parts):
            deciding, values = operator == "||", {_constant(one) for one in parts}
            if deciding in values:
                return deciding
            return None if None in values else not deciding


def _ask(part: Part, context: Context, budget: Budget) -> tuple[bool | EvaluationError, Decided]:
    """Return the value of a part, and the smallest parts that decided it."""
    match part:
        case Leaf():
            value = _value(part, context, budget)
            return value, ((part, (), value is True),)
        case Negated(inner):
            value, decided = _ask(inner, context, budget)
            return (value if isinstance(value, EvaluationError) else not value), decided
        case Named(name, inner):
            value, decided = _ask(inner, context, budget)
            return value, tuple((leaf, (name, *way), is_) for leaf, way, is_ in decided)
        case Joined(operator, parts):
            return _joined(operator == "||", parts, context, budget)


def _joined(
    deciding: bool, parts: tuple[Part, ...], context: Context, budget: Budget
) -> tuple[bool | EvaluationError, Decided]:
    failed: EvaluationError | None = None
    together: Decided = ()
    for part in parts:
        value, decided = _ask(part, context, budget)
        # As CEL has it, a part that fails does not matter if another decides without it.
        if value is deciding:
            return value, decided
        if isinstance(value, EvaluationError):
            failed = failed or value
        together += decided
    return failed or not deciding, together


def _value(leaf: Leaf, context: Context, budget: Budget) -> bool | EvaluationError:
    context = context.at(leaf.zone)
    if leaf.repeating is not None:
        steps = context.reckoned.get(leaf.whole)
        if steps is None:
            steps = context.reckoned[leaf.whole] = reckon(leaf.repeating, context.names)[0]
        if not budget.take(steps):
            return EvaluationError(_exceeds(leaf.text))
    if (known := context.asked.get(leaf.whole)) is not None:
        return known
    value: bool | EvaluationError
    try:
        result = leaf.program.execute(context.values)
    except FAILURES as failure:
        value = EvaluationError(explain_failure(failure))
    else:
        value = result if isinstance(result, bool) else _no_truth(result)
    context.asked[leaf.whole] = value
    return value


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression whose value groups events: those with the same one belong together."""

    source: str
    """As written."""
    names: frozenset[str]
    """The conditions that it names, also through others."""
    tree: Tree = field(repr=False, compare=False)
    """As it was parsed."""
    _program: Program = field(repr=False, compare=False)
    _whole: Node = field(repr=False, compare=False)
    """As evaluated: with the conditions that it names put in."""
    zone: tzinfo | None = None
    """Where `local` is, if it reads that."""

    def key(self, context: Context) -> str:
        """Return the value for one event as text (JSON); raise EvaluationError."""
        if not self.fits(context.at(self.zone).names):
            raise EvaluationError(_exceeds(self.source))
        try:
            result = self._program.execute(context.at(self.zone).values)
        except FAILURES as failure:
            raise EvaluationError(explain_failure(failure)) from None
        return json.dumps(result, sort_keys=True, default=str, ensure_ascii=False)

    def fits(self, names: Mapping[str, Any]) -> bool:
        """Return whether it is within its budget for an event of these values or sizes."""
        steps, size = reckon(self._whole, names)
        return steps <= STEPS and size <= LARGEST_KEY


def context(event: Event, **more: str) -> Context:
    """Return an event as conditions see it, for silences with `rule`, `receiver` and `severity`.

    Never fails: what CEL cannot hold is replaced.
    """
    names = variables(event) | more
    return Context(_values(names), names, time=event.time)


def _values(names: dict[str, Any]) -> Values:
    """Return names as the library holds them; what it cannot hold is replaced among them."""
    try:
        return make_values(names)
    except (OverflowError, TypeError, ValueError):
        names |= {name: _holdable(value) for name, value in names.items()}
        return make_values(names)


def _holdable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can spell (`"\\ud83d"`) and CEL's texts cannot hold."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_holdable(str(key)): _holdable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_holdable(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _because(decided: Decided, context: Context) -> str:
    """Format the deciding parts: `text` is true (path = value)."""
    reasons = [
        "".join(f"conditions.{name}: " for name in way)
        + _reason(leaf, value, context.at(leaf.zone))
        for leaf, way, value in decided[:SHOWN]
    ]
    if len(decided) > SHOWN:
        reasons.append(f"and {len(decided) - SHOWN} more")
    return "; ".join(reasons)


def _reason(leaf: Leaf, value: bool, context: Context) -> str:
    text = _one_line(leaf.text)
    truth = "true" if value else "false"
    shown = context.shown
    seen = []
    for path in leaf.paths:
        if path == leaf.text:
            continue
        if (one := shown.get(path)) is None:
            one = shown[path] = _shown(path, context.names)
        seen.append(one)
    return f"`{text}` is {truth} ({', '.join(seen)})" if seen else f"`{text}` is {truth}"


@lru_cache(maxsize=4096)
def _one_line(text: str) -> str:
    return _cut(" ".join(text.split()), LONGEST_PART)


def _shown(path: str, names: Mapping[str, Any]) -> str:
    """Show a value of the event in bounded length, as `path = value`; what is not there is null."""
    value: Any = names
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value[:LONGEST_VALUE]
    written = _encode(value).encode(errors="replace").decode()
    return f"{path} = {_cut(written, LONGEST_VALUE)}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _no_truth(result: Any) -> EvaluationError:
    return EvaluationError(f"the result is {name_kind(result)}, not true or false")


def name_kind(value: Any) -> str:
    """Return the type of a result in words, not the result: it may hold what a customer wrote."""
    if value is None:
        return "null"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value of another type")
