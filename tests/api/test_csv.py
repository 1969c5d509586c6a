"""Events and deliveries as tables for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.harness import Door, fill
from tests.support.make import event
from watcher.api.csv import EVENT_COLUMNS, csv_row, event_cells
from watcher.archive import MOST
from watcher.records import Commit, EventQuery
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

CSV = {"accept": "text/csv"}


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    await fill(store)
    yield store
    await store.close()


def rows(body: bytes) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(body.decode(), newline=""))]


@pytest.mark.parametrize("path", ["/events", "/deliveries"])
async def test_a_table_has_what_json_lines_have(store: Store, path: str) -> None:
    door = Door(store)
    lines = await door.ask("GET", path, headers={"accept": "application/x-ndjson"})
    table = await door.ask("GET", path, headers=CSV)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    found = rows(table.body)
    assert found
    assert len(found) == len(lines.body.splitlines())
    assert all(f'"id":"{one["id"]}"'.encode() in lines.body for one in found)
    assert {one["source"] for one in found} == {"secret-source"}
    nothing = await door.ask("GET", f"{path}?source=none", headers=CSV)
    assert nothing.body.splitlines() == table.body.splitlines()[:1]


async def test_all_of_a_long_log_is_in_the_table_the_oldest_first(store: Store) -> None:
    known = len(await store.events(EventQuery(limit=MOST)))
    more = [event(f"long{number:04}") for number in range(2 * MOST + 1)]
    await store.commit(Commit("secret-source", events=more))
    found = rows((await Door(store).ask("GET", "/events", headers=CSV)).body)
    assert [one["id"] for one in found[known:]] == [one.id for one in more]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", " =", "\t=", "\r\n@", "\uff1d"])
def test_what_would_be_a_formula_is_a_text(begins: str) -> None:
    (cells,) = csv.reader(io.StringIO(csv_row((f"{begins}1+1", "a=b", 5, None)), newline=""))
    assert cells == [f"'{begins}1+1", "a=b", "5", ""]


def test_a_hostile_name_is_no_formula() -> None:
    contact = {"name": '=HYPERLINK("http://x","y")'}
    hostile = replace(event("e1"), data={"conversation": {"contact": contact}})
    (cells,) = csv.reader(io.StringIO(csv_row(event_cells(hostile)), newline=""))
    assert dict(zip(EVENT_COLUMNS, cells, strict=True))["who"] == '\'=HYPERLINK("http://x","y")'


@given(st.lists(st.text(), min_size=1))
def test_a_row_is_read_as_it_was_written(texts: list[str]) -> None:
    (cells,) = csv.reader(io.StringIO(csv_row(["first", *texts]), newline=""))
    assert [one.removeprefix("'") for one in cells[1:]] == [one.removeprefix("'") for one in texts]
    assert not [one for one in cells if one.lstrip().startswith(("=", "+", "-", "@"))]
