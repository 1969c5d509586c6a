"""The keys `where` and `unless`: conditions over the event.

Rules: pure. A condition that cannot be evaluated matches nothing, in `unless` as in `where`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticKnownError

from watcher.catalogue.events import EVENTS
from watcher.conditions import (
    Condition,
    Context,
    EvaluationError,
    Expression,
    ExpressionError,
    Outcome,
    Tree,
    compile_condition,
    exceeding,
    mistakes_with,
    unknown_names,
)
from watcher.conditions.names import compared, paths
from watcher.settings.base import Context as SettingsContext
from watcher.settings.base import Mistake, context_of, mistakes
from watcher.suggest import did_you_mean, listing, short
from watcher.vocabulary import EVENT_SHAPE, Shape

__all__ = [
    "Key",
    "Names",
    "Where",
    "admits",
    "alike",
    "check_names",
    "compiled",
    "conflicts",
    "costly",
    "describe",
    "lapsed",
    "oddities",
    "one_line",
]

Key = Literal["where", "unless"]

C = TypeVar("C", bound=Condition | Expression)

Names = Mapping[str, Collection[str]]
"""The names that the configuration gives, by the variable of an expression that may have them."""


_OF_THE_CONVERSATION = ("conversation", "source", "provider")


def alike(condition: Condition) -> bool:
    """Return whether a condition surely says the same of all events of one look at a conversation."""
    others = set(EVENT_SHAPE.members or {}) - set(_OF_THE_CONVERSATION)
    return not condition.names and not paths(condition.tree.root, tuple(others))


def admits(key: Key, condition: Condition, known: Context) -> Outcome:
    """Return whether a condition lets an event pass: `where` if it holds, `unless` if not.

    Raise EvaluationError with the key in its message where that cannot be found out.
    """
    try:
        outcome = condition.explain(known)
    except EvaluationError as failure:
        raise EvaluationError(f"`{key}` could not be evaluated: {failure.message}") from None
    truth = "true" if outcome.holds else "false"
    return Outcome(outcome.holds is (key == "where"), f"`{key}` is {truth}: {outcome.because}")


def lapsed(key: Key, condition: Condition, known: Context) -> str:
    """Return why a condition no longer lets the state that a message waits on match.

    Empty where it still does. A condition that speaks of the moment of the event cannot be asked
    again later, so it cannot lapse.
    """
    if not condition.lasts:
        return ""
    try:
        holds = condition.holds(known)
    except EvaluationError as failure:
        return f"`{key}` can no longer be evaluated: {failure.message}"
    if key == "where":
        return "" if holds else "`where` no longer holds"
    return "`unless` holds now" if holds else ""


def describe(key: Key, condition: Condition | None) -> str:
    """Describe a condition, as it is written."""
    return f"{key} {one_line(condition.source)}" if condition is not None else ""


def one_line(source: str) -> str:
    """Return an expression in one line."""
    return " ".join(source.split())


def compiled(value: Any, context: SettingsContext, compile_: Callable[[str], C]) -> C:
    """Compile the text of a setting; raise a mistake for each that the expression has."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    try:
        expression = compile_(value)
    except ExpressionError as error:
        raise mistakes(map(_mistake, (error, *error.others))) from None
    if context.names is not None and (found := tuple(check_names(expression.tree, context.names))):
        raise mistakes(found)
    return expression


def check_names(tree: Tree, names: Names) -> Iterator[Mistake]:
    """Yield a mistake for each name in an expression that is not configured.

    A rule with such a name never matches; a silence stops nothing, or too much.
    """
    # The source of `receiver.*` and `delivery.dead` is the receiver's name, and that of `watcher.*` is empty.
    sources = ("", *names["source"], *names["receiver"])
    known = {kind: names[kind] for kind in ("provider", "rule", "receiver")} | {"source": sources}
    for unknown in unknown_names(tree, known):
        kind, there = unknown.kind, names[unknown.kind]
        near = did_you_mean(unknown.name, there)
        remedy = f"{near}{kind}s: {listing(there)}" if there else f"there is no {kind}"
        message = (
            f"no source has the provider `{short(unknown.name)}`"
            if kind == "provider"
            else f"no {kind} is named `{short(unknown.name)}`"
        )
        yield Mistake(message, remedy, offset=unknown.offset)


def conflicts(key: Key, condition: Condition, types: Collection[str]) -> Iterator[Mistake]:
    """Yield where a condition compares with a `reason` or `outcome` that no event of these types has."""
    narrowed = dict(EVENT_SHAPE.members or {})
    for name, words in _words(types).items():
        if words:
            narrowed[name] = Shape("string", values=words)
    for error in mistakes_with(Shape("map", narrowed), condition.tree):
        yield replace(_mistake(error), loc=(key,))


def oddities(key: Key, condition: Condition, types: Collection[str]) -> Iterator[Mistake]:
    """Yield what a condition asks for that has the same answer for every event of these types."""
    if condition.constant is not None:
        truth = "true" if condition.constant else "false"
        never = condition.constant is (key == "unless")
        effect = "the rule never matches" if never else "it changes nothing"
        yield Mistake(
            f": this is always {truth}: {effect}", "remove it, or compare a value", (key,)
        )
    yield from costly(condition, (key,))
    root, odd = condition.tree.root, _without_conversation(types)
    if odd == set(types):
        for path in paths(root, ("conversation", "changes")):
            at = condition.tree.source.find(path)
            message = f"{path} is null: {listing(sorted(odd))} is about no conversation"
            yield Mistake(message, "ask for `source` or `reason`", (key,), at)
    for name, words in _words(types).items():
        for path in paths(root, (name,)) if words == () else ():
            at = condition.tree.source.find(path)
            yield Mistake(f"{name} is null in all events of this rule", "", (key,), at)
    for one in compared(root, ("type",)):
        if one.constant.value in EVENTS and one.constant.value not in types:
            message = f"`when` does not ask for {one.constant.value}, so `type` is never that"
            yield Mistake(message, "add it to `when`", (key,), one.constant.start)


def costly(condition: Condition | Expression, loc: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield that an expression exceeds its budget for the largest events that can come in."""
    if problem := exceeding(condition):
        message = (
            f": with the largest lists and texts that can come in, {problem}; it is false then"
        )
        yield Mistake(message, "compare with fewer elements, or nest no loops", loc)


def _words(types: Collection[str]) -> Mapping[str, tuple[str, ...] | None]:
    """Return what `reason` and `outcome` can be in events of these types; None for any text."""
    reasons = [one for kind in sorted(types) for one in EVENTS[kind].reasons]
    outcomes = [one for kind in sorted(types) for one in EVENTS[kind].outcomes]
    return {
        # Only a conversation's reasons are words, others are sentences.
        "reason": None if _without_conversation(types) else tuple(dict.fromkeys(reasons)),
        "outcome": tuple(dict.fromkeys(outcomes)),
    }


def _without_conversation(types: Collection[str]) -> set[str]:
    return {kind for kind in types if not kind.startswith("conversation.")}


def _mistake(error: ExpressionError) -> Mistake:
    meant = f"did you mean `{error.suggestion}`?" if error.suggestion else ""
    return Mistake(error.message, meant, offset=error.offset)


def _condition(value: Any, info: ValidationInfo) -> Condition:
    if isinstance(value, Condition):
        return value
    context = context_of(info)
    return compiled(
        value,
        context,
        lambda text: compile_condition(text, context.conditions, zone=context.timezone),
    )


Where = Annotated[Condition, PlainValidator(_condition), WithJsonSchema({"type": "string"})]
"""A CEL condition, which may name those of the configuration as `conditions.NAME`."""
