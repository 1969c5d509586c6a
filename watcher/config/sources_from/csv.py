"""CSV as spreadsheets write it (RFC 4180), every cell with its line and column.

Rules: text in, rows or problems out; no files, no settings. The first row names the columns. Commas,
semicolons or tabs stand between cells: whichever the first row has. Nothing that a file may contain raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.config.tree import Place
from watcher.errors import Problem
from watcher.suggest import short

__all__ = ["LIMIT", "Cell", "Table", "parse"]

LIMIT = 32 << 20
"""Size of a file in bytes; a row of 100 bytes for each of 300,000 sources."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and where it stands."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """What is in a file, right or wrong: `rows` have a cell for each column."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Cell], ...]
    problems: tuple[Problem, ...]


def parse(data: bytes, file: str) -> Table:
    """Read a table; `file` names it in problems."""
    start = Place(file, 1, 1)
    if len(data) > LIMIT:
        return _broken(start.problem("the table is over 32 MB", "split it into several files"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _broken(
            Place(file, line, 1).problem("the table is not UTF-8 text", "save it as UTF-8")
        )
    if odd := _CONTROL.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        return _broken(
            Place(file, line, 1).problem(
                f"the character U+{ord(odd.group()):04X} is not allowed in a table", "remove it"
            )
        )
    records = _records(text, file)
    head = next(records, None)
    if head is None:
        return _broken(start.problem("the table is empty", "its first row names the columns"))
    if isinstance(head, Problem):
        return _broken(head)
    problems = list(_of_header(head))
    if problems:
        return Table((), (), tuple(problems))
    columns = tuple(cell.text.strip() for cell in head)
    rows = []
    for record in records:
        if isinstance(record, Problem):
            problems.append(record)
        elif len(record) != len(columns):
            message = f"the row has {len(record)} cells, the header has {len(columns)}"
            remedy = "write one cell for each column; a text with a comma needs quotes"
            problems.append(record[0].place.problem(message, remedy))
        else:
            rows.append(dict(zip(columns, record, strict=True)))
    return Table(columns, tuple(rows), tuple(problems))


def _broken(problem: Problem) -> Table:
    return Table((), (), (problem,))


def _of_header(head: list[Cell]) -> Iterator[Problem]:
    seen: set[str] = set()
    for cell in head:
        name = cell.text.strip()
        if not name:
            yield cell.place.problem("a column has no name", "name it in the first row")
        elif name in seen:
            yield cell.place.problem(f"duplicate column `{short(name)}`", "rename one of the two")
        seen.add(name)


def _records(text: str, file: str) -> Iterator[list[Cell] | Problem]:
    """Yield the rows that hold anything, and a problem for each that cannot be read."""
    head = text.partition("\n")[0]
    comma = next((one for one in ",;\t" if one in head), ",")
    field = re.compile(rf'(?:"((?:[^"]|"")*)"|([^"{comma}\r\n][^{comma}\r\n]*|))({comma}|\r?\n|\Z)')
    at, line, begins = 0, 1, 0
    cells: list[Cell] = []
    while at < len(text):
        place = Place(file, line, at - begins + 1)
        found = field.match(text, at)
        if found is None:
            yield place.problem(
                "a quote that is not closed, or with text beside it",
                'put quotes around the whole cell, and write "" for a quote in it',
            )
            end = text.find("\n", at)  # the rest of the line is lost
            at, line, cells = (len(text) if end < 0 else end + 1), line + 1, []
            begins = at
            continue
        quoted = found.group(1)
        cells.append(Cell(found.group(2) if quoted is None else quoted.replace('""', '"'), place))
        if quoted is not None and "\n" in quoted:
            line += quoted.count("\n")
            begins = text.rfind("\n", at, found.end(1)) + 1
        at = found.end()
        if found.group(3) != comma or at == len(text):
            if found.group(3) == comma:
                cells.append(Cell("", Place(file, line, at - begins + 1)))
            if len(cells) > 1 or cells[0].text.strip():
                yield cells
            cells, line, begins = [], line + 1, at
