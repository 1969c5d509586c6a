"""Walks: where each goes after a page and after a failure, and when it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.errors import (
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WalkExpired,
)
from watcher.metrics import MotionName
from watcher.model import Conversation, Observation
from watcher.pipeline import Decision
from watcher.pipeline.sweep import LookUpList
from watcher.poller import walks
from watcher.poller.walks import (
    CheckWalk,
    LookUpRound,
    LookUpWalk,
    PollWalk,
    Seen,
    SetWalk,
    SweepWalk,
    Walk,
    find_working_page,
    follow,
)
from watcher.providers import Page, Poll, Response

ANSWER = Response(200, b"", {}, T0, T0)
DOWN = SourceUnavailable("502 Bad Gateway")
REFUSED = SourceRefused("401 Unauthorized")


class Numbers:
    """A provider whose positions are page numbers from 1 on; page 9 is the last that can be skipped."""

    def start(self, motion: Any) -> int:
        return 1

    def skip(self, position: int) -> int | None:
        return position + 1 if position < 9 else None


def rows(*ids: str, **fields: Any) -> tuple[Observation, ...]:
    return tuple(Observation(key, {"unread": True, **fields}) for key in ids)


def page(*ids: str, after: int | None = None, **more: Any) -> Page:
    return Page(rows(*ids), next=after, **more)


class Account:
    """Answers with what stands under a position, and notes what was asked for."""

    def __init__(self, pages: dict[int, Page | SourceError | list[Page | SourceError]]) -> None:
        self.asked: list[int] = []
        self.urgent: set[bool] = set()
        self._answers: dict[int, Iterator[Page | SourceError]] = {}
        for position, answer in pages.items():
            several = answer if isinstance(answer, list) else [answer]
            self._answers[position] = iter([*several, *[several[-1]] * 500])

    async def fetch(self, position: int, *, urgent: bool, motion: MotionName) -> Seen:
        self.asked.append(position)
        self.urgent.add(urgent)
        answer = next(self._answers[position])
        if isinstance(answer, SourceError):
            raise answer
        return Seen(answer, ANSWER)


def poll(failing_polls: int = 0, newest: Any = None) -> PollWalk:
    motion = Poll(timedelta(hours=1), newest)
    return PollWalk(Numbers(), motion, failing_polls=failing_polls)  # type: ignore[arg-type]


def sweep() -> SweepWalk:
    return SweepWalk(Numbers(), began=T0)  # type: ignore[arg-type]


def members(most: int = 3) -> SetWalk:
    return SetWalk(Numbers(), "unread", most=most)  # type: ignore[arg-type]


def made(walk: Walk, account: Account, arrivals: Sequence[Observation] = ()) -> Walk:
    async def absorb(seen: Seen) -> Decision:
        return Decision(None, arrivals=tuple(arrivals))

    anyio.run(follow, walk, account.fetch, absorb)
    return walk


def test_every_walk_reads_page_after_page_until_there_is_none() -> None:
    pages = {1: page("a", after=2), 2: page("b", after=3), 3: page("c", total=7)}
    for walk in (poll(), sweep(), members(), CheckWalk(Numbers())):  # type: ignore[arg-type]
        account = Account(dict(pages))
        made(walk, account)
        assert (account.asked, walk.total) == ([1, 2, 3], 7)
        if isinstance(walk, SetWalk | SweepWalk):
            assert walk.ids == {"a", "b", "c"}
        assert account.urgent == {not isinstance(walk, SweepWalk)}


def test_a_provider_that_has_learned_something_is_asked_from_the_beginning() -> None:
    for walk in (poll(), sweep(), members(), CheckWalk(Numbers())):  # type: ignore[arg-type]
        account = Account({1: [page("a", after=2), page("b")], 2: page(fallback=True)})
        made(walk, account)
        assert account.asked == [1, 2, 1]
        # A sweep that begins again knows nothing of the rows of its first attempt.
        if isinstance(walk, SetWalk | SweepWalk):
            assert walk.ids == ({"b"} if isinstance(walk, SweepWalk) else {"a", "b"})


@pytest.mark.parametrize(("pages", "cut"), [(3, False), (4, True)])
def test_a_set_that_does_not_fit_is_cut(pages: int, cut: bool) -> None:
    account = Account(
        {n: page(f"c{n}", after=n + 1 if n < pages else None) for n in range(1, pages + 1)}
    )
    walk = made(members(most=3), account)
    assert isinstance(walk, SetWalk)
    assert (walk.cut, len(walk.ids)) == (cut, 3)


def test_a_check_or_a_sweep_without_end_is_the_providers_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walks, "SWEEP_PAGES", 50)
    for walk in (CheckWalk(Numbers()), sweep()):  # type: ignore[arg-type]
        account = Account({1: page("a", after=1)})
        with pytest.raises(SourceChanged, match=r"come to an end|never ends"):
            made(walk, account)
        assert len(account.asked) <= 50


def test_a_poll_without_end_is_cut_and_was_whole() -> None:
    account = Account({1: page("a", after=1)})
    walk = made(poll(), account)
    assert isinstance(walk, PollWalk)
    assert len(account.asked) == walks.POLL_PAGES
    assert walk.summary().whole


# -- look-ups ---------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["absent", "suspect"])
def test_a_verdict_ends_a_look_up(why: Any) -> None:
    account = Account({1: page(after=2), 2: page("a", after=3, verdict="found")})
    walk = LookUpWalk(Numbers(), Conversation(id="a"), why)  # type: ignore[arg-type]
    made(walk, account)
    assert (account.asked, walk.verdict, walk.response) == ([1, 2], "found", ANSWER)
    assert account.urgent == {why == "suspect"}


def test_a_row_that_cannot_be_looked_up_stays_a_suspect_after_some_tries() -> None:
    look_ups = LookUpRound(LookUpList(("a", "b", "c")), T0)
    look_ups.settle("a", decided=True)
    look_ups.settle("b", decided=False)
    for _ in range(walks.LOOK_UP_TRIES - 1):
        look_ups.fail("c")
    assert look_ups.waiting == ["c"]
    look_ups.fail("c")
    assert (look_ups.waiting, look_ups.undecided) == ([], ["b", "c"])


SIXTY = tuple(f"c{number:02}" for number in range(60))


@pytest.mark.parametrize(
    ("wanted", "there", "asked"),
    [
        (LookUpList(SIXTY), SIXTY, 2),
        (LookUpList(SIXTY), SIXTY[:30], 2),
        (LookUpList(SIXTY), ("c00",), 60),
        (LookUpList(SIXTY), (), 60),
        (LookUpList(SIXTY[:5]), SIXTY, 5),  # too few for a sample of them
        (LookUpList(SIXTY, proof_only=True), SIXTY, 60),  # chosen, and mostly there
        (LookUpList(SIXTY, again=frozenset(SIXTY)), SIXTY, 60),  # known to be there: no news
        (LookUpList(SIXTY, again=frozenset(SIXTY[30:])), SIXTY[30:], 60),
    ],
)
def test_several_of_a_sample_that_are_there_end_the_look_ups(
    wanted: LookUpList, there: tuple[str, ...], asked: int
) -> None:
    look_ups, count = LookUpRound(wanted, T0), 0
    while look_ups.waiting:
        key, count = look_ups.waiting[0], count + 1
        look_ups.settle(key, decided=key in there)
        if key in there:
            look_ups.find(key)
    assert count == asked
    # What was not asked, or could not be decided, is no suspect where the listing is not believed.
    believed = asked == len(wanted.ids)
    assert set(look_ups.undecided) == (set(wanted.ids) - set(there) if believed else set())


@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.sets(st.integers(0, 299)))
def test_a_round_asks_for_each_row_once_or_ends_early(
    count: int, known: set[int], there: set[int]
) -> None:
    ids = tuple(f"{number:03}" for number in range(count))
    again = frozenset(key for key in ids if int(key) in known)
    look_ups, asked = LookUpRound(LookUpList(ids, again=again), T0), []
    assert sorted(look_ups.waiting) == sorted(ids)
    ended = False
    while look_ups.waiting:
        asked.append(key := look_ups.waiting[0])
        look_ups.settle(key, decided=int(key) in there)
        ended = ended or (int(key) in there and look_ups.find(key))
    assert len(set(asked)) == len(asked)
    assert len(asked) == len(ids) or (ended and len(asked) <= 5)


def test_the_tries_of_one_row_are_not_those_of_the_next() -> None:
    look_ups = LookUpRound(LookUpList(("a", "b")), T0)
    look_ups.fail("a")
    look_ups.fail("a")
    look_ups.settle("a", decided=True)
    look_ups.fail("b")
    assert look_ups.waiting == ["b"]


def test_a_row_that_cannot_be_looked_up_keeps_no_other_waiting() -> None:
    """While it is deleted, it answers 500 for a moment: the others are asked first."""
    look_ups = LookUpRound(LookUpList(("a", "b", "c")), T0)
    look_ups.fail("a")
    assert look_ups.waiting == ["b", "c", "a"]
    look_ups.settle("b", decided=True)
    look_ups.fail("c")
    assert look_ups.waiting == ["a", "c"]


# -- polls ------------------------------------------------------------------------------------


def test_what_a_poll_remembers() -> None:
    at = T0 + timedelta(minutes=5)
    account = Account(
        {
            1: Page(rows("a", "b", "c", last_activity_at=at), next=2, missing=("labels",), total=5),
            2: Page(rows("d"), missing=("status",), unusable=1),
        }
    )
    walk = made(poll(newest=T0), account, arrivals=rows("a"))
    assert isinstance(walk, PollWalk)
    summary = walk.summary()
    assert (summary.newest, summary.total, summary.whole) == (at, 5, False)
    assert summary.missing == {"labels"}  # one odd row alone is no changed API
    assert set(walk.arrivals) == {"a"}


@pytest.mark.parametrize(("odd", "newest"), [(0, 5), (1, 4), (2, 3), (3, 9_999)])
def test_one_or_two_dates_in_the_future_are_not_the_latest_activity(odd: int, newest: int) -> None:
    ages = {0: [5, 5, 5, 1], 1: [5, 4, 1], 2: [3, 1, 1], 3: [1, 1, 1]}[odd]
    found = [
        *rows(*(f"odd{n}" for n in range(odd)), last_activity_at=T0 + timedelta(minutes=9_999)),
        *(
            row
            for n, age in enumerate(ages)
            for row in rows(f"c{n}", last_activity_at=T0 + timedelta(minutes=age))
        ),
    ]
    walk = made(poll(newest=None), Account({1: Page(tuple(found))}))
    assert isinstance(walk, PollWalk)
    assert walk.summary().newest == T0 + timedelta(minutes=newest)


def test_two_rows_move_no_watermark() -> None:
    found = Page(rows("a", "b", last_activity_at=T0 + timedelta(days=1)))
    walk = made(poll(newest=T0), Account({1: found}))
    assert isinstance(walk, PollWalk)
    assert walk.summary().newest == T0


@pytest.mark.parametrize(
    ("case", "last", "whole"),
    [
        ("the last page", page("z"), True),
        ("there is another", page("z", after=2), False),
        ("it begins again", page("z", fallback=True), False),
        ("a row cannot be read", page("z", unusable=1), False),
    ],
)
def test_when_a_poll_ends_whole(case: str, last: Page, whole: bool) -> None:
    assert poll().ends_whole(last) is whole, case


@pytest.mark.parametrize(
    ("case", "pages", "failing_polls", "asked", "fails"),
    [
        ("the first time it stops there", {1: DOWN}, 0, [1], True),
        ("so does the second poll", {1: DOWN}, 1, [1], True),
        ("the third goes past", {1: DOWN, 2: page("a")}, 2, [1, 2], False),
        ("past two pages", {1: DOWN, 2: DOWN, 3: page("a")}, 2, [1, 2, 3], False),
        ("not past three", {1: DOWN, 2: DOWN, 3: DOWN}, 2, [1, 2, 3], True),
        (
            "later ones count from one again",
            {1: DOWN, 2: page("a", after=3), 3: DOWN, 4: page("b")}, 2, [1, 2, 3, 4], False,
        ),
        ("a refusal concerns the next page, too", {1: REFUSED}, 9, [1], True),
        ("an expired walk is not a broken page", {1: WalkExpired("too old")}, 9, [1], True),
        ("nothing is behind it", {1: page("a", after=9), 9: DOWN}, 9, [1, 9], True),
    ],
)  # fmt: skip
def test_a_poll_goes_past_a_page_that_fails_poll_after_poll(
    case: str, pages: dict[int, Any], failing_polls: int, asked: list[int], fails: bool
) -> None:
    walk, account = poll(failing_polls), Account(pages)
    try:
        made(walk, account)
    except SourceError:
        assert fails, case
    else:
        assert not fails, case
        assert not walk.summary().whole
    assert account.asked == asked, case
    broken = isinstance(pages.get(1), SourceUnavailable) or isinstance(pages.get(9), SourceError)
    assert walk.failed is broken
    assert walk.failing_polls == failing_polls + broken


# -- sweeps -----------------------------------------------------------------------------------


def test_what_a_sweep_remembers() -> None:
    at = T0 + timedelta(minutes=5)
    account = Account(
        {
            1: Page(rows("a", "c", "d", last_activity_at=at), next=2, missing=("labels", "status")),
            2: Page(rows("b"), next=3, missing=("labels",), unusable=1, total=9),
            3: Page((), missing=("everything",), complete=False),
        }
    )
    walk = made(sweep(), account)
    assert isinstance(walk, SweepWalk)
    summary = walk.summary(incomplete_before=1)
    assert summary.seen == {"a", "b", "c", "d"}
    assert (summary.newest, summary.unusable, summary.cut) == (at, 1, True)
    assert summary.missing == {"labels"}  # an empty page lacks nothing
    assert summary.shown == {"unread", "last_activity_at"}
    assert summary.hole_stays


def test_a_refused_page_token_begins_the_sweep_again_a_few_times() -> None:
    walk = sweep()
    for _ in range(walks.EXPIRED_RESTARTS):
        walk.ids.update(["a"])
        walk.position = 5
        walk.expire()
        assert (walk.position, walk.ids) == (1, set())
    with pytest.raises(SourceChanged, match="its own page tokens"):
        walk.expire()


def test_a_listing_that_always_begins_again_is_given_up() -> None:
    account = Account({1: page(fallback=True)})
    with pytest.raises(SourceChanged, match="begin again"):
        made(sweep(), account)
    assert len(account.asked) == walks.MOST_RESTARTS + 1


def test_a_sweep_tries_later_pages_after_every_third_failure_of_one() -> None:
    walk = sweep()
    assert [walk.is_stuck(DOWN) for _ in range(7)] == [False, False, True] * 2 + [False]
    assert not any(walk.is_stuck(REFUSED) for _ in range(9))


@pytest.mark.parametrize(
    ("case", "pages", "position", "skipped"),
    [
        ("the next one works", {2: page("b")}, 2, 1),
        ("the third works", {2: DOWN, 3: SourceChanged("not JSON"), 4: page("b")}, 4, 3),
        ("none does", {2: DOWN, 3: DOWN, 4: DOWN}, 1, 0),
    ],
)
def test_a_sweep_goes_past_a_page_only_where_a_later_one_works(
    case: str, pages: dict[int, Any], position: int, skipped: int
) -> None:
    walk, account = sweep(), Account(pages)
    found = anyio.run(find_working_page, walk, Numbers(), account.fetch)
    assert (found, walk.position) == (bool(skipped), position), case
    assert walk.summary(0).skipped == skipped
    assert account.asked == sorted(pages)


def test_no_page_is_tried_behind_the_last_one() -> None:
    walk = sweep()
    walk.position = 9
    assert not anyio.run(find_working_page, walk, Numbers(), Account({}).fetch)
