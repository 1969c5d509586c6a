"""Chatwoot's polls: windows, servers that ignore them, and walks by activity instead."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.chatwoot_harness import LIST, NOW, Account, account, chatwoot, ids, walk
from watcher.providers import Check, Poll

POLL = Poll(timedelta(seconds=30), newest=NOW - timedelta(seconds=40))


def test_a_poll_whose_window_always_fails_walks_by_activity() -> None:
    broken = account(7, size=3)
    broken.rows[2] |= {"orphan": True}
    broken.touch(2)
    broken.bump(1)
    walked = walk(chatwoot(), broken, POLL)
    assert "1" in walked.ids
    assert dict(broken.asked[-1].params)["sort_by"] == "last_activity_at_desc"


def test_a_poll_is_one_request_for_what_was_updated() -> None:
    busy = account(9, size=3)
    busy.touch(4)
    busy.bump(9)
    provider = chatwoot()
    provider.set_capabilities({"updated_within": True})
    walked = walk(provider, busy, POLL)
    assert set(walked.ids) == {"4", "9"}
    assert walked.last.total == 9
    assert len(busy.asked) == 1


def test_after_a_long_gap_a_poll_walks_by_activity_down_to_the_watermark() -> None:
    busy = account(30, size=3)
    for number in (3, 7, 11, 19):
        busy.bump(number)
    walked = walk(chatwoot(), busy, Poll(timedelta(hours=4), NOW - timedelta(hours=5)))
    assert set(walked.ids) >= set(ids(3, 7, 11, 19))
    assert len(busy.asked) == 2
    assert dict(busy.asked[0].params)["sort_by"] == "last_activity_at_desc"


def test_a_walk_by_activity_is_cut_after_twenty_pages() -> None:
    busy = account(90, size=3)
    walk(chatwoot(), busy, Poll(timedelta(days=30), NOW - timedelta(days=30)))
    assert len(busy.asked) == 20


def test_an_old_server_is_found_out_once_and_then_polled_the_old_way() -> None:
    old = account(12, size=3, windows=False, stamps=False)
    old.bump(2)
    provider = chatwoot()
    walk(provider, old, POLL)
    assert old.capabilities == {"updated_within": False}
    old.asked.clear()
    for number in (2, 5, 8, 11):
        old.bump(number)
    walked = walk(provider, old, POLL)
    assert set(walked.ids) >= set(ids(2, 5, 8, 11))
    assert [dict(request.params).get("page") for request in old.asked] == ["1", "2"]


def test_an_ignored_window_full_of_fresh_rows_is_found_out_and_walked_on() -> None:
    old = account(12, size=3, windows=False, stamps=False)
    for number in (2, 5, 8, 11):
        old.bump(number)
    walked = walk(chatwoot(), old, POLL)
    assert set(walked.ids) >= set(ids(2, 5, 8, 11))
    assert old.capabilities == {"updated_within": False}


def test_a_row_that_another_web_server_dated_a_moment_ahead_proves_nothing() -> None:
    busy = account(12, size=3)
    for number in (2, 5):
        busy.bump(number)
    busy.rows[5]["updated_at"] += 0.4
    walked = walk(chatwoot(), busy, POLL)
    assert set(walked.ids) >= set(ids(2, 5))
    assert busy.capabilities == {}


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("off", [-86_400, -600, 600, 86_400])
def test_the_servers_clock_has_no_say_in_what_is_concluded(
    off: int, windows: bool, stamps: bool
) -> None:
    wrong = account(30, size=25, windows=windows, stamps=stamps, off=timedelta(seconds=off))
    provider = chatwoot()
    walk(provider, wrong, Check())
    assert wrong.capabilities["updated_within"] is windows
    for _ in range(5):
        wrong.asked.clear()
        wrong.now += timedelta(seconds=30)
        wrong.bump(7)
        poll = Poll(timedelta(seconds=30), newest=wrong.now + wrong.off)
        assert "7" in walk(provider, wrong, poll).ids
        assert len(wrong.asked) == 1
    assert wrong.capabilities["updated_within"] is windows


@pytest.mark.parametrize("stamps", [True, False])
def test_what_an_upgraded_server_can_do_is_found_out_after_the_next_sweep(stamps: bool) -> None:
    server = account(30, size=25, windows=False, stamps=stamps)
    provider = chatwoot()
    walk(provider, server, Check())
    server.windows = True
    walk(provider, server, POLL)
    assert server.capabilities["updated_within"] is False
    walk(provider, server, LIST)
    server.touch(4)
    assert "4" in walk(provider, server, POLL).ids
    assert server.capabilities["updated_within"] is True


def test_a_sweep_learns_the_page_size_too() -> None:
    grown = account(3, size=3)
    provider = chatwoot()
    walk(provider, grown, Check())
    grown.add(4)
    walk(provider, grown, LIST)
    assert grown.capabilities == {"updated_within": True, "page_size": 3}


def test_the_first_ignored_window_goes_on_as_a_walk_and_loses_no_row() -> None:
    old = account(12, size=3, windows=False)
    for number in (2, 5, 8, 11):
        old.bump(number)
        old.rows[number]["last_activity_at"] -= 90
        old.rows[number]["updated_at"] -= 500
    walked = walk(chatwoot(), old, POLL)
    assert set(walked.ids) >= set(ids(2, 5, 8, 11))
    assert old.capabilities == {"updated_within": False}


@pytest.mark.parametrize("count", [1, 2, 25])
def test_changes_without_activity_do_not_make_an_honest_server_look_old(count: int) -> None:
    honest = account(40, size=25, stamps=False)
    for number in range(1, count + 1):
        honest.touch(number)
    walked = walk(chatwoot(), honest, POLL)
    assert set(walked.ids) == set(ids(*range(1, count + 1)))
    assert honest.capabilities == {"updated_within": True}
    provider = chatwoot()
    provider.set_capabilities(honest.capabilities)
    honest.asked.clear()
    walk(provider, honest, POLL)
    assert honest.capabilities == {"updated_within": True}
    if count < 2:
        assert len(honest.asked) == 1, "a server that passed the probe is not asked again"


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("size", [3, 9], ids=["a page of rows", "far apart"])
def test_a_window_that_looks_like_a_page_is_doubted_even_of_a_server_that_passed(
    size: int, stamps: bool
) -> None:
    changed = account(10, size=size, windows=False, stamps=stamps)
    changed.capabilities = {"updated_within": True, "page_size": 3}
    provider = chatwoot()
    provider.set_capabilities(changed.capabilities)
    walk(provider, changed, POLL)
    assert changed.capabilities["updated_within"] is False


@pytest.mark.parametrize(("windows", "capabilities"), [(True, True), (False, False)])
@pytest.mark.parametrize("stamps", [True, False])
def test_a_check_finds_out_what_the_server_can_do(
    windows: bool, capabilities: bool, stamps: bool
) -> None:
    asked = account(4, windows=windows, stamps=stamps)
    walk(chatwoot(), asked, Check())
    assert asked.capabilities == {"updated_within": capabilities, "page_size": 3}
    assert len(asked.asked) == 2


def test_a_page_that_holds_everything_tells_no_page_size() -> None:
    asked = account(3, size=3)
    walk(chatwoot(), asked, Check())
    assert asked.capabilities == {"updated_within": True}


def test_a_check_of_an_empty_account_learns_nothing() -> None:
    empty = account(0)
    walk(chatwoot(), empty, Check())
    assert empty.capabilities == {}
    assert len(empty.asked) == 1


def test_an_old_server_is_found_out_although_all_its_rows_are_fresh() -> None:
    busy = account(0, windows=False)
    for number in (1, 2, 3):
        busy.add(number, age=5)
    walk(chatwoot(), busy, Check())
    assert busy.capabilities == {"updated_within": False}


@given(
    bumped=st.sets(st.integers(1, 20), max_size=8),
    size=st.integers(1, 5),
    windows=st.booleans(),
    stamps=st.booleans(),
    known=st.booleans(),
)
def test_a_poll_sees_every_new_activity_whatever_the_server_can_do(
    bumped: set[int], size: int, windows: bool, stamps: bool, known: bool
) -> None:
    any_server = account(20, size=size, windows=windows, stamps=stamps)
    provider = chatwoot()
    if known:
        walk(provider, any_server, Check())
    for number in bumped:
        any_server.bump(number)
    walked = walk(provider, any_server, POLL)
    assert set(walked.ids) >= set(ids(*bumped))


@pytest.mark.parametrize(
    ("gap", "late", "window"),
    [(30, 10, "40"), (30, 60, "90"), (29.2, 10, "40"), (240, 60, "300"), (-5, 10, "10")],
)
def test_a_window_is_as_long_as_the_poll_asks_for(gap: float, late: float, window: str) -> None:
    asked = account(3)
    walk(chatwoot(), asked, Poll(timedelta(seconds=gap), NOW, timedelta(seconds=late)))
    assert dict(asked.asked[0].params)["updated_within"] == window


NEWEST = NOW - timedelta(minutes=10)


def import_of(count: int) -> Account:
    """An account whose conversations were all last active in the same two minutes."""
    made = account(0, size=25, version=(2, 16, 0))
    made.now = NEWEST
    for number in range(count):
        made.add(number + 1, age=120 * number / count)
    made.now = NOW
    return made


@pytest.mark.parametrize(
    ("case", "still", "requests"),
    [
        ("nothing is known", None, 7),
        ("what was late has been read", NEWEST, 1),
        ("something is newer", NEWEST - timedelta(seconds=30), 3),
    ],
)
def test_a_walk_by_activity_ends_at_what_was_read_with_all_that_was_late(
    case: str, still: datetime | None, requests: int
) -> None:
    old, provider = import_of(300), chatwoot()
    provider.set_capabilities({"updated_within": False})
    again = timedelta(seconds=60)
    walk(provider, old, Poll(timedelta(seconds=30), NEWEST, again, still))
    assert len(old.asked) == requests, case


def test_what_is_new_after_a_standstill_is_read() -> None:
    old, provider = import_of(300), chatwoot()
    provider.set_capabilities({"updated_within": False})
    for number in range(1, 60):
        old.bump(number)
    poll = Poll(timedelta(seconds=30), NEWEST, still=NEWEST)
    assert set(walk(provider, old, poll).ids) >= set(ids(*range(1, 60)))
