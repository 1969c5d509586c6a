"""Chatwoot's sweeps over a list that changes under them, on servers of every age."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.providers.chatwoot_harness import account, answer, chatwoot, envelope, ids, walk
from watcher.model import Conversation
from watcher.providers import Check, LookUp, Sweep

SWEEP = Sweep()


# -- sweeps ---------------------------------------------------------------------------------------


@given(count=st.integers(0, 14), size=st.integers(1, 6), orders=st.booleans())
def test_a_sweep_of_a_list_at_rest_sees_every_row_once_and_is_complete(
    count: int, size: int, orders: bool
) -> None:
    still = account(count, size=size, orders=orders)
    walked = walk(chatwoot(), still, SWEEP)
    assert sorted(walked.ids, key=int) == ids(*range(1, count + 1))
    assert walked.last.complete
    assert len(still.asked) <= -(-count // size) + 1
    assert walked.last.total == count


def test_a_short_page_ends_the_sweep_without_another_request() -> None:
    still = account(7, size=3)
    walk(chatwoot(), still, SWEEP)
    assert [dict(request.params)["page"] for request in still.asked] == ["1", "2", "3"]


def test_a_short_page_is_not_the_end_while_the_list_counts_more() -> None:
    provider = chatwoot()
    first = [{"id": number} for number in (1, 2, 3)]
    page = provider.parse(provider.start(SWEEP), answer(envelope(first, total=6)))
    page = provider.parse(page.next, answer(envelope([{"id": 4}, {"id": 5}], total=6)))
    assert page.next is not None


def test_rows_that_come_during_a_sweep_are_seen_by_it() -> None:
    growing = account(6, size=3)
    growing.add(100, age=0)
    growing.between = lambda asked: growing.add(101, age=0) if asked == 1 else None
    walked = walk(chatwoot(), growing, SWEEP)
    assert walked.ids == ids(1, 2, 3, 4, 5, 6, 100, 101)
    assert walked.last.complete


def test_a_row_made_after_the_last_full_page_is_not_owed() -> None:
    provider = chatwoot()
    rows = [{"id": number} for number in (1, 2, 3)]
    first = provider.parse(provider.start(SWEEP), answer(envelope(rows, total=3)))
    # The row stands at the end of page 1, and only the count of page 2 knows of it.
    last = provider.parse(first.next, answer(envelope([], total=4)))
    assert last.next is None
    assert last.complete


def test_a_deletion_during_a_sweep_hides_a_row_and_leaves_the_rest_to_look_ups() -> None:
    shrinking = account(9, size=3)
    shrinking.between = lambda asked: shrinking.rows.pop(1, None) if asked == 1 else None
    walked = walk(chatwoot(), shrinking, SWEEP)
    assert "4" not in walked.ids, "the page edge moved over it"
    assert walked.last.complete, "its absence is looked up, and it will be found"


def test_a_walk_that_brought_less_than_the_list_counts_is_not_complete() -> None:
    provider = chatwoot()
    position = provider.start(SWEEP)
    page = provider.parse(position, answer(envelope([{"id": 1}, {"id": 2}], total=50)))
    page = provider.parse(page.next, answer(envelope([], total=50)))
    assert page.next is None
    assert not page.complete


def test_a_suddenly_empty_list_that_still_counts_rows_proves_nothing() -> None:
    provider = chatwoot()
    page = provider.parse(provider.start(SWEEP), answer(envelope([], total=12)))
    assert page.next is None
    assert not page.complete


def test_an_empty_account_is_swept_in_one_request() -> None:
    provider = chatwoot()
    page = provider.parse(provider.start(SWEEP), answer(envelope([], total=0)))
    assert page.next is None
    assert page.complete


def test_a_server_that_ignores_the_page_ends_the_sweep_with_a_complaint() -> None:
    stuck = account(7, size=3, paging=False)
    walked = walk(chatwoot(), stuck, SWEEP)
    assert len(stuck.asked) == 2
    assert not walked.last.complete
    assert "repeats the page" in walked.last.complaints[0]


def test_a_server_that_ignores_the_page_but_shows_everything_is_swept() -> None:
    small = account(3, size=3, paging=False)
    walked = walk(chatwoot(), small, SWEEP)
    assert walked.last.complete
    assert not walked.last.complaints


def test_rows_without_an_id_are_rows_for_the_walk() -> None:
    provider = chatwoot()
    position = provider.start(SWEEP)
    bad = [{"id": {}, "labels": 5}, {"id": None, "labels": 5}]
    page = provider.parse(position, answer(envelope(bad, total=3)))
    assert page.unusable == 2
    page = provider.parse(page.next, answer(envelope([{"id": 3}], total=3)))
    assert page.next is None
    assert page.complete


# -- sweeps of old servers ------------------------------------------------------------------------


def test_a_row_that_jumps_to_the_top_of_an_old_server_is_caught_by_a_last_lap() -> None:
    old = account(9, size=3, orders=False)
    old.between = lambda asked: old.bump(1) if asked == 1 else None
    walked = walk(chatwoot(), old, SWEEP)
    assert set(walked.ids) == set(ids(*range(1, 10)))
    assert walked.last.complete
    assert dict(old.asked[-1].params)["sort_by"] == "last_activity_at_desc"


def test_a_lap_that_does_not_bring_what_is_owed_leaves_the_sweep_incomplete() -> None:
    provider = chatwoot()
    position = provider.start(SWEEP)
    first = [
        {"id": number, "created_at": 1000 - number, "last_activity_at": 2000 - number}
        for number in range(1, 4)
    ]
    page = provider.parse(position, answer(envelope(first, total=50)))
    page = provider.parse(page.next, answer(envelope([], total=50)))
    known = {"id": 9, "created_at": 9, "last_activity_at": 9}
    page = provider.parse(page.next, answer(envelope([*first, known], total=50)))
    assert page.next is None
    assert not page.complete


# -- pages that always fail -----------------------------------------------------------------------


def test_a_bad_page_is_skipped_and_its_other_rows_are_reached_by_status() -> None:
    broken = account(9, size=3)
    broken.rows[4]["status"] = "resolved"
    broken.rows[5] |= {"status": "pending", "orphan": True}
    broken.rows[6]["status"] = "snoozed"
    walked = walk(chatwoot(), broken, SWEEP)
    assert set(walked.ids) == set(ids(1, 2, 3, 4, 6, 7, 8, 9))
    assert not walked.last.complete
    totals = [page.total for page in walked.pages]
    assert set(totals) == {9, None}, "a status' own count is not the account's"


def test_a_server_that_fails_page_after_page_is_not_walked_for_ever() -> None:
    broken = account(60, size=1)
    for row in broken.rows.values():
        row["orphan"] = True
    walked = walk(chatwoot(), broken, SWEEP)
    assert len(broken.asked) < 15
    assert not walked.last.complete


def test_a_look_up_and_a_check_have_no_way_around_a_failure() -> None:
    provider = chatwoot()
    assert provider.skip(provider.start(LookUp(Conversation("1"), "absent"))) is None
    assert provider.skip(provider.start(Check())) is None


def test_a_server_whose_pages_take_turns_ends_the_sweep_with_a_complaint() -> None:
    swept, provider = account(30, size=3), chatwoot()
    position = provider.start(SWEEP)
    answers = []
    for _ in range(2):
        answers.append(swept.answer(provider.request(position)))
        position = provider.parse(position, answers[-1]).next
    for number in range(20):
        page = provider.parse(position, answers[number % 2])
        if page.next is None:
            break
        position = page.next
    assert not page.complete
    assert "repeats an earlier page" in page.complaints[0]
