"""Conditions, templates and mappings of the file: compiled, their mistakes put in their place.

Law: what an expression may say is decided by `watcher.rules`, `watcher.templates` and
`watcher.mapping`; here offsets and lines of a text become places of the file.
"""

from __future__ import annotations

from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work
from watcher.mapping import Mapping, MappingError, compile_mapping
from watcher.rules import Condition, ExpressionError, compile_condition
from watcher.templates import TemplateError, compile_template

__all__ = ["check_template", "compile_fields", "compile_where"]


def compile_where(entry: Entry | None, work: Work) -> Condition | None:
    """Compile a rule's condition; None where there is none or it is wrong."""
    node = _text(entry)
    if node is None:
        return None
    try:
        return compile_condition(node.raw)
    except ExpressionError as error:
        for mistake in (error, *error.others):
            place = node.at(mistake.offset) if node.raw.strip() else node.place
            work.problems.append(
                place.problem(f"`where`: {mistake.message}", _meant(mistake.suggestion))
            )
        return None


def check_template(entry: Entry | None, work: Work) -> str | None:
    """Check a template by compiling it; gives its source."""
    node = _text(entry)
    if node is None or entry is None:
        return None
    try:
        compile_template(node.raw)
    except TemplateError as error:
        place = node.at(_line_start(node.raw, error.line))
        work.problems.append(
            place.problem(f"`{entry.name}`: {error.message}", _meant(error.suggestion))
        )
    return node.raw


def compile_fields(entry: Entry | None, work: Work) -> Mapping | None:
    """Compile a source's `fields`; each wrong one is a problem of its own."""
    if entry is None or not isinstance(entry.value, Entries):
        return None
    nodes = {field.name: field for field in entry.value if _text(field) is not None}
    good: dict[str, str] = {}
    for name, field in nodes.items():
        try:
            compile_mapping({name: field.value.raw})  # type: ignore[union-attr]  # _text has looked
        except MappingError as error:
            work.problems.append(
                field.value.place.problem(
                    f"`fields.{name}`: {error.message}", _meant(error.suggestion)
                )
            )
        else:
            good[name] = field.value.raw  # type: ignore[union-attr]
    return compile_mapping(good) if good else None


def _text(entry: Entry | None) -> Scalar | None:
    """Give the text of an entry; anything else was refused by the form."""
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    return entry.value if isinstance(entry.value.value, str) else None


def _line_start(text: str, line: int) -> int:
    """Give the offset of the first visible character of a line, counted from 1."""
    lines = text.split("\n")
    index = min(max(line, 1), len(lines)) - 1
    indent = len(lines[index]) - len(lines[index].lstrip())
    return sum(len(one) + 1 for one in lines[:index]) + indent


def _meant(suggestion: str | None) -> str:
    return f"did you mean `{suggestion}`?" if suggestion else ""
