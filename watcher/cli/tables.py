"""Tables that fit where they are printed: aligned lines, one for each row.

Rules: pure; cells in, lines out. Without a width (a pipe, a file) every cell is whole and every row
is one line, columns stand two spaces apart, an empty cell is a dash, and nothing follows the last one:
for `grep` and `awk -F '  +'`. Where a terminal is too narrow, columns give way in this order: columns
with `shortest` are cut to that; a text that may stand below goes below its row; columns with `shed`
go, the highest number first. A column with none of these is never cut: if they alone are too wide, a
row takes several lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Column", "Line", "state_style", "table_lines"]

GAP = "  "
INDENT = "    "
EMPTY = "-"

HEAD = "bold"

_WIDE = r"\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U00020000-\U0003fffd"
_PIECES = re.compile(rf"[{_WIDE}]\s*|[^\s{_WIDE}]+\s*")
"""What a line is made of: a wide character, or a word; each with the spaces after it."""

STYLES = {
    "red": ("failing", "dead", "off", "stuck"),
    "yellow": (
        "held",
        "waiting",
        "late",
        "stale",
        "not watched",
        "paused",
        "no baseline",
        "expired",
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, and how it gives way."""

    head: str
    shortest: int = 0
    """To how many characters its cells may be cut; 0: never."""

    shed: int = 0
    """The column with the highest number is left out first; 0: never."""

    below: bool = False
    """Whether its cells may stand below their rows."""

    right: bool = False
    """Whether its cells stand at the right: numbers."""

    least: int = 0
    """Characters that it takes at least, where further rows are yet to come."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with a style, which shows on terminals alone."""

    text: str
    style: str = ""


Line = list[Cell]
"""What stands in a line, one piece after the other."""


def cell_len(text: str) -> int:
    """Return how many columns a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured  # the widths of all of Unicode, where it is needed

    return measured(text)


def state_style(state: str) -> str:
    """Return the style in which a state is shown: red needs somebody, yellow is not as it should be."""
    return next((style for style, words in STYLES.items() if state.startswith(words)), "")


def table_lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    width: int | None,
    *,
    head: bool = True,
) -> Iterator[Line]:
    """Yield the lines of a table that is at most `width` columns wide (None: no limit)."""
    natural = [
        max(
            column.least,
            cell_len(column.head) if head else 0,
            *(cell_len(row[place].text) for row in rows),
            len(EMPTY),
        )
        for place, column in enumerate(columns)
    ]
    lines, sizes = _fit(columns, natural, width)
    shown = {place for line in lines for place in line}
    below = [n for n, column in enumerate(columns) if column.below and n not in shown]
    heads = [Cell(column.head, HEAD) for column in columns]
    for row in ([heads] if head else []) + list(rows):
        for number, line in enumerate(lines):
            cells = [(columns[place], row[place], sizes[place]) for place in line]
            if not number or width is None or any(cell.text for _, cell, _ in cells):
                yield _line(cells, blank=width is not None, indent=INDENT if number else "")
        for place in below if row is not heads else ():
            yield from _paragraph(row[place], width or 0)


def _fit(
    columns: Sequence[Column], natural: Sequence[int], width: int | None
) -> tuple[list[list[int]], list[int]]:
    """Return the places of the columns that are shown, line by line, and the sizes of all columns."""
    smallest = [
        min(size, column.shortest or size) for column, size in zip(columns, natural, strict=True)
    ]
    for shown in _choices(columns):
        if width is None or _taken(shown, smallest) <= width:
            sizes = list(natural)
            for place in reversed(shown):
                over = 0 if width is None else _taken(shown, sizes) - width
                sizes[place] = max(sizes[place] - max(over, 0), smallest[place])
            return [shown], sizes
    lines: list[list[int]] = [[]]
    for place in shown:
        room = (width or 0) - (len(INDENT) if len(lines) > 1 else 0)
        if lines[-1] and _taken([*lines[-1], place], smallest) > room:
            lines.append([])
        lines[-1].append(place)
    return lines, smallest


def _choices(columns: Sequence[Column]) -> Iterator[list[int]]:
    """Yield which columns may be shown, more of them first."""
    shown = list(range(len(columns)))
    yield shown
    shown = [place for place in shown if not columns[place].below]
    yield shown
    while most := max((columns[place].shed for place in shown), default=0):
        shown = [place for place in shown if columns[place].shed != most]
        yield shown


def _taken(places: Sequence[int], sizes: Sequence[int]) -> int:
    return sum(sizes[place] for place in places) + len(GAP) * (len(places) - 1)


def _line(cells: Sequence[tuple[Column, Cell, int]], *, blank: bool, indent: str) -> Line:
    """Return one line; nothing follows its last cell."""
    line = [Cell(indent)]
    for number, (column, cell, size) in enumerate(cells):
        text = cell.text or ("" if blank else EMPTY)
        if cell_len(text) > size:
            text = _cut(text, size - 1).rstrip() + "…"
        padding = " " * (size - cell_len(text))
        line.append(Cell((GAP if number else "") + (padding if column.right else "")))
        line += [Cell(text, cell.style), Cell("" if column.right else padding)]
    while line and not line[-1].text.rstrip():
        line.pop()
    return [*line[:-1], Cell(line[-1].text.rstrip(), line[-1].style)] if line else []


def _cut(text: str, size: int) -> str:
    if text.isascii():
        return text[:size]
    from rich.cells import set_cell_size

    return set_cell_size(text, size)


def _paragraph(cell: Cell, width: int) -> Iterator[Line]:
    """Yield a text in lines below its row; a word that is too long for one is not cut.

    Characters that take two cells (Chinese, Japanese, Korean) stand without spaces: a line may end
    between any two of them.
    """
    room = max(width - len(INDENT), 1)
    line = ""
    for piece in _PIECES.findall(cell.text):
        if line and cell_len(line + piece.rstrip()) > room:
            yield [Cell(INDENT), Cell(line.rstrip(), cell.style)]
            line = ""
        line += piece
    if line.strip():
        yield [Cell(INDENT), Cell(line.rstrip(), cell.style)]
