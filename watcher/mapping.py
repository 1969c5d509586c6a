"""Mapping: fields of the conversation read from the provider's raw row, by a source's `fields:`.

Rules: pure. Expressions are JMESPath, compiled once. A row from which an expression cannot be read
never stops a page: a value of the wrong type was not shown, so that the field stays as it was, and an
expression that fails leaves it empty. The problem is reported without the row's values. Which fields
can be mapped stands in `watcher.catalogue.fields`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

from watcher.blank import is_blank
from watcher.catalogue.fields import ATTRIBUTE, PATHS, Kind
from watcher.errors import WatcherError
from watcher.model import Disposition, Observation, Reference
from watcher.suggest import nearest

__all__ = [
    "TARGETS",
    "FieldMapping",
    "MappingError",
    "apply",
    "compile_mapping",
    "differing",
    "fingerprint",
    "reading",
    "targets",
]

TARGETS = tuple(path.name for path in PATHS.values() if path.field.mappable)
"""The fields that can be mapped."""

LONGEST = 4096
"""Characters of an expression."""

_ATTRIBUTE = re.compile(r"attributes\.[A-Za-z_][A-Za-z0-9_]*")
_CONTACTS = (("meta", "sender"), ("contact",))
"""Where rows have the contact.

An attribute is named after the row's own key, with `contact_` before it where it is the contact's.
"""


class MappingError(WatcherError):
    """One line of `fields:` is wrong.

    `field` is its key, `message` what was found and what is allowed, `suggestion` what was probably
    meant (None where nothing is close). `others` are the further wrong lines.
    """

    def __init__(
        self,
        field: str,
        message: str,
        suggestion: str | None = None,
        others: tuple[MappingError, ...] = (),
    ) -> None:
        self.field = field
        self.message = message
        self.suggestion = suggestion
        self.others = others
        super().__init__(f"{field}: {message}")


@dataclass(frozen=True, slots=True)
class MappedField:
    """One line of `fields:`, compiled."""

    target: str
    """The leaf path that is mapped."""

    expression: str

    chain: tuple[str, ...]
    """The keys of an expression that is a plain chain of them, such as `a.b`; otherwise empty."""

    compiled: ParsedResult = field(repr=False, compare=False)

    @property
    def taken(self) -> tuple[str, tuple[str, ...]] | None:
        """The attribute that the expression reads a part of, as leaf path and keys within it."""
        for prefix in _CONTACTS:
            deep = len(self.chain) > len(prefix) + 1
            if deep and self.chain[: len(prefix)] == prefix:
                name, *within = self.chain[len(prefix) :]
                return f"attributes.contact_{name}", tuple(within)
        if not self.chain or f"attributes.{self.chain[0]}" == self.target:
            return None
        return f"attributes.{self.chain[0]}", self.chain[1:]


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """The compiled `fields:` of one source, in alphabetical order of the targets."""

    fields: tuple[MappedField, ...]


def compile_mapping(fields: Mapping[str, str]) -> FieldMapping:
    """Compile a source's `fields:`. Raise MappingError with every wrong line."""
    compiled: list[MappedField] = []
    errors: list[MappingError] = []
    for target, expression in sorted(fields.items()):
        try:
            _check_target(target)
            compiled.append(_compile(target, expression))
        except MappingError as error:
            errors.append(error)
    if errors:
        errors[0].others = tuple(errors[1:])
        raise errors[0]
    return FieldMapping(tuple(compiled))


def apply(mapping: FieldMapping, observation: Observation) -> tuple[Observation, tuple[str, ...]]:
    """Return the observation with the mapped fields of its raw row, and what could not be read.

    A mapped field replaces what the provider's plug-in read. What a plain chain of keys reads of an
    observed attribute is removed from it, so that one change is not reported twice. A field whose
    chain begins with a key that the row lacks is `absent`.
    """
    if observation.raw is None:
        return observation, ()
    fields = dict(observation.fields)
    problems: list[str] = []
    for one in mapping.fields:
        if one.taken is not None:
            _take_out(fields, *one.taken)
    for one in mapping.fields:
        try:
            fields[one.target] = _read(one, observation.raw)
        except _Unreadable as failure:
            problems.append(f"fields.{one.target}: {failure}")
            fields.pop(one.target, None)  # as if the row did not show it: the old value stays
        except _Failed as failure:
            problems.append(f"fields.{one.target}: {failure}")
            # Functions fail on what is gone (null), too: the field may well be empty now.
            fields[one.target] = None
            if one.target in _REQUIRED:
                del fields[one.target]
    missing = {
        one.target for one in mapping.fields if one.chain and one.chain[0] not in observation.raw
    }
    absent = (observation.absent - targets(mapping)) | (missing & fields.keys())
    return dataclasses.replace(observation, fields=fields, absent=absent), tuple(problems)


