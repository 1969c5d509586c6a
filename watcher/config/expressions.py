"""Conditions, templates and mappings of the file: compiled, their mistakes put in their place.

Law: what an expression may say is decided by `watcher.rules`, `watcher.templates` and
`watcher.mapping`; here offsets and lines of a text become places of the file.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.conditions import (
    Condition,
    Expression,
    ExpressionError,
    compile_condition,
    compile_expression,
)
from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work
from watcher.mapping import FieldMapping, MappingError, compile_mapping
from watcher.templates import TemplateError, compile_template

__all__ = [
    "check_template",
    "compile_by",
    "compile_fields",
    "compile_where",
    "object_to",
    "text_of",
]


def compile_where(
    entry: Entry | None, work: Work, named: Mapping[str, Condition], *, silence: bool = False
) -> Condition | None:
    """Compile a condition; None where there is none or it is wrong. `named` are the conditions
    that it may name; with `silence` it sees what silences see.
    """
    node = text_of(entry)
    if node is None or entry is None:
        return None
    try:
        return compile_condition(node.raw, named, silence=silence)
    except ExpressionError as error:
        object_to(error, node, entry.name, work)
        return None


def compile_by(
    entry: Entry | None, work: Work, named: Mapping[str, Condition]
) -> Expression | None:
    """Compile an expression that groups events; None where there is none or it is wrong."""
    node = text_of(entry)
    if node is None or entry is None:
        return None
    try:
        return compile_expression(node.raw, named)
    except ExpressionError as error:
        object_to(error, node, entry.name, work)
        return None


def object_to(error: ExpressionError, node: Scalar, key: str, work: Work) -> None:
    """Put every mistake of an expression in its place."""
    for mistake in (error, *error.others):
        place = node.at(mistake.offset) if node.raw.strip() else node.place
        work.problems.append(
            place.problem(f"`{key}`: {mistake.message}", _meant(mistake.suggestion))
        )


def check_template(entry: Entry | None, work: Work, *, many: bool = False) -> str | None:
    """Check a template by compiling it; gives its source. With `many` it is a digest's."""
    node = text_of(entry)
    if node is None or entry is None:
        return None
    try:
        compile_template(node.raw, many=many)
    except TemplateError as error:
        for mistake in (error, *error.others):
            place = node.at(_offset(node.raw, mistake.line, mistake.column))
            work.problems.append(
                place.problem(f"`{entry.name}`: {mistake.message}", _meant(mistake.suggestion))
            )
    return node.raw


def compile_fields(entry: Entry | None, work: Work) -> FieldMapping | None:
    """Compile a source's `fields`; None where there are none or one is wrong."""
    if entry is None or not isinstance(entry.value, Entries):
        return None
    nodes = {field.name: text for field in entry.value if (text := text_of(field)) is not None}
    if not nodes:
        return None
    try:
        return compile_mapping({name: node.raw for name, node in nodes.items()})
    except MappingError as error:
        for mistake in (error, *error.others):
            work.problems.append(
                nodes[mistake.field].place.problem(
                    f"`fields.{mistake.field}`: {mistake.message}", _meant(mistake.suggestion)
                )
            )
        return None


def text_of(entry: Entry | None) -> Scalar | None:
    """Give the text of an entry; anything else was refused by the form."""
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    return entry.value if isinstance(entry.value.value, str) else None


def _offset(text: str, line: int, column: int | None) -> int:
    """Give the offset of a place counted from 1; without a column, of the line's beginning."""
    lines = text.split("\n")
    index = min(max(line, 1), len(lines)) - 1
    indent = len(lines[index]) - len(lines[index].lstrip())
    return sum(len(one) + 1 for one in lines[:index]) + (indent if column is None else column - 1)


def _meant(suggestion: str | None) -> str:
    return f"did you mean `{suggestion}`?" if suggestion else ""
