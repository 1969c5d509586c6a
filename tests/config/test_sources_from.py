"""`sources_from`: a source of every row, mistakes at their cell, and nothing that a table holds raises."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.harness import refused
from watcher.config.load import load
from watcher.config.sources_from import csv

FROM = """\
sources_from:
  file: accounts.csv
  provider: highlevel
  name: "loc-{id}"
  location_id: "{id}"
  token: "${file:tokens/{id}}"
  poll_every: "{pace}"
rules: [{name: all, when: source.failing, notify: []}]
"""


def table(folder: Path, text: str, written: str = FROM) -> Path:
    (folder / "accounts.csv").write_text(text)
    (folder / "tokens").mkdir(exist_ok=True)
    for number in range(4):
        (folder / "tokens" / f"A{number}").write_text(f"pit-token-{number}\n")
    file = folder / "watch.yaml"
    file.write_text(written.replace("rules: [{name: all, when: source.failing, notify: []}]\n", ""))
    return file


def said(file: Path) -> list[str]:
    return [one.replace(f"{file.parent}/", "") for one in refused(file, providers=None)]


def test_a_row_is_a_source(tmp_path: Path) -> None:
    config = load([table(tmp_path, "id,pace\nA1,5s\nA2,\n")], environ={})
    assert [(one.name, one.poll_every.seconds, one.token.read()) for one in config.sources] == [
        ("loc-a1", 5, "pit-token-1"),
        ("loc-a2", 30, "pit-token-2"),
    ]
    assert [one.name for one in config.files] == ["watch.yaml", "accounts.csv"]
    assert config.redactor.scrub("pit-token-2") == "***"


def test_tables_stand_in_a_list_beside_sources(tmp_path: Path) -> None:
    other = FROM.replace('"loc-{id}"', '"more-{id}"').removeprefix("sources_from:\n")
    first = FROM.removeprefix("sources_from:\n").partition("rules:")[0]
    items = [f"  - {part.strip()}\n" for part in (first, other.partition("rules:")[0])]
    listed = "sources_from:\n" + "".join(items).replace("\n  ", "\n    ").replace("    - ", "  - ")
    file = table(
        tmp_path, "id;pace\nA1;\n", listed + "sources: {own: {provider: leadping, token: t}}\n"
    )
    config = load([file], environ={})
    assert [one.name for one in config.sources] == ["own", "loc-a1", "more-a1"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("id,pace\nA1,never\n", ["accounts.csv:2:4: `poll_every` is no"]),
        ("pace,id\n5s,A9\n", ["accounts.csv:2:4: the secret's file tokens/A9 cannot be read"]),
        ("id,pace\nA1,\nA1,\n", ["accounts.csv:3:1: duplicate source `loc-a1`; first used at"]),
        ("id,pace\nA1\n", ["accounts.csv:2:1: the row has 1 cells, the header has 2"]),
        ('id,pace\nA1,"5s\n', ["accounts.csv:2:4: a quote that is not closed"]),
        ("id,pace\nA},5s\n", ["accounts.csv:2:1: the column `id` cannot stand in `${…}`"]),
        ("id,pcae\nA1,5s\n", ["watch.yaml:7:16: the table has no column `pace` (did you mean"]),
        ("id,id\nA1,5s\n", ["accounts.csv:1:4: duplicate column `id`"]),
        ("", ["accounts.csv:1:1: the table is empty"]),
    ],
)  # fmt: skip
def test_mistakes_have_their_cell(tmp_path: Path, text: str, problems: list[str]) -> None:
    found = said(table(tmp_path, text))
    assert len(found) == len(problems), found
    for one, beginning in zip(found, problems, strict=True):
        assert one.startswith(beginning)


def test_a_name_of_sources_is_taken(tmp_path: Path) -> None:
    own = "sources: {loc-a1: {provider: leadping, token: t}}\n"
    (problem,) = said(table(tmp_path, "id,pace\nA1,\n", FROM + own))
    assert problem.startswith(
        "accounts.csv:2:1: duplicate source `loc-a1`; first used at watch.yaml:"
    )


def test_a_mistake_in_all_rows_is_told_for_the_first(tmp_path: Path) -> None:
    rows = "".join(f"A1x{number},\n" for number in range(500))
    wrong = FROM.replace("${file:tokens/{id}}", "token-{id}") + "sources: {}\n"
    file = table(tmp_path, "id,pace\n" + rows, wrong.replace("location_id:", "lokation_id:"))
    found = [one for one in said(file) if "unknown key `lokation_id`" in one]
    assert len(found) == 10
    assert "and 490 more here" in found[-1]


def test_a_dollar_sign_in_a_cell_is_one(tmp_path: Path) -> None:
    written = FROM.replace("${file:tokens/{id}}", "{{{secret}}}")
    file = table(tmp_path, "id,pace,secret\nA1,,pa$${HOME}\n", written)
    assert load([file], environ={"HOME": "/root"}).sources[0].token.read() == "{pa$${HOME}}"


def test_a_table_that_is_not_there_is_a_mistake_at_its_name(tmp_path: Path) -> None:
    file = tmp_path / "watch.yaml"
    file.write_text(FROM.partition("rules")[0])
    (problem,) = said(file)
    assert problem.startswith("watch.yaml:2:9: the table accounts.csv cannot be read: No such file")


def test_a_table_has_a_largest_size(tmp_path: Path) -> None:
    found = csv.parse(b"id\n" + b"a\n" * (csv.LIMIT // 2), "t.csv")
    assert [str(one) for one in found.problems] == [
        "t.csv:1:1: the table is over 32 MB (split it into several files)"
    ]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=2, max_size=2)))
def test_what_is_written_is_read(rows: list[list[str]]) -> None:
    lines = ["a,b", *(",".join('"' + one.replace('"', '""') + '"' for one in row) for row in rows)]
    found = csv.parse("\n".join(lines).encode(), "t.csv")
    assert not found.problems
    assert [[cell.text for cell in row.values()] for row in found.rows] == rows


@given(st.binary() | st.text().map(str.encode))
def test_any_table_is_read_or_refused(data: bytes) -> None:
    found = csv.parse(b"a,b\n" + data, "t.csv")
    assert all(len(row) == 2 for row in found.rows)
