"""The mapping `fields:` of a source, compiled; its mistakes put in their place.

Rules: what an expression may say is decided by `watcher.mapping`.
"""

from __future__ import annotations

from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work
from watcher.mapping import FieldMapping, MappingError, compile_mapping

__all__ = ["compile_fields"]


def compile_fields(entry: Entry | None, work: Work) -> FieldMapping | None:
    """Compile a source's `fields`; None where there are none or one is wrong."""
    if entry is None or not isinstance(entry.value, Entries):
        return None
    nodes = {field.name: text for field in entry.value if (text := _text_of(field)) is not None}
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


def _text_of(entry: Entry | None) -> Scalar | None:
    """Give the text of an entry; anything else was refused by the form."""
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    return entry.value if isinstance(entry.value.value, str) else None


def _meant(suggestion: str | None) -> str:
    return f"did you mean `{suggestion}`?" if suggestion else ""
