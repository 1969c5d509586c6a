"""From a part of the tree to a pydantic model, every mistake with its place and for people.

Law: nothing here knows a certain setting. A value is shown in a message only when it stands in
the file itself and its setting is none that holds secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from watcher.config.texts import Texts
from watcher.config.tree import Entries, Items, Node, Place, Scalar
from watcher.errors import Problem
from watcher.settings.values import suggest_duration
from watcher.suggest import did_you_mean, listing, short

__all__ = ["Work", "found", "is_sensitive", "validate"]

M = TypeVar("M", bound=BaseModel)

_SENSITIVE = re.compile(
    r"token|secret|passw|key|auth|cookie|credential|url|header|store|proxy", re.I
)


@dataclass(frozen=True, slots=True)
class Work:
    """What every part of the check writes to."""

    texts: Texts
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def is_sensitive(name: str) -> bool:
    """Tell whether a setting of this name may hold a secret, so that its value is never shown."""
    return _SENSITIVE.search(name) is not None


def validate(
    form: type[M],
    table: Entries,
    work: Work,
    *,
    parent: Place,
    what: str,
    literal: Iterable[str] = (),
    beside: Iterable[str] = (),
) -> M | None:
    """Check a mapping against a model; None when there are problems.

    `parent` is the place for what is missing, `what` names the part in messages. Texts of the
    keys in `literal` are taken as they are. `beside` are keys that are also allowed in this
    place of the file, for the remedy of a misspelt one. Where only a secret that was left out
    stands in the way, the model is made all the same.
    """
    texts = work.texts
    taken = frozenset(literal)
    while True:
        plain = {
            entry.name: texts.plain(entry.value, resolve=entry.name not in taken) for entry in table
        }
        try:
            return form.model_validate(plain)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        again = False
        problems: dict[Node | int, Problem] = {}
        for number, details in enumerate(errors):
            spot = _locate(table, details["loc"])
            if texts.left_out(spot.node):
                again = texts.next_placeholder(spot.node) or again
                continue
            problem = _problem(form, details, spot, texts, parent, what, tuple(beside))
            # Each alternative of a union complains; one place is one problem.
            key = (
                spot.node if isinstance(spot.node, Scalar) and spot.node is not spot.key else number
            )
            if (first := problems.setdefault(key, problem)) is not problem and not first.remedy:
                problems[key] = replace(first, remedy=problem.remedy)
        if again:
            continue
        work.problems.extend(problems.values())
        return None if problems else form.model_construct(**plain)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error's `loc` leads: the deepest node, its key, the keys on the way."""

    node: Node
    key: Scalar | None
    names: tuple[str, ...]
    rest: tuple[int | str, ...]


def _locate(table: Entries, loc: tuple[int | str, ...]) -> _Spot:
    """Follow `loc`; parts that no file has (the tag of a union) are passed over."""
    node: Node = table
    key: Scalar | None = None
    names: tuple[str, ...] = ()
    rest: tuple[int | str, ...] = ()
    for part in loc:
        if part == "[key]" and key is not None:
            return _Spot(key, key, names, ())
        if isinstance(node, Entries) and (entry := node.get(str(part))) is not None:
            node, key, names, rest = entry.value, entry.key, (*names, entry.name), ()
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node, rest = node.items[part], ()
        else:
            rest = (*rest, part)
    return _Spot(node, key, names, rest)


def _problem(
    form: type[BaseModel],
    error: Mapping[str, Any],
    spot: _Spot,
    texts: Texts,
    parent: Place,
    what: str,
    beside: tuple[str, ...],
) -> Problem:
    """Say one of pydantic's errors with place and remedy."""
    kind: str = error["type"]
    if kind == "missing":
        name = spot.rest[-1] if spot.rest else error["loc"][-1]
        inside = f" in `{'.'.join(spot.names)}`" if spot.names else ""
        place = spot.node.place if spot.names else parent
        return place.problem(f"{what} lacks `{name}`{inside}", f"add `{name}: …`")
    if kind == "extra_forbidden" and spot.key is not None:
        allowed = _allowed(form, spot.names[:-1])
        if len(spot.names) == 1:
            allowed = (*allowed, *beside)
        inside = f"`{'.'.join(spot.names[:-1])}` of {what}" if spot.names[:-1] else what
        name = spot.names[-1]
        remedy = f"{did_you_mean(name, allowed)}allowed: {listing(allowed)}" if allowed else ""
        return spot.key.place.problem(f"unknown key `{name}` in {inside}", remedy)
    if not spot.names:
        said = texts.redactor.scrub(short(str(error["msg"])))
        return parent.problem(f"{what} is not right: {said}")
    message, remedy = _explain(kind, error)
    if spot.node is spot.key:  # a key is no secret, and its message names it
        return spot.node.place.problem(message, remedy)
    hidden = any(map(is_sensitive, spot.names)) or _hides(form, spot.names)
    if texts.refers(spot.node) or hidden:
        # What a third party's check says may quote the value.
        message = _without(message, texts.plain(spot.node))
        if message == "must be text" and isinstance(spot.node, Scalar) and spot.node.raw:
            remedy = "put it in quotes"
    elif isinstance(spot.node, Scalar):
        remedy = _sharper(message, remedy, spot.node)
    shown = found(spot.node, texts, hidden=hidden)
    return spot.node.place.problem(f"`{'.'.join(spot.names)}` {message}{shown}", remedy)


