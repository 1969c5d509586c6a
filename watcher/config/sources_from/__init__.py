"""`sources_from`: a source of every row of a table.

Rules: makes of each row the tree that a person would have written below `sources:`, and checks nothing
that is checked there. A cell is a text and never a reference: `$` in it is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.config.sources_from.csv import Cell, Table
from watcher.config.tree import Entries, Entry, Items, Node, Scalar
from watcher.errors import Problem
from watcher.suggest import did_you_mean, listing, short

__all__ = ["file_of", "sources_of"]

_LITERAL = frozenset(("file", "fields"))
"""Keys whose values have no columns; JMESPath has braces of its own."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}$]*)\}|\$\{|\}|\$\$")


def file_of(table: Entries) -> Scalar | Problem:
    """Return the text that names the table's file."""
    entry = table.get("file")
    node = entry.value if entry is not None else None
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.raw.strip():
        place = node.place if node is not None else table.place
        remedy = "write `file: accounts.csv`; a relative path starts at the folder of this file"
        return place.problem("`sources_from` names no `file`", remedy)
    return node


def sources_of(table: Entries, rows: Table) -> Iterator[Entry | Problem]:
    """Yield a source for each row, by its name, and what keeps one from being made."""
    name = table.get("name")
    if name is None or not isinstance(name.value, Scalar) or not name.value.raw:
        place = name.value.place if name is not None else table.place
        yield place.problem(
            "`sources_from` lacks `name`, the names of its sources", 'write `name: "loc-{id}"`'
        )
        return
    settings = [entry for entry in table if entry.name not in ("file", "name")]
    texts: dict[Scalar, _Text] = {}
    problems = []
    for node in (name.value, *(_scalars(settings))):
        try:
            text = _Text.of(node, rows.columns)
        except _Unknown as unknown:
            problems.append(unknown.problem)
            continue
        if text.columns:
            texts[node] = text
    if not problems and name.value not in texts:
        remedy = f'put a column into it: "{short(name.value.raw)}-{{{rows.columns[0]}}}"'
        problems.append(name.value.place.problem("`name` is the same for every row", remedy))
    yield from problems
    for row in () if problems else rows.rows:
        try:
            key = _small(texts[name.value].fill(row))
            value = _filled(Entries(table.place, tuple(settings), 0), texts, row)
        except _Unknown as unknown:
            yield unknown.problem
            continue
        assert isinstance(value, Entries)  # noqa: S101 - as it was
        yield Entry(key, value)


def _small(name: Scalar) -> Scalar:
    """Return a name without capitals, which names do not have and the ids of accounts do."""
    text = name.raw.lower()
    return Scalar(name.place, text, text, name.written, name.style)


class _Unknown(Exception):
    """A column that the table does not have, or a cell that cannot stand where it is asked for."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def _scalars(entries: list[Entry]) -> Iterator[Scalar]:
    """Yield the texts that may name columns."""
    pending: list[Node] = [one.value for one in entries if one.name not in _LITERAL]
    while pending:
        match pending.pop():
            case Entries() as table:
                pending += [entry.value for entry in table]
            case Items(items=items):
                pending += items
            case Scalar(value=str()) as node:
                yield node


@dataclass(frozen=True, slots=True)
class _Text:
    """A text with columns: what stands between them, and whether each is in a reference."""

    parts: tuple[str, ...]
    columns: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, node: Scalar, known: tuple[str, ...]) -> _Text:
        """Read the braces of a text; raise _Unknown for a column that is not `known`."""
        raw, parts, columns, at, inside = node.raw, [""], [], 0, False
        for found in _BRACES.finditer(raw):
            if found.start() < at:
                continue
            parts[-1] += raw[at : found.start()]
            at, sign, column = found.end(), found.group(), found.group(1)
            if column is not None:
                if column.strip() not in known:
                    near = did_you_mean(column, known)
                    raise _Unknown(
                        node.at(found.start()).problem(
                            f"the table has no column `{short(column)}`",
                            f"{near}its columns: {listing(known)}",
                        )
                    )
                columns.append((column.strip(), inside))
                parts.append("")
            elif sign == "}}" and inside:
                parts[-1] += "}"
                inside, at = False, found.start() + 1
            elif sign in ("{{", "}}"):
                parts[-1] += sign[0]
            else:
                parts[-1] += sign
                inside = sign == "${" or (inside and sign != "}")
        parts[-1] += raw[at:]
        return cls(tuple(parts), tuple(columns))

    def fill(self, row: Mapping[str, Cell]) -> Scalar:
        """Return the text of a row; its place is that of the first cell in it."""
        made = [self.parts[0]]
        for (column, inside), after in zip(self.columns, self.parts[1:], strict=True):
            cell = row[column]
            text = cell.text.strip()
            if inside and ("}" in text or "$" in text):
                message = (
                    f"the column `{short(column)}` cannot stand in `${{…}}` with $ or }} in it"
                )
                raise _Unknown(
                    cell.place.problem(message, "name the file or variable without them")
                )
            made += (text if inside else text.replace("$", "$$"), after)
        raw = "".join(made)
        return Scalar(row[self.columns[0][0]].place, raw, raw, "", '"')

    def empty(self, row: Mapping[str, Cell]) -> bool:
        """Return whether it is a column alone, and its cell is empty: then the setting is left out."""
        return not any(self.parts) and not any(row[one].text.strip() for one, _ in self.columns)


def _filled(node: Node, texts: Mapping[Scalar, _Text], row: Mapping[str, Cell]) -> Node:
    """Return a node with the cells of a row in the place of columns; what has none is shared."""
    match node:
        case Scalar():
            text = texts.get(node)
            return node if text is None else text.fill(row)
        case Items():
            return Items(node.place, tuple(_filled(one, texts, row) for one in node.items), 0)
        case Entries():
            entries = []
            for entry in node:
                text = texts.get(entry.value) if isinstance(entry.value, Scalar) else None
                if text is None or not text.empty(row):
                    entries.append(Entry(entry.key, _filled(entry.value, texts, row)))
            return Entries(node.place, tuple(entries), 0)
