"""From a part of the tree to a pydantic model, every mistake with its place and for people.

Rules: no setting is known here. A value is shown in a message only if it stands in the file itself
and its setting holds no secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from watcher.config.texts import Texts
from watcher.config.tree import Entries, Items, Node, Place, Scalar
from watcher.errors import Problem
from watcher.secrets import SecretText, is_sensitive
from watcher.settings.base import Context, Mistake, Settings
from watcher.settings.durations import suggest_duration
from watcher.settings.oddities import EXAMINED, oddity
from watcher.suggest import did_you_mean, listing, short

__all__ = ["Validation", "found", "holds_secret", "model_of", "validate"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation of a configuration: what all its parts share."""

    texts: Texts
    """Resolves the references in texts."""

    problems: list[Problem] = field(default_factory=list)
    """What is wrong, in the order in which it was found."""

    warnings: list[Problem] = field(default_factory=list)
    """What works but is probably not meant."""

    weak: list[Problem] = field(default_factory=list)
    """What works and weakens protection."""

    context: Context = field(default_factory=Context)
    """What validators may ask about the other parts."""

    examine: Callable[[BaseModel], Iterable[Mistake]] = lambda _model: ()
    """Finds in settings that are right by themselves what only a look at the machine shows."""


def validate(
    model: type[M],
    table: Entries,
    validation: Validation,
    *,
    parent: Place,
    what: str,
    resolve: bool = True,
    literal: Iterable[str] = (),
    beside: Iterable[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> M | None:
    """Return a mapping of the file as a model, with its warnings; None where there are problems.

    `parent` is the place for what is missing, `what` names the part in messages. Without `resolve`
    the texts hold no references, and those of the keys in `literal` never do. `beside` are keys
    that are also allowed in this place of the file, for the remedy of a misspelt one. `extra` are
    values of the model that do not come from the file.
    """
    texts = validation.texts
    taken, more = frozenset(literal), dict(extra or {})
    plain = {
        entry.name: texts.plain(entry.value, resolve=resolve and entry.name not in taken)
        for entry in table
    }
    owner = _Owner(model, table, texts, parent, what, tuple(beside), frozenset(more))
    reserved = [entry.key for entry in table if entry.name in more]
    validation.problems.extend(_unknown_key(owner, key, (key.raw,)) for key in reserved)
    odd = _oddities(table, texts) if resolve else {}
    validation.problems.extend(odd.values())
    try:
        value = model.model_validate(
            plain | more, context=validation.context, by_alias=True, by_name=False
        )
    except ValidationError as error:
        validation.problems.extend(
            # What is obviously not meant is a mistake once.
            one
            for one in _problems(owner, error)
            if not any((one.line, one.column) == (each.line, each.column) for each in odd.values())
        )
        return None
    if odd:
        return None
    seen = [
        one for one in validation.examine(value) if not texts.left_out(_locate(table, one.loc).node)
    ]
    if seen:
        validation.problems.extend(_of_mistake(owner, one) for one in seen)
        return None
    if isinstance(value, Settings):
        for one in value.warnings(validation.context):
            problem = _of_mistake(owner, one)
            (validation.weak if one.weak else validation.warnings).append(problem)
    return value


def _oddities(table: Entries, texts: Texts) -> Mapping[Scalar, Problem]:
    """Return a problem for each secret or address whose value is obviously not what was meant."""
    found = {}
    for entry in table:
        for name, node in _scalars(entry.name, entry.value) if entry.name in EXAMINED else ():
            if not isinstance(node.value, str) or texts.left_out(node):
                continue
            odd = oddity(entry.name, str(texts.plain(node)))
            if odd is not None:
                references = texts.text(node).names
                of = f": the value of {listing(references)}" if references else ""
                found[node] = node.place.problem(f"`{name}`{of} {odd[0]}", odd[1])
    return found


def _scalars(name: str, node: Node) -> Iterable[tuple[str, Scalar]]:
    match node:
        case Scalar():
            yield name, node
        case Entries():
            for entry in node:
                yield from _scalars(f"{name}.{entry.name}", entry.value)
        case Items():
            for number, item in enumerate(node.items, 1):
                yield from _scalars(f"{number}. of {name}", item)


def _of_mistake(owner: _Owner, mistake: Mistake) -> Problem:
    details = {"type": "setting", "loc": mistake.loc, "ctx": mistake.error.context}
    return _problem(owner, details, _locate(owner.table, mistake.loc))


@dataclass(frozen=True, slots=True)
class _Owner:
    """What is checked: a model, the part of the file, and what people call it."""

    model: type[BaseModel]
    table: Entries
    texts: Texts
    parent: Place
    what: str
    beside: tuple[str, ...]
    reserved: frozenset[str]


def _problems(owner: _Owner, error: ValidationError) -> Iterable[Problem]:
    problems: dict[object, Problem] = {}
    for number, details in enumerate(error.errors(include_url=False, include_input=False)):
        spot = _locate(owner.table, details["loc"])
        context = details.get("ctx", {})
        if _unknown(owner, spot, details["type"], context):
            continue
        problem = _problem(owner, details, spot)
        # Each alternative of a union complains; one place is one problem.
        alone = isinstance(spot.node, Scalar) and spot.node is not spot.key
        key = (spot.node, context.get("offset")) if alone else number
        first = problems.setdefault(key, problem)
        if first is not problem and not first.remedy:
            problems[key] = replace(first, remedy=problem.remedy)
    return problems.values()


def _unknown(owner: _Owner, spot: _Spot, kind: str, context: Mapping[str, Any]) -> bool:
    """Return whether a mistake may be due to a text that was left out."""
    texts = owner.texts
    if not spot.names and kind != "missing" and kind != "setting":
        return texts.left_out_within(owner.table)  # of a plug-in's own check of the whole
    table = _locate(owner.table, spot.loc[:-1]).node
    others = (
        entry.value
        for name in context.get("beside", ())
        if isinstance(table, Entries) and (entry := table.get(name)) is not None
    )
    return texts.left_out(spot.node) or any(map(texts.left_out, others))


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error's `loc` leads: the deepest node, its key, the keys on the way, and what of
    `loc` no file has.
    """

    node: Node
    key: Scalar | None
    names: tuple[str, ...]
    rest: tuple[int | str, ...]
    loc: tuple[int | str, ...]


def _locate(table: Entries, loc: tuple[int | str, ...]) -> _Spot:
    """Follow `loc`; parts that no file has (the tag of a union) are passed over."""
    node: Node = table
    key: Scalar | None = None
    names: tuple[str, ...] = ()
    rest: tuple[int | str, ...] = ()
    for part in loc:
        if part == "[key]" and key is not None:
            return _Spot(key, key, names, (), loc)
        if isinstance(node, Entries) and (entry := node.get(str(part))) is not None:
            node, key, names, rest = entry.value, entry.key, (*names, entry.name), ()
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node, rest = node.items[part], ()
        else:
            rest = (*rest, part)
    return _Spot(node, key, names, rest, loc)


def _problem(owner: _Owner, error: Mapping[str, Any], spot: _Spot) -> Problem:
    """Return one of pydantic's errors with its place, its words and its remedy."""
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "missing":
        name = spot.rest[-1] if spot.rest else error["loc"][-1]
        inside = f" in `{'.'.join(spot.names)}`" if spot.names else ""
        place = spot.node.place if spot.names else owner.parent
        return place.problem(f"{owner.what} lacks `{name}`{inside}", f"add `{name}: …`")
    if kind == "extra_forbidden" and spot.key is not None:
        return _unknown_key(owner, spot.key, spot.names)
    if "whole" in context:
        return _of_whole(owner, context, spot)
    if not spot.names:
        reason = owner.texts.redactor.scrub(short(str(error["msg"])))
        return owner.parent.problem(f"{owner.what} is not right: {reason}")
    name = ".".join(spot.names)
    message, remedy = _explain(kind, error)
    if spot.node is spot.key:  # a key is no secret, and its message names it
        return spot.node.place.problem(message, remedy)
    if "offset" in context:
        within = isinstance(spot.node, Scalar) and bool(spot.node.raw.strip())
        place = (
            spot.node.at(context["offset"])
            if within and isinstance(spot.node, Scalar)
            else spot.node.place
        )
        return place.problem(f"`{name}`: {message}", remedy)
    if message.startswith(":"):
        return spot.node.place.problem(f"`{name}`{message}", remedy)
    hidden = any(map(is_sensitive, spot.names)) or _hides(owner.model, spot.names)
    if message == "must be a mapping" and (keys := _allowed(owner.model, spot.names)):
        remedy = f"{remedy}; its keys: {listing(keys)}"
    if owner.texts.refers(spot.node) or hidden:
        if message.startswith(_FOREIGN):  # which may quote the value
            message = _without(message, owner.texts.plain(spot.node))
        if message == "must be text" and isinstance(spot.node, Scalar) and spot.node.raw:
            remedy = "put it in quotes"
    elif isinstance(spot.node, Scalar):
        remedy = _sharper(message, remedy, spot.node)
    if message.startswith(_FOREIGN):
        message = _FOREIGN + owner.texts.redactor.scrub(message.removeprefix(_FOREIGN))
    shown = found(spot.node, owner.texts, hidden=hidden)
    return spot.node.place.problem(f"`{name}` {message}{shown}", remedy)


def _unknown_key(owner: _Owner, key: Scalar, names: tuple[str, ...]) -> Problem:
    allowed = _allowed(owner.model, names[:-1])
    if len(names) == 1:
        allowed = (*(one for one in allowed if one not in owner.reserved), *owner.beside)
    inside = f"`{'.'.join(names[:-1])}` of {owner.what}" if names[:-1] else owner.what
    remedy = f"{did_you_mean(names[-1], allowed)}allowed: {listing(allowed)}" if allowed else ""
    return key.place.problem(f"unknown key `{names[-1]}` in {inside}", remedy)


def _of_whole(owner: _Owner, context: Mapping[str, Any], spot: _Spot) -> Problem:
    """Return a mistake of settings together: its place is the key that is named, if it is there."""
    model = _locate(owner.table, spot.loc[: len(spot.loc) - context["whole"]])
    what = f"`{'.'.join(model.names)}` of {owner.what}" if model.names else owner.what
    key = spot.key if spot.key is not None and not spot.rest else model.key
    text = str(context["text"])
    message = text.replace("{what}", what) if "{what}" in text else f"{what} {text}"
    place = key.place if key is not None else owner.parent
    if "weak" in context and not spot.rest:  # where a closer look finds it, too
        place = spot.node.place
    return place.problem(message, str(context["remedy"]))


def found(node: Node, texts: Texts, *, hidden: bool) -> str:
    """Return `, found …`: the value where it may be shown, else its kind or its references."""
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
    if not node.raw.strip():
        return ""
    spaced = node.raw != node.raw.strip()  # what is wrong with it may be just that
    raw = texts.redactor.scrub(node.raw)
    return f", found `{json.dumps(raw[:60], ensure_ascii=False) if spaced else short(raw)}`"


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


_FOREIGN = "is not right: "
"""How a message begins that goes on in the words of pydantic or of a plug-in."""

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


_FORMS = {
    "^[A-Za-z0-9_-]+$": "it has letters, digits, _ and - only, and no white space",
    "^[A-Za-z0-9.-]+$": "it has letters, digits, . and - only, and no white space",
}
"""Forms of ids and versions, in words."""


def _explain(kind: str, error: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong and the remedy, without the value."""
    context: Mapping[str, Any] = error.get("ctx", {})
    match kind:
        case "setting":
            return str(context["text"]), str(context["remedy"])
        case "literal_error" | "enum":
            allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return "is not one of the allowed values", f"allowed: {allowed}"
        case "greater_than_equal":
            return f"must be at least {_bound(context['ge'])}", ""
        case "less_than_equal":
            return f"must be at most {_bound(context['le'])}", ""
        case "string_too_short" | "too_short" if context.get("min_length") == 1:
            return "must not be empty", ""
        case "string_pattern_mismatch" if "https?://" in context["pattern"]:
            return "is not an http:// or https:// URL", "write https://host, without ? and #"
        case "string_pattern_mismatch":
            form = _FORMS.get(context["pattern"], f"it must match {context['pattern']}")
            return "does not have the right form", form
        case "value_error" | "assertion_error":
            return _FOREIGN + short(str(context.get("error", ""))), ""
        case _:
            return _PLAIN.get(kind, (_FOREIGN + short(str(error["msg"])), ""))


def _bound(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _hides(form: type[BaseModel], names: tuple[str, ...]) -> bool:
    """Return whether a field holds a secret or is kept out of the model's repr, on any level."""
    model: type[BaseModel] | None = form
    for name in names:
        info = _field(model, name) if model else None
        if info is not None and (not info.repr or holds_secret(info.annotation)):
            return True
        model = model_of(info.annotation) if info else None
    return False


def holds_secret(annotation: Any) -> bool:
    """Return whether values of a field's type are secrets."""
    return annotation is SecretText or any(map(holds_secret, get_args(annotation)))


def _allowed(model: type[BaseModel], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of the model that `names` lead to; nothing where it is no model."""
    inner: type[BaseModel] | None = model
    for name in names:
        info = _field(inner, name) if inner else None
        inner = model_of(info.annotation) if info else None
    fields = inner.model_fields if inner else {}
    return tuple(info.alias or name for name, info in fields.items())


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            return info
    return None


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or has in it (`Login | None`, `Annotated[…]`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_of, get_args(annotation))), None)