def found(node: Node, texts: Texts, *, hidden: bool) -> str:
    """Give `, found …`: the value where it may be shown, else its kind or its references."""
    if not isinstance(node, Scalar):
        empty = not (node.items if isinstance(node, Items) else node.entries)
        return "" if empty else f", found {node.kind}"
    if texts.refers(node):
        names = texts.text(node).names
        return f", found the value of {listing(names)}" if names else ""
    if node.value is None:
        return ", found nothing"
    if hidden:
        return "" if isinstance(node.value, str) else f", found {node.kind}"
    return f", found `{short(node.raw)}`" if node.raw.strip() else ""


def _without(message: str, value: Any) -> str:
    return message.replace(str(value), "***") if value else message


def _sharper(message: str, remedy: str, node: Scalar) -> str:
    """Improve on a remedy where the value may be shown."""
    if "duration" in message and (better := suggest_duration(node.raw)):
        return f"write `{better}`; {remedy.removeprefix('write ')}"
    if message == "must be text" and node.value is not None and not node.style:
        return f'put it in quotes: "{short(node.raw)}"'
    if remedy.startswith("allowed: "):
        return did_you_mean(node.raw, remedy.removeprefix("allowed: ").split(", ")) + remedy
    return remedy


_PLAIN: dict[str, tuple[str, str]] = {
    "string_type": ("must be text", ""),
    "int_type": ("must be a whole number", ""),
    "int_parsing": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "float_parsing": ("must be a number", ""),
    "bool_type": ("must be true or false", ""),
    "bool_parsing": ("must be true or false", ""),
    "dict_type": ("must be a mapping", "write `key: value` lines, indented"),
    "model_type": ("must be a mapping", "write `key: value` lines, indented"),
    "model_attributes_type": ("must be a mapping", "write `key: value` lines, indented"),
    "list_type": ("must be a list", "write [one, two]"),
    "tuple_type": ("must be a list", "write [one, two]"),
}


def _explain(kind: str, error: Mapping[str, Any]) -> tuple[str, str]:
    """Give what is wrong and the remedy, without the value."""
    context: Mapping[str, Any] = error.get("ctx", {})
    match kind:
        case "setting":
            return str(context["text"]), str(context["remedy"])
        case "literal_error" | "enum":
            allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return "is not one of the allowed values", f"allowed: {allowed}"
        case "greater_than_equal":
            return f"must be at least {_said(context['ge'])}", ""
        case "less_than_equal":
            return f"must be at most {_said(context['le'])}", ""
        case "string_too_short" | "too_short" if context.get("min_length") == 1:
            return "must not be empty", ""
        case "string_pattern_mismatch" if "https?://" in context["pattern"]:
            return "is not an http:// or https:// URL", "write https://host, without ? and #"
        case "string_pattern_mismatch":
            return "does not have the right form", f"it must match {context['pattern']}"
        case "value_error" | "assertion_error":
            return f"is not right: {short(str(context.get('error', '')))}", ""
        case _:
            return _PLAIN.get(kind, (f"is not right: {short(str(error['msg']))}", ""))


def _said(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _hides(form: type[BaseModel], names: tuple[str, ...]) -> bool:
    """Tell whether a model keeps a field out of its repr, on whatever level."""
    model: type[BaseModel] | None = form
    for name in names:
        info = model.model_fields.get(name) if model else None
        if info is not None and not info.repr:
            return True
        model = _model_of(info.annotation) if info else None
    return False


def _allowed(form: type[BaseModel], names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the keys of the model that `names` lead to; nothing where it is no model."""
    model: type[BaseModel] | None = form
    for name in names:
        info = model.model_fields.get(name) if model else None
        model = _model_of(info.annotation) if info else None
    fields = model.model_fields if model else {}
    return tuple(info.alias or name for name, info in fields.items())


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Give the model that an annotation is, or has in it (`Login | None`)."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