def targets(mapping: FieldMapping | None) -> frozenset[str]:
    """Return the leaf paths that are mapped."""
    return frozenset(one.target for one in mapping.fields) if mapping is not None else frozenset()


def reading(mapping: FieldMapping, keys: Collection[str]) -> frozenset[str]:
    """Return the leaf paths whose expression names one of the keys of a row."""
    return frozenset(
        one.target
        for one in mapping.fields
        if any(re.search(rf"\b{re.escape(key)}\b", one.expression) for key in keys)
    )


def fingerprint(mapping: FieldMapping | None) -> str:
    """Return a mapping as text, so that `differing` can compare a later one with it."""
    if mapping is None:
        return ""
    plain = {one.target: one.expression for one in mapping.fields}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def differing(old_fingerprint: str, mapping: FieldMapping | None) -> frozenset[str]:
    """Return the leaf paths that show something else than under the mapping of a fingerprint.

    They are the mapped fields themselves, and the attributes that lose a part to one of them.
    """
    before, after = _restore(old_fingerprint), mapping.fields if mapping is not None else ()
    changed = set(before) ^ set(after)
    paths = {one.target for one in changed}
    return frozenset(paths | {one.taken[0] for one in changed if one.taken is not None})


# Compiling


def _check_target(target: str) -> None:
    if target in TARGETS or _ATTRIBUTE.fullmatch(target):
        return
    if target.startswith("attributes"):
        message = "an attribute is mapped as attributes.<name>, a name of letters, digits and _"
        raise MappingError(target, message)
    message = f"{target!r} cannot be mapped; these can: {', '.join(TARGETS)}"
    leaves = {name.rpartition(".")[2]: name for name in TARGETS}
    guess = nearest(target, TARGETS) or leaves.get(nearest(target, leaves) or "")
    raise MappingError(target, message, guess)


def _compile(target: str, expression: str) -> MappedField:
    if len(expression) > LONGEST:
        raise MappingError(target, f"the expression is longer than {LONGEST} characters")
    try:
        compiled = jmespath.compile(expression)
        for name in _functions(compiled.parsed):
            if name not in Functions.FUNCTION_TABLE:
                known = ", ".join(Functions.FUNCTION_TABLE)
                message = f"unknown function {name}(); known: {known}"
                raise MappingError(target, message, nearest(name, Functions.FUNCTION_TABLE))
        with suppress(JMESPathTypeError):  # an empty row has no values for a function
            compiled.search({})
    except JMESPathError as failure:
        raise MappingError(target, _syntax(expression, failure)) from None
    except RecursionError:
        raise MappingError(target, "the expression is nested too deeply") from None
    return MappedField(target, expression, _chain(compiled.parsed), compiled)


def _syntax(expression: str, failure: JMESPathError) -> str:
    text = str(failure).partition("\n")[0].partition(", for expression")[0].rstrip(":")
    message = f"{expression!r} is not a JMESPath expression: {text}"
    if isinstance(failure, LexerError) and re.search(r"\w-\w", expression):
        message += '; write a key with a hyphen in quotes, as in a."b-c"'
    return message


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _functions(child)


def _chain(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of a plain chain such as `custom_attributes.outcome`, otherwise none."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return ()
    parts = [_chain(child) for child in node["children"]]
    return tuple(key for part in parts for key in part) if all(parts) else ()


def _restore(written: str) -> tuple[MappedField, ...]:
    """Return the fields of a fingerprint.

    An expression that no longer compiles (another version of the program wrote it) counts as different.
    """
    try:
        plain = json.loads(written) if written else {}
    except ValueError:
        return ()
    restored: list[MappedField] = []
    for target, expression in plain.items():
        try:
            restored.append(_compile(target, expression))
        except MappingError:
            restored.append(MappedField(target, expression, (), jmespath.compile("@")))
    return tuple(restored)


# Applying


class _Unreadable(Exception):
    """A mapped value is of the wrong type. The text says why, without the row's values."""


class _Failed(Exception):
    """An expression cannot be evaluated on a row. The text says why, without the row's values."""


def _read(one: MappedField, raw: Mapping[str, Any]) -> Any:
    try:
        value = one.compiled.search(raw)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as failure:
        name = type(failure).__name__  # JMESPath's own errors are ValueErrors
        raise _Failed(f"{one.expression!r} cannot be evaluated on a row ({name})") from None
    try:
        return _READERS.get(one.target, _READERS[ATTRIBUTE])(value)
    except _WrongType as wrong:
        found = f"{one.expression!r} is {_type_name(value)} here"
        raise _Unreadable(f"{found}; allowed: {wrong.allowed}") from None


def _take_out(fields: dict[str, Any], path: str, keys: tuple[str, ...]) -> None:
    """Remove a key from an observed attribute.

    If nothing is left, the attribute is null: a row without the key looks the same as one from which
    the key was removed.
    """
    if path in fields:
        fields[path] = _without(fields[path], keys)


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    if not keys:
        return None
    if not isinstance(value, Mapping):
        return value
    rest = dict(value)
    if keys[0] in rest:
        inner = _without(rest.pop(keys[0]), keys[1:])
        if inner is not None:
            rest[keys[0]] = inner
    return rest or None


# Reading a value as one of the model: each reader takes plain JSON, and returns None for what is
# empty. It raises _WrongType for anything that it cannot read.


class _WrongType(Exception):
    """The value cannot be read; `allowed` names what can."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


def _type_name(value: Any) -> str:
    """Return the type of a JSON value in words, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, Mapping) else "a list"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


