"""HighLevel and Leadway: more rows of one millisecond than fit on a page, laws first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.leadconnector_server import (
    NOW,
    START,
    Row,
    StrictServer,
    ids,
    provider,
    walk,
    world,
)
from watcher.providers import Members, Motion, Poll, Response, Sweep
from watcher.providers.leadconnector.walk import WalkAt

YEAR = 365 * 86_400_000
ADDED = START - YEAR

ends = st.tuples(st.booleans(), st.booleans())


def tied(*added: int | None, at: int = 5, owner: str | None = None, name: str = "c") -> list[Row]:
    """Return rows of one millisecond that were created at these times after `ADDED`."""
    return [
        Row(f"{name}{n}", START + at, owner=owner, added=None if ms is None else ADDED + ms)
        for n, ms in enumerate(added)
    ]


filters = st.frozensets(st.sampled_from(["assignedTo", "startDate", "endDate"]))
crowds = st.builds(
    lambda rows, heeds, **switches: StrictServer(
        [
            Row(f"c{n}", START + at, unread, owner, ADDED + added)
            for n, (at, unread, owner, added) in enumerate(rows)
        ],
        heeds=heeds,
        **switches,
    ),
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 0, 1, 2]),
            st.booleans(),
            st.sampled_from([None, "u1", "u2", "u3"]),
            st.sampled_from([0, 1, 2, 7, YEAR // 2]),
        ),
        max_size=40,
    ),
    st.just(frozenset({"assignedTo", "startDate", "endDate"})) | filters,
    mirrored=st.booleans(),
    ascends=st.booleans(),
    counts=st.booleans(),
    closed=ends,
)
motions = st.sampled_from(
    [
        Sweep(),
        Poll(timedelta(hours=1), NOW - timedelta(hours=1)),
        Members("unread"),
        Members("unassigned"),
    ]
)


@given(crowds, motions, st.integers(2, 5))
def test_every_row_is_seen_or_the_walk_is_incomplete(
    server: StrictServer, motion: Motion, size: int
) -> None:
    wanted = {
        row.id
        for row in server.rows
        if (motion != Members("unread") or row.unread)
        and (motion != Members("unassigned") or row.owner is None)
    }
    pages = walk(server, motion, provider(size))
    if pages[-1].complete:
        assert ids(pages) >= wanted


@given(
    st.lists(st.tuples(st.integers(0, 90) | st.integers(0, YEAR), st.booleans()),
             unique_by=lambda row: row[0], max_size=60),
    st.sampled_from([2, 3, 5, 20]),
    st.sampled_from(["asc", "desc"]),
    ends,
    st.booleans(),
)  # fmt: skip
def test_a_tie_of_rows_created_at_distinct_times_is_always_walked_whole(
    rows: list[tuple[int, bool]],
    size: int,
    order: str,
    closed: tuple[bool, bool],
    mirrored: bool,
) -> None:
    server = StrictServer(
        [
            Row("before", START + 4, added=ADDED),
            *(Row(f"c{n}", START + 5, read, None, ADDED + at) for n, (at, read) in enumerate(rows)),
            Row("after", START + 6, added=ADDED),
        ],
        mirrored=mirrored,
        closed=closed,
        ascends=order == "asc",
        counts=False,
    )
    pages = walk(server, Sweep(), provider(size))
    assert pages[-1].complete
    assert ids(pages) == {row.id for row in server.rows}


@given(
    st.lists(st.tuples(st.sampled_from([None, "u1", "u2"]), st.booleans()), max_size=24),
    st.booleans(),
)
def test_rows_alike_in_all_but_the_assignee_are_whole_where_the_server_counts_as_many(
    rows: list[tuple[str | None, bool]], counts: bool
) -> None:
    server = StrictServer(
        [Row(f"c{n}", START, read, owner, ADDED) for n, (owner, read) in enumerate(rows)],
        mirrored=False,
        counts=counts,
    )
    pages = walk(server, Sweep(), provider(5))
    groups = [rows.count(row) for row in rows]
    if counts and all(count < 5 for count in groups):
        shown = ids(pages) == {row.id for row in server.rows}
        assert shown == pages[-1].complete
        halves = [[owner for owner, half in rows if half is read] for read in (False, True)]
        if all(set(half[:5]) | {None} == set(half) | {None} for half in halves):
            assert shown


def test_an_import_with_one_time_is_divided_by_its_creation_times() -> None:
    server = StrictServer(
        [*tied(*(n * 7 for n in range(140))), Row("later", START + 9)], mirrored=False
    )
    pages = walk(server, Sweep(), provider(100))
    assert ids(pages) == {row.id for row in server.rows}
    assert pages[-1].complete
    assert [params["status"] for params in server.asked] == ["all", *["read"] * 3, "unread", "all"]
    assert "startDate" not in server.asked[1]
    low, high = server.asked[2], server.asked[3]
    assert int(low["endDate"]) - int(high["startDate"]) == 1  # neither end need belong to it
    assert server.asked[-1]["startAfterDate"] == str(START + 5)
    assert "startDate" not in server.asked[-1]


def test_an_import_in_one_moment_is_divided_by_assignees() -> None:
    rows = [Row(f"c{n}", START + 5, owner=f"u{n % 5}", added=ADDED) for n in range(150)]
    server = StrictServer(rows, mirrored=False)
    pages = walk(server, Sweep(), provider(100))
    assert ids(pages) == {row.id for row in rows}
    assert pages[-1].complete
    asked = [params["assignedTo"] for params in server.asked if "assignedTo" in params]
    assert asked == ["unassigned", "u0", "u1", "u2", "u3", "u4"]
    server.counts = False  # then an assignee that no page showed could be missed
    assert not walk(server, Sweep(), provider(100))[-1].complete


def test_an_assignee_that_no_page_showed_is_missed_by_the_servers_count() -> None:
    rows = [Row(f"c{n}", START + 5, owner=f"u{n // 2}", added=ADDED) for n in range(10)]
    server = StrictServer(rows, mirrored=False)
    pages = walk(server, Sweep())
    assert not pages[-1].complete
    assert ids(pages) == {f"c{n}" for n in range(4)}


def test_rows_alike_in_all_that_can_be_asked_for_leave_the_sweep_incomplete() -> None:
    server = StrictServer([*tied(*[0] * 150), Row("later", START + 9)], mirrored=False)
    pages = walk(server, Sweep(), provider(100))
    assert not pages[-1].complete
    assert "later" in ids(pages)
    assert len(server.asked) < 12


@pytest.mark.parametrize("heeds", [frozenset[str](), frozenset({"assignedTo"})])
def test_a_server_that_ignores_the_window_is_noticed_at_the_first_one(
    heeds: frozenset[str],
) -> None:
    server = StrictServer(tied(*range(60)), mirrored=False, heeds=heeds)
    assert not walk(server, Sweep(), provider(20))[-1].complete
    assert sum("startDate" in params for params in server.asked) == 1


def test_a_row_without_a_creation_time_is_asked_for_in_vain() -> None:
    server = StrictServer(tied(1, 2, None, 3, 4, 5), mirrored=False)
    assert not walk(server, Sweep())[-1].complete


def test_a_tie_without_end_is_given_up_and_the_walk_goes_on_behind_it() -> None:
    rows = [*tied(*(n // 3 for n in range(3000)), owner="u1"), Row("later", START + 9)]
    server = StrictServer(rows, mirrored=False, counts=False)
    pages = walk(server, Sweep())
    assert "later" in ids(pages)
    assert not pages[-1].complete
    assert len(server.asked) < 100


@pytest.mark.parametrize("status", [400, 422])
def test_a_filter_that_is_refused_costs_the_tie_and_no_more(status: int) -> None:
    server, watched = StrictServer([*tied(*range(9)), Row("later", START + 9)]), provider()
    position, seen, complete = watched.start(Sweep()), set(), True
    while position is not None:
        request = watched.request(position)
        answer = server.answer(request)
        if "startDate" in dict(request.params):
            answer = Response(status, b'{"message": "startDate should not exist"}', {}, NOW, NOW)
        page = watched.parse(position, answer)
        seen |= ids([page])
        position, complete = page.next, page.complete
    assert "later" in seen
    assert not complete


def test_a_tie_among_the_unassigned_stays_among_them() -> None:
    rows = [*tied(*range(9)), *tied(*range(9), owner="u1", name="owned")]
    server = StrictServer(rows, mirrored=False)
    pages = walk(server, Members("unassigned"))
    assert ids(pages) == {f"c{n}" for n in range(9)}
    assert pages[-1].complete
    assert {params["assignedTo"] for params in server.asked} == {"unassigned"}
    assert all("assignee" not in row.absent for page in pages for row in page.rows)


def test_a_page_full_of_one_millisecond_is_asked_for_by_status() -> None:
    rows = [*world(5, 5, 5, 5), Row("later", START + 9)]
    rows[0].unread = rows[1].unread = True
    server = StrictServer(rows, mirrored=False)
    pages = walk(server, Sweep())
    assert ids(pages) == {"c0", "c1", "c2", "c3", "later"}
    assert pages[-1].complete
    assert [params["status"] for params in server.asked] == ["all", "read", "unread", "all"]
    assert server.asked[-1]["startAfterDate"] == str(START + 5)


def test_a_part_that_is_full_too_is_asked_for_from_its_other_end() -> None:
    server = StrictServer([*world(5, 5, 5, 5, 5), Row("later", START + 9)])
    pages = walk(server, Sweep())
    assert ids(pages) == {"c0", "c1", "c2", "c3", "c4", "later"}
    assert pages[-1].complete
    assert ("desc", "read") in {(params["sort"], params["status"]) for params in server.asked}


@pytest.mark.parametrize(("rows", "mirrored"), [(7, True), (5, False)])
def test_a_tie_that_cannot_be_proven_whole_leaves_the_sweep_incomplete(
    rows: int, mirrored: bool
) -> None:
    server = StrictServer([*world(*[5] * rows), Row("later", START + 9)], mirrored=mirrored)
    pages = walk(server, Sweep())
    assert "later" in ids(pages)
    assert not pages[-1].complete


def test_parts_that_do_not_show_the_whole_page_again_prove_nothing() -> None:
    server = StrictServer([*world(5, 5, 5, 5), Row("later", START + 9)])
    server.rows[0].unread = server.rows[1].unread = True
    server.neither = frozenset({"c2"})
    assert not walk(server, Sweep())[-1].complete


def test_a_part_of_a_tie_that_always_fails_is_stepped_over() -> None:
    server, watched = StrictServer(world(5, 5, 5, 5, 9)), provider()
    position = watched.start(Sweep())
    stuck = watched.parse(position, server.answer(watched.request(position))).next
    assert stuck.tie is not None
    behind = watched.skip(stuck)
    assert isinstance(behind, WalkAt)
    assert (behind.cursor, behind.tie, behind.whole) == (START + 5, None, False)
