"""Tables: whole in a pipe; on a terminal they give way in their order, and never cut what must stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from watcher.cli.tables import Cell, Column, state_style, table_lines

COLUMNS = (
    Column("id"),
    Column("state"),
    Column("count", right=True, shed=2),
    Column("name", shortest=6, shed=1),
    Column("why", below=True),
)
ROWS = (
    ("3f2a9c41d5e6", "dead", "7", "a rather long name", "nobody is there"),
    ("77", "ok", "1234", "", ""),
)


def lines(width: int | None, rows: tuple[tuple[str, ...], ...] = ROWS) -> list[str]:
    cells = [[Cell(text) for text in row] for row in rows]
    return ["".join(cell.text for cell in line) for line in table_lines(COLUMNS, cells, width)]


def test_in_a_pipe_a_row_is_a_line_whole_and_without_empty_fields() -> None:
    assert lines(None) == [
        "id            state  count  name                why",
        "3f2a9c41d5e6  dead       7  a rather long name  nobody is there",
        "77            ok      1234  -                   -",
    ]


def test_a_folded_row_has_no_line_for_cells_that_are_all_empty() -> None:
    columns = (Column("id"), Column("when"), Column("conversation"))
    row = [Cell("3f2a9c41d5e6"), Cell("2026-11-20"), Cell("")]
    shown = ["".join(cell.text for cell in line) for line in table_lines(columns, [row], 26)]
    assert shown == [
        "id            when",
        "    conversation",
        "3f2a9c41d5e6  2026-11-20",
    ]


def test_first_texts_are_cut_then_one_goes_below_then_columns_go_then_rows_fold() -> None:
    head, first, second = lines(None)
    assert lines(63) == [head, first, second.replace("-", " ").rstrip()]
    assert lines(54) == [
        "id            state  count  name       why",
        "3f2a9c41d5e6  dead       7  a rather…  nobody is there",
        "77            ok      1234",
    ]
    assert lines(45) == [
        "id            state  count  name",
        "3f2a9c41d5e6  dead       7  a rather long na…",
        "    nobody is there",
        "77            ok      1234",
    ]
    assert lines(30) == [
        "id            state  name",
        "3f2a9c41d5e6  dead   a rather…",
        "    nobody is there",
        "77            ok",
    ]
    assert lines(20) == [
        "id            state",
        "3f2a9c41d5e6  dead",
        "    nobody is there",
        "77            ok",
    ]
    assert lines(15) == [
        "id",
        "    state",
        "3f2a9c41d5e6",
        "    dead",
        "    nobody is",
        "    there",
        "77",
        "    ok",
    ]


def test_a_text_without_spaces_goes_below_in_lines_that_fit() -> None:
    row = ("1", "ok", "2", "", "aaaaa本本本本本本 b")
    assert lines(20, (row,))[1:] == ["1   ok", "    aaaaa本本本本本", "    本 b"]


words = st.text("ab本 ", max_size=12).map(lambda text: " ".join(text.split()))
ids = st.text("0123456789abcdef", min_size=1, max_size=16)


@given(
    st.lists(st.tuples(ids, ids, ids, words, words), min_size=1, max_size=4), st.integers(20, 130)
)
def test_whatever_the_width_ids_and_states_are_whole_and_no_line_is_too_long(
    rows: list[tuple[str, ...]], width: int
) -> None:
    shown = lines(width, tuple(rows))
    assert all(cell_len(line) <= width for line in shown)
    assert all(line == line.rstrip() for line in shown)
    written = " ".join(shown).split()
    for row in rows:
        assert row[0] in written
        assert row[1] in written
    assert len(lines(None, tuple(rows))) == len(rows) + 1


def test_red_needs_somebody_and_yellow_is_not_as_it_should_be() -> None:
    styles = {
        "red": ("failing", "dead", "off"),
        "yellow": ("held", "waiting", "stale", "not watched", "paused", "no baseline", "expired"),
        "": ("ok", "due", "delivered", "in force"),
    }
    for style, states in styles.items():
        assert {state_style(state) for state in states} == {style}
