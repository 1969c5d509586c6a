"""Mapping: canonical fields read from the provider's raw row by a source's `fields:`.

Law: pure. Expressions are JMESPath, compiled once. A row that does not give what an expression
promises never stops a page: the field is empty (or, where a conversation cannot do without it,
left as it was), and the problem is told without the row's values.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

from watcher.catalogue.fields import ATTRIBUTE
from watcher.errors import WatcherError
from watcher.mapping._readings import READERS, REQUIRED, WrongType, kind
from watcher.model import Observation
from watcher.suggest import nearest

__all__ = [
    "TARGETS",
    "FieldMapping",
    "MappingError",
    "apply",
    "compile_mapping",
    "differing",
    "fingerprint",
    "targets",
]

TARGETS = tuple(READERS)
"""The fields that can be mapped."""

LONGEST = 4096

_ATTRIBUTE = re.compile(r"attributes\.[A-Za-z_][A-Za-z0-9_]*")
_CONTACTS = (("meta", "sender"), ("contact",))
"""Where rows hold the contact. What a provider shows as an attribute has the row's own key as its
name, and `contact_` before it where it is the contact's.
"""


class MappingError(WatcherError):
    """One line of `fields:` is wrong.

    `field` is its key, `message` says what was found and what is allowed, `suggestion` is what
    was probably meant (None where nothing comes close). `others` are the further wrong lines.
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
class Field:
    """One mapped field. `chain` are the keys of an expression that is a plain chain of them."""

    target: str
    expression: str
    chain: tuple[str, ...]
    compiled: ParsedResult = field(repr=False, compare=False)

    @property
    def taken(self) -> tuple[str, tuple[str, ...]] | None:
        """The leaf path of the attribute that the expression reads from, and the keys within it."""
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
    """The compiled `fields:` of one source, by target in alphabetical order."""

    fields: tuple[Field, ...]


def compile_mapping(fields: Mapping[str, str]) -> FieldMapping:
    """Compile a source's `fields:`; raises MappingError with every wrong line."""
    compiled: list[Field] = []
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
    """Read the mapped fields from the observation's raw row; also give what could not be read.

    A mapped field replaces what the provider's plug-in read. What a plain chain of keys takes
    from an observed attribute is taken out of it, so that one change is not told twice. A field
    whose chain begins with a key that the row does not have is `absent`.
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
            fields[one.target] = None
            if one.target in REQUIRED:
                del fields[one.target]  # not shown: the old value stands
    missing = {
        one.target for one in mapping.fields if one.chain and one.chain[0] not in observation.raw
    }
    absent = (observation.absent - targets(mapping)) | (missing & fields.keys())
    return dataclasses.replace(observation, fields=fields, absent=absent), tuple(problems)


def targets(mapping: FieldMapping | None) -> frozenset[str]:
    """Give the leaf paths that are mapped."""
    return frozenset(one.target for one in mapping.fields) if mapping is not None else frozenset()


def fingerprint(mapping: FieldMapping | None) -> str:
    """Write a mapping down, to be told later in which fields another one differs."""
    if mapping is None:
        return ""
    plain = {one.target: one.expression for one in mapping.fields}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def differing(old_fingerprint: str, mapping: FieldMapping | None) -> frozenset[str]:
    """Give the leaf paths that show something else since a mapping was written down: the mapped
    fields themselves, and the attributes that they take something out of.
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
    message = f"{target!r} cannot be mapped; there are {', '.join(TARGETS)}"
    leaves = {name.rpartition(".")[2]: name for name in TARGETS}
    guess = nearest(target, TARGETS) or leaves.get(nearest(target, leaves) or "")
    raise MappingError(target, message, guess)


def _compile(target: str, expression: str) -> Field:
    if len(expression) > LONGEST:
        raise MappingError(target, f"the expression is longer than {LONGEST} characters")
    try:
        compiled = jmespath.compile(expression)
        for name in _functions(compiled.parsed):
            if name not in Functions.FUNCTION_TABLE:
                known = ", ".join(Functions.FUNCTION_TABLE)
                message = f"there is no function {name}(); there are {known}"
                raise MappingError(target, message, nearest(name, Functions.FUNCTION_TABLE))
        with suppress(JMESPathTypeError):  # an empty row gives a function nothing to work on
            compiled.search({})
    except JMESPathError as failure:
        raise MappingError(target, _syntax(expression, failure)) from None
    except RecursionError:
        raise MappingError(target, "the expression is nested too deeply") from None
    return Field(target, expression, _chain(compiled.parsed), compiled)


def _syntax(expression: str, failure: JMESPathError) -> str:
    text = str(failure).partition("\n")[0].partition(", for expression")[0].rstrip(":")
    message = f"{expression!r} is no JMESPath expression: {text}"
    if isinstance(failure, LexerError) and re.search(r"\w-\w", expression):
        message += '; a key with a hyphen is written in quotes, as in a."b-c"'
    return message


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _functions(child)


def _chain(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the keys of a plain chain such as `custom_attributes.outcome`, else nothing."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return ()
    parts = [_chain(child) for child in node["children"]]
    return tuple(key for part in parts for key in part) if all(parts) else ()


def _restore(written: str) -> tuple[Field, ...]:
    """Read a fingerprint back; an expression of another version that no longer compiles counts as
    different, which is all that is asked.
    """
    try:
        plain = json.loads(written) if written else {}
    except ValueError:
        return ()
    restored: list[Field] = []
    for target, expression in plain.items():
        try:
            restored.append(_compile(target, expression))
        except MappingError:
            restored.append(Field(target, expression, (), jmespath.compile("@")))
    return tuple(restored)


# Applying


class _Unreadable(Exception):
    """A mapped field cannot be read from a row; the text says why, without the row's values."""


def _read(one: Field, raw: Mapping[str, Any]) -> Any:
    try:
        value = one.compiled.search(raw)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as failure:
        name = type(failure).__name__  # JMESPath's own errors are ValueErrors
        raise _Unreadable(f"{one.expression!r} cannot be evaluated on a row ({name})") from None
    reader = READERS.get(one.target, READERS[ATTRIBUTE])
    try:
        return reader(value)
    except WrongType as wrong:
        gives = f"{one.expression!r} gives {kind(value)}"
        raise _Unreadable(f"{gives}, where only {wrong.allowed} can stand") from None


def _take_out(fields: dict[str, Any], path: str, keys: tuple[str, ...]) -> None:
    """Take a key out of an observed attribute; what is left empty is null, so that a row in which
    the key was never set looks the same as one in which it was taken out.
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
