"""The reading side: pages that skip and repeat nothing while rows come and go, and what is bounded."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import LEASE, T0, acted, at, commit, delivery, event, settlement, snapshot
from watcher.archive import MOST, MOST_COUNTS, Archive, CursorError, Page, TooMany
from watcher.archive.cursors import Cursor, read_place, write_place
from watcher.errors import StatementEnded
from watcher.model import Contact
from watcher.records import (
    Commit,
    ConversationPlace,
    ConversationQuery,
    DeliveryQuery,
    EventQuery,
    Hold,
    RuleResult,
    SourceState,
    TallyQuery,
)
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    yield store
    await store.close()


def archive(store: Store) -> Archive:
    return Archive(store, lambda: (), lambda: (), lambda: None)


async def fill(store: Store, first: int, end: int) -> None:
    for number in range(first, end):
        await store.commit(
            commit(delivery(event(f"{number}", subject=f"c{number}", seconds=number)))
        )


async def ids(
    ask: Callable[[str], Awaitable[Page]], cursor: str = "", way: str = "next"
) -> list[str]:
    """Return the ids of all pages from a cursor on."""
    found = []
    while True:
        page = await ask(cursor)
        found += [one.event.id if hasattr(one, "event") else one.delivery.id for one in page.items]
        cursor = getattr(page, way) or ""
        if not cursor or (way == "previous" and not page.items):
            return found


async def test_pages_neither_skip_nor_repeat_while_rows_come_and_go(store: Store) -> None:
    await fill(store, 0, 25)
    reading = archive(store)
    for ask in (
        lambda cursor: reading.events(EventQuery(limit=4), cursor),
        lambda cursor: reading.deliveries(DeliveryQuery(limit=4), T0, cursor),
    ):
        page = await ask("")
        first = [one.event.id if hasattr(one, "event") else one.delivery.id for one in page.items]
        assert len(first) == 4
        assert page.next is not None
        assert page.previous is not None
        newest = int(first[0])
        await fill(store, newest + 1, newest + 3)
        rest = await ids(ask, page.next)
        assert first + rest == [str(n) for n in range(newest, -1, -1)]
        assert await ids(ask, page.previous, "previous") == [str(newest + 2), str(newest + 1)]


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "go"]), st.integers(1, 6)), min_size=1, max_size=20
)


@given(STEPS, st.integers(1, 4), st.integers(0, 20), st.sampled_from(["next", "previous"]))
def test_whatever_stays_while_pages_are_turned_is_shown_once_in_order(
    steps: list[tuple[str, int]], limit: int, first: int, way: str
) -> None:
    """Rows come, and old ones go, between any two pages; the way leads to older or to newer ones."""

    async def turn() -> None:
        store = MemoryStore()
        reading = archive(store)
        newest, oldest = first, 0

        async def happen(what: str, count: int) -> None:
            nonlocal newest, oldest
            if what == "come":
                await _log(store, newest, newest + count)
                newest += count
            else:
                oldest = min(oldest + count, newest)
                await store.prune(at(oldest), at(0))

        await _log(store, 0, first)
        page = await reading.events(EventQuery(limit=limit))
        shown = [int(one.event.id) for one in page.items]
        left, rest = steps, int(way == "next") * len(shown)
        found, cursor = shown[:rest], getattr(page, way)
        while cursor and (page.items or left):
            for what, count in left[:2]:
                await happen(what, count)
            left = left[2:]
            page = await reading.events(EventQuery(limit=limit), cursor)
            items = [int(one.event.id) for one in page.items]
            found += items if way == "next" else items[::-1]
            cursor = getattr(page, way)
        assert found == sorted(set(found), reverse=way == "next")
        end = first if way == "next" else newest
        begin = 0 if way == "next" else first
        assert set(range(max(oldest, begin), end)) <= set(found) <= set(range(begin, end))

    anyio.run(turn)


async def _log(store: Store, first: int, end: int) -> None:
    for number in range(first, end):
        await store.commit(Commit("sales", events=(event(f"{number}", seconds=number),)))


async def test_a_cursor_into_what_is_gone_goes_on_where_it_stood(store: Store) -> None:
    await _log(store, 0, 10)
    reading = archive(store)
    page = await reading.events(EventQuery(limit=2))
    assert page.next is not None
    await store.prune(at(8), at(0))
    empty = await reading.events(EventQuery(limit=2), page.next)
    assert empty.items == ()
    assert empty.next is None
    assert empty.previous is not None
    found = await reading.events(EventQuery(limit=5), empty.previous)
    assert [one.event.id for one in found.items] == ["9", "8"]


async def test_a_page_has_no_more_than_it_may(store: Store) -> None:
    await store.commit(
        Commit("sales", events=tuple(event(f"{number:03}") for number in range(MOST + 2)))
    )
    reading = archive(store)
    for limit, many in ((10**9, MOST), (0, 1), (-5, 1), (7, 7)):
        assert len((await reading.events(EventQuery(limit=limit))).items) == many
    assert (await reading.events(EventQuery(limit=MOST))).next is not None


async def test_conversations_come_with_who_has_taken_them(store: Store) -> None:
    rows = tuple(
        snapshot(f"c{n}", waiting_since=at(n) if n % 2 else None, contact=Contact(name=f"Ann {n}"))
        for n in range(9)
    )
    await store.commit(Commit("sales", snapshots=rows))
    await store.acknowledge("sales", "c3", "seen", acted(5))
    reading = archive(store)
    found, cursor = [], ""
    while True:
        page = await reading.conversations(ConversationQuery(limit=2), cursor)
        found += page.items
        if page.next is None:
            break
        cursor = page.next
    assert [one.snapshot.conversation.id for one in found] == [
        "c1", "c3", "c5", "c7", "c0", "c2", "c4", "c6", "c8",
    ]  # fmt: skip
    assert [one.snapshot.conversation.id for one in found if one.taken] == ["c3"]
    known = await reading.conversation("sales", "c3")
    assert known is not None
    assert known.taken is not None
    assert known.taken.by.who == "Ana"
    assert await reading.conversation("sales", "c99") is None
    named = await reading.conversations(ConversationQuery(words="ann 4"))
    assert [one.snapshot.conversation.id for one in named.items] == ["c4"]


async def test_an_event_comes_with_verdicts_deliveries_and_history(store: Store) -> None:
    results = (RuleResult("Rule", True, "fits"),)
    await store.commit(commit(delivery(), verdicts={"e1": results}))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, "dead")])
    reading = archive(store)
    story = await reading.story("e1", T0)
    assert story is not None
    assert story.verdicts == results
    assert [one.state for one in story.deliveries] == ["dead"]
    assert await reading.story("e9", T0) is None
    ((owed, _history),) = await reading.delivery("e1", T0)
    assert owed.delivery.state == "dead"
    assert owed.wait is None


async def test_a_hold_comes_with_the_names_of_the_missing(store: Store) -> None:
    hold = Hold("absences", T0, ("c1", "c2"), 3, "why", "remedy")
    state = SourceState("sales", "chatwoot", "1", hold=hold)
    await store.commit(Commit("sales", state, (snapshot("c1", contact=Contact(name="Ann")),)))
    found = await archive(store).evidence("sales")
    assert found is not None
    assert found.hold == hold
    assert [one.conversation.contact.name for one in found.known] == ["Ann"]
    assert await archive(store).evidence("leads") is None


async def test_actions_come_in_pages(store: Store) -> None:
    for number in range(5):
        await store.acknowledge("sales", f"c{number}", "seen", acted(number))
    reading = archive(store)
    page = await reading.actions(2)
    assert [one.action.at for one in page.items] == [at(4), at(3)]
    assert page.next is not None
    rest = await reading.actions(9, page.next)
    assert [one.action.at for one in rest.items] == [at(2), at(1), at(0)]
    assert rest.next is None
    assert next(one.conversation for one in await reading.acknowledgements()) == "c4"


def wrong(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "ä", "=", wrong(), wrong(1), wrong(2, "older", 5), wrong(1, "up", 5), wrong(1, "older", "5"),
        wrong(1, "older", True), wrong(1, "older", -1), wrong(1, "older", 2**70), wrong(1, "older", 1.5),
        "A" * 5000, wrong(1, "\ud800", "c", None, ""), base64.urlsafe_b64encode(b"[" * 2000).decode(),
    ],
)  # fmt: skip
async def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    reading = archive(MemoryStore())
    with pytest.raises(CursorError):
        await reading.events(EventQuery(), cursor)
    with pytest.raises(CursorError):
        await reading.deliveries(DeliveryQuery(), T0, cursor)
    with pytest.raises(CursorError):
        await reading.conversations(ConversationQuery(), cursor)
    with pytest.raises(CursorError):
        await reading.actions(1, cursor)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


async def test_too_many_counts_are_refused(store: Store) -> None:
    many = tuple(
        event(f"{n}", seconds=n * 3600, source=f"s{n % 2}") for n in range(MOST_COUNTS + 1)
    )
    await store.commit(Commit("sales", events=many))
    reading = archive(store)
    query = TallyQuery("sources", T0, at(3600 * (MOST_COUNTS + 1)))
    with pytest.raises(TooMany):
        await reading.tallies(query)
    assert len(await reading.tallies(replace(query, names=("s0",)))) == MOST_COUNTS // 2 + 1
    assert len(await reading.tallies(replace(query, step="whole"))) == 2


moments = st.none() | st.integers(0, 10**9).map(at)


@given(texts, texts, moments, texts)
def test_a_cursor_is_read_as_it_was_written(
    source: str, id_: str, waiting: datetime | None, words: str
) -> None:
    place = ConversationPlace(source, id_, waiting, words)
    assert read_place(write_place(place)) == place


@given(st.integers(0, 2**60), st.sampled_from(["older", "newer"]))
def test_a_place_in_a_log_is_read_as_it_was_written(seq: int, way: str) -> None:
    assert Cursor.read(str(Cursor(seq, way))) == Cursor(seq, way)  # type: ignore[arg-type]


async def test_a_question_that_takes_too_many_steps_is_ended_and_harms_no_other(
    tmp_path: Path,
) -> None:
    owner = await SqliteStore.open(tmp_path / "db")
    many = tuple(event(f"{n}", subject=f"c{n}") for n in range(20_000))
    await owner.commit(Commit("sales", events=many))
    reading = archive(await SqliteStore.open_reader(tmp_path / "db", steps=50_000))
    for _ in range(2):
        with pytest.raises(StatementEnded):
            await reading.events(EventQuery(types=("*.nothing",), since=at(-9)))
        assert len((await reading.events(EventQuery(limit=50))).items) == 50
    query = TallyQuery("types", T0 - timedelta(days=1), T0 + timedelta(days=1))
    assert [one.count for one in await reading.tallies(query)] == [20_000]
    await reading.close()
    await owner.close()