def _scalar(value: Any) -> str | None:
    """Return a scalar as text, spelled as in JSON; None for anything else. Blank text is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "" if is_blank(value) else value.strip()
    if isinstance(value, int | float):
        whole = isinstance(value, float) and value.is_integer()
        return str(int(value)) if whole else str(value)
    return None


def _read_text(value: Any) -> str | None:
    """Read a text; a number or true/false becomes one."""
    if _is_empty(value):
        return None
    text = _scalar(value)
    if text is None:
        raise _WrongType("a text or a number")
    return text or None


def _read_flag(value: Any) -> bool:
    """Read true or false. Null and empty text are false; the usual words are understood."""
    if _is_empty(value):
        return False
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(_scalar(value)).casefold()
    if word not in words:
        raise _WrongType("true or false")
    return words[word]


def _read_labels(value: Any) -> tuple[str, ...]:
    """Read labels from a list (of texts, or of objects with a name) or from text with commas."""
    if _is_empty(value):
        return ()
    allowed = "a list of texts, or a text with commas"
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise _WrongType(allowed)
    names = [_first(one, "name", "title", "label") for one in value if not _is_empty(one)]
    if None in names:
        raise _WrongType(allowed)
    return tuple(sorted({name for name in names if name}))


def _read_reference(value: Any) -> Reference | None:
    """Read a person or team from an id, or from an object with `id` and `name`."""
    if _is_empty(value):
        return None
    if isinstance(value, Mapping):
        name = _first(value, "name", "displayName", "label")
        identity = _first(value, "id") or name
        if not identity:
            raise _WrongType("an id, or an object with `id` and `name`")
        return Reference(identity, name or None)
    text = _scalar(value)
    if text is None:
        raise _WrongType("an id, or an object with `id` and `name`")
    return Reference(text) if text else None


def _read_disposition(value: Any) -> Disposition | None:
    """Read a disposition: a scalar is its label, an object has the keys of the contract."""
    if _is_empty(value):
        return None
    text = _scalar(value)
    if text is not None:
        return Disposition(label=text) if text else None
    allowed = "a text, or an object with id, label, outcome, changed_at or changed_by"
    if not isinstance(value, Mapping):
        raise _WrongType(allowed)
    read = Disposition(
        id=_first(value, "id") or None,
        label=_first(value, "label", "name", "displayName") or None,
        outcome=_first(value, "outcome") or None,
        changed_at=_time(value.get("changed_at")),
        changed_by=_first(value, "changed_by") or None,
    )
    if read == Disposition():
        raise _WrongType(allowed)
    return read


def _read_json(value: Any) -> Any:
    """Read any JSON as it is."""
    return value


def _first(value: Any, *keys: str) -> str | None:
    """Return a scalar as text, or the first of the keys of an object that has one.

    That may be an object with a name itself (`changed_by: {name: Ana}`).
    """
    if not isinstance(value, Mapping):
        return _scalar(value)
    for key in keys:
        inner = value.get(key)
        text = _first(inner, "name", "id") if isinstance(inner, Mapping) else _scalar(inner)
        if text:
            return text
    return None


def _time(value: Any) -> datetime | None:
    """Read RFC 3339 text or a Unix time in seconds or milliseconds."""
    if _is_empty(value):
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
            return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= 1e11 else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise _WrongType("a time (RFC 3339) as `changed_at`")


_BY_KIND: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _read_text,
    "flag": _read_flag,
    "labels": _read_labels,
    "reference": _read_reference,
    "disposition": _read_disposition,
    "json": _read_json,
}

_READERS: Mapping[str, Callable[[Any], Any]] = {
    name: _BY_KIND[PATHS[name].kind] for name in TARGETS
}
"""How each field is read; `attributes.<name>` stands for every attribute."""

_REQUIRED = frozenset(path.name for path in PATHS.values() if path.required)
"""Fields that a conversation always has: null cannot stand for them."""
