"""HighLevel and Leadway: walks over a list whose cursor loses ties, laws first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
from watcher.providers import Members, Poll, Sweep

few_times = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=25)
servers = st.builds(
    lambda times, mirrored, ascends, counts: StrictServer(
        [Row(f"c{n}", START + at, unread) for n, (at, unread) in enumerate(times)],
        mirrored=mirrored,
        ascends=ascends,
        counts=counts,
    ),
    few_times,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(servers)
def test_a_sweep_that_says_complete_has_seen_every_row(server: StrictServer) -> None:
    pages = walk(server, Sweep())
    assert ids(pages) <= {row.id for row in server.rows}
    if pages[-1].complete:
        assert ids(pages) == {row.id for row in server.rows}


@given(servers)
def test_a_sweep_is_complete_wherever_no_tie_exceeds_a_page_of_either_status(
    server: StrictServer,
) -> None:
    groups = [(row.at, row.unread) for row in server.rows]
    pages = walk(server, Sweep())
    if all(groups.count(group) < 3 for group in groups):
        assert pages[-1].complete


@given(servers, st.lists(st.tuples(st.integers(0, 24), st.integers(0, 200_000)), max_size=20))
def test_rows_that_stay_are_seen_though_others_move_while_the_walk_goes(
    server: StrictServer, moves: list[tuple[int, int]]
) -> None:
    moved: set[str] = set()

    def move(number: int) -> None:
        if number > 1 and number - 2 < len(moves) and server.rows:
            index, later = moves[number - 2]
            row = server.rows[index % len(server.rows)]
            row.at = START + 10 + later  # a new message: later than anything before the walk
            moved.add(row.id)

    server.before = move
    pages = walk(server, Sweep())
    if pages[-1].complete:
        assert ids(pages) >= {row.id for row in server.rows} - moved


@given(
    st.lists(st.integers(0, 4000), max_size=70),
    st.booleans(),
    st.sampled_from([20, 25, 100]),
)
def test_a_clamped_limit_hides_nothing(times: list[int], counts: bool, most: int) -> None:
    server = StrictServer(world(*times), most=most, counts=counts)
    pages = walk(server, Sweep(), provider(100))
    assert ids(pages) == {row.id for row in server.rows}
    assert pages[-1].complete


@given(few_times, st.integers(0, 5))
def test_a_poll_sees_all_that_is_newer_than_the_watermark(
    times: list[tuple[int, bool]], newest: int
) -> None:
    minute = 60_000
    server = StrictServer(world(*(at * minute for at, _ in times)))
    watermark = NOW + timedelta(minutes=newest - 1)
    server.rows = [row for i, row in enumerate(server.rows) if i < 3 or row.at != server.rows[0].at]
    pages = walk(server, Poll(timedelta(hours=1), watermark))
    floor = int((watermark - timedelta(seconds=120)).timestamp() * 1000)
    crowded = {at for at, _ in times if [t for t, _ in times].count(at) >= 3}
    wanted = {
        row.id
        for row in server.rows
        if row.at is not None and row.at >= floor and (row.at - START) // minute not in crowded
    }
    assert wanted <= ids(pages)


def test_a_small_account_costs_one_request() -> None:
    server = StrictServer(world(1, 2, 2, 3))
    assert walk(server, Sweep(), provider(100))[-1].complete
    assert len(server.asked) == 1


def test_rows_tied_at_a_pages_edge_come_again() -> None:
    server = StrictServer(world(1, 2, 3, 3, 4))
    pages = walk(server, Sweep())
    assert ids(pages) == {"c0", "c1", "c2", "c3", "c4"}
    assert server.asked[1]["startAfterDate"] == str(START + 2)
    assert pages[-1].complete


def test_a_descending_walk_overlaps_from_the_other_side() -> None:
    server = StrictServer(world(1, 2, 2, 3, unread=True))
    pages = walk(server, Members("unread"))
    assert server.asked[1]["startAfterDate"] == str(START + 3)
    assert ids(pages) == {"c0", "c1", "c2", "c3"}


def test_a_page_cut_short_by_hidden_rows_is_not_the_end() -> None:
    server = StrictServer(world(*range(21)), hidden=frozenset({"c1", "c18"}))
    pages = walk(server, Sweep())
    assert ids(pages) == {row.id for row in server.rows} - server.hidden
    assert pages[-1].complete


def test_a_server_that_cannot_ascend_is_walked_down_and_closed() -> None:
    server = StrictServer(world(1, 2, 3, 4, 5, 6), ascends=False)

    def jump(number: int) -> None:
        if number == 3:  # the first descent has passed the top by now
            server.rows[0].at = START + 50

    server.before = jump
    watched = provider()
    pages = walk(server, Sweep(), watched)
    assert server.asked[0]["sort"] == "asc"
    assert {params["sort"] for params in server.asked[1:]} == {"desc"}
    assert ids(pages) == {row.id for row in server.rows}
    assert pages[-1].complete
    assert watched.start(Sweep()).order == "desc"


@pytest.mark.parametrize("ascends", [True, False])
def test_a_server_that_ignores_the_cursor_never_passes_for_walked(ascends: bool) -> None:
    server = StrictServer(world(*range(9)), heeds_cursor=False, ascends=ascends)
    pages = walk(server, Sweep())
    assert not pages[-1].complete


def test_conversations_without_a_time_are_seen_at_the_end() -> None:
    server = StrictServer(world(1, 2, 3, None, None, 4))
    pages = walk(server, Sweep())
    assert ids(pages) == {row.id for row in server.rows}
    assert pages[-1].complete
    assert {params["status"] for params in server.asked} == {"all"}  # a tie that is seen whole


def test_more_conversations_without_a_time_than_a_page_leave_the_sweep_incomplete() -> None:
    server = StrictServer(world(1, 2, None, None, None, None))
    assert not walk(server, Sweep())[-1].complete


def test_the_end_may_recede_only_to_the_sweeps_start() -> None:
    server = StrictServer(world(1, 2, 3, 4))

    def arrive(number: int) -> None:
        server.rows.extend(Row(f"new{number}-{n}", START + number * 60_000 + n) for n in range(4))

    server.before = arrive
    pages = walk(server, Sweep())
    assert ids(pages) >= {"c0", "c1", "c2", "c3"}
    assert pages[-1].complete
    assert len(server.asked) < 12


def test_a_poll_stops_at_the_first_page_when_nothing_is_new() -> None:
    server = StrictServer(world(*(n * 600_000 for n in range(20))))
    newest = datetime.fromtimestamp((START + 19 * 600_000) / 1000, UTC)
    pages = walk(server, Poll(timedelta(0), newest))
    assert len(pages) == 1


def test_a_poll_without_a_watermark_reads_the_whole_list() -> None:
    server = StrictServer(world(1, 2, 3, 4))
    pages = walk(server, Poll(None))
    assert ids(pages) == {row.id for row in server.rows}


def test_a_poll_gives_up_after_fifty_pages() -> None:
    server = StrictServer(world(*range(200)))
    pages = walk(server, Poll(timedelta(0), NOW))
    assert len(pages) == 50
    assert not pages[-1].complete


def test_the_sets_hold_what_their_filter_selects() -> None:
    rows = world(1, 2, 3, 4, 5, 6)
    rows[0].unread = rows[5].unread = True
    rows[1].owner = rows[2].owner = "u1"
    assert ids(walk(StrictServer(rows), Members("unread"))) == {"c0", "c5"}
    unassigned = walk(StrictServer(rows), Members("unassigned"))
    assert ids(unassigned) == {"c0", "c3", "c4", "c5"}
    shown = [row for page in unassigned for row in page.rows]
    assert all(row.fields["assignee"] is None for row in shown)
    assert not any("assignee" in row.absent for row in shown)
    assert all(page.total is None for page in unassigned)


def test_behind_a_page_that_always_fails_the_rest_is_reached_from_the_other_end() -> None:
    server, watched = StrictServer(world(*range(12))), provider()
    position = watched.start(Sweep())
    first = watched.parse(position, server.answer(watched.request(position)))
    around = watched.skip(first.next)
    seen = ids([first])
    complete = True
    while around is not None:
        page = watched.parse(around, server.answer(watched.request(around)))
        seen |= ids([page])
        around, complete = page.next, page.complete
    assert seen == {row.id for row in server.rows}
    assert not complete


def test_a_descent_whose_page_always_fails_cannot_go_on() -> None:
    watched = provider()
    assert watched.skip(watched.start(Members("unread"))) is None
    assert watched.skip(watched.start(Poll(timedelta(0)))) is None


@given(servers)
def test_the_same_position_gives_the_same_request(server: StrictServer) -> None:
    watched = provider()
    position = watched.start(Sweep())
    for _ in range(60):
        request = watched.request(position)
        assert watched.request(position) == request
        page = watched.parse(position, server.answer(request))
        if page.next is None:
            break
        position = page.next
    else:
        raise AssertionError("the walk does not end")
