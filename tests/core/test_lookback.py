"""How far back polls look: tables, and the law that nothing which becomes visible late is lost."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.pipeline.lookback import (
    EVERY,
    FAILURES,
    LATE,
    LATEST,
    MOST_ROWS,
    SLOW,
    Lookback,
    Reach,
    leaves_gap,
)

NOW = T0 + timedelta(days=1)
CALM = Lookback(looked=970.0, settled=900.0, doubt=False, still=T0)
"""What is remembered 1000 seconds after the start, thirty after a poll that went well."""


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


@pytest.mark.parametrize(
    ("case", "lookback", "wall", "elapsed", "again"),
    [
        ("nothing has happened", CALM, 30, 30, 10),
        ("the first poll of a process", Lookback(), 90, 90, 60 + 240),
        ("the first poll of all", Lookback(), None, None, 60 + 240),
        ("our clock was set back before this run", Lookback(), -5, None, 60 + 240),
        ("a long look is due", dataclasses.replace(CALM, settled=760.0), 30, 30, 60 + 210),
        (
            "it is due, but would show too much",
            dataclasses.replace(CALM, settled=760.0, rows=MOST_ROWS + 1), 30, 30, 10,
        ),
        ("a step failed", CALM.after_failure(), 30, 30, 60 + 70),
        ("steps keep failing", CALM.after_failure().after_failure(), 30, 30, 60),
        (
            "polls are a minute apart",
            dataclasses.replace(CALM, looked=900.0), 100, 100, 60,
        ),
        ("our clock was set forward", CALM, 3600, 3600, 60 + 240),
        ("our clock was set back", CALM, -3600, 30, 10),
        (
            "a sweep has just been whole",
            Lookback(doubt=False, still=T0).after_sweep(970.0, moved=True, whole=True), 30, 30, 10,
        ),
        (
            "a sweep was not whole",
            Lookback(doubt=False).after_sweep(970.0, moved=True, whole=False), 30, 30, 60 + 240,
        ),
        (
            "polls went on during a sweep",
            dataclasses.replace(CALM, settled=700.0).after_sweep(950.0, moved=False, whole=True),
            30, 30, 10,
        ),
    ],
)  # fmt: skip
def test_how_far_back_a_poll_looks(
    case: str, lookback: Lookback, wall: float | None, elapsed: float | None, again: float
) -> None:
    polled = None if wall is None else NOW - seconds(wall)
    reach = lookback.reach(polled, NOW, 1000.0)
    assert reach.elapsed == (None if elapsed is None else seconds(elapsed)), case
    assert reach.again == seconds(again), case
    assert reach.long == (reach.again >= LATEST)


def after(lookback: Lookback, reach: Reach, at: float = 1000.0, **more: Any) -> Lookback:
    given = {"took": 0.1, "newest": T0, "rows": 1, **more}
    return lookback.after_poll(reach, at, **given)


SHORT, LONG = Reach(seconds(30), LATE), Reach(seconds(30), LATEST + EVERY)


def test_short_looks_add_up_and_long_ones_begin_anew() -> None:
    assert after(CALM, SHORT, rows=3).rows == 3
    assert after(CALM, SHORT).settled == CALM.settled
    long = after(dataclasses.replace(CALM, rows=9).after_failure(), LONG)
    assert (long.settled, long.rows, long.failures, long.doubt) == (1000.0, 0, 0, False)


@pytest.mark.parametrize("reach", [SHORT, LONG])
def test_after_a_slow_answer_the_next_look_is_a_long_one(reach: Reach) -> None:
    slow = after(CALM, reach, took=SLOW.total_seconds() + 1)
    assert slow.reach(NOW - seconds(30), NOW, 1030.0).long


@pytest.mark.parametrize(
    ("reach", "took", "gap"), [(SHORT, 4.0, False), (SHORT, 6.0, True), (LONG, 29.0, False)]
)
def test_an_answer_that_takes_long_leaves_a_gap_before_a_short_window(
    reach: Reach, took: float, gap: bool
) -> None:
    assert leaves_gap(reach, took) == gap


def test_answers_that_always_take_long_do_not_make_windows_longer_and_longer() -> None:
    lookback, at = CALM, 1000.0
    for _ in range(50):
        reach = lookback.reach(NOW - seconds(30), NOW, at)
        if leaves_gap(reach, 20.0):
            lookback = lookback.after_failure()
        else:
            lookback = after(lookback, reach, at=at, took=20.0)
        at += 30
    assert lookback.reach(NOW - seconds(30), NOW, at) == Reach(seconds(30), LATEST)


def test_the_latest_activity_is_left_alone_once_nothing_beside_it_can_be_late() -> None:
    first = after(Lookback(), LONG, at=0.0)
    soon = after(first, LONG, at=60.0)
    assert (first.still, soon.still) == (None, None)
    assert first.reach(NOW - seconds(30), NOW, 90.0).long, (
        "the end of the wait asks for a long look"
    )
    assert after(first, SHORT, at=90.0).still is None
    rested = after(first, LONG, at=90.0)
    assert rested.still == T0
    moved = after(rested, LONG, at=400.0, newest=T0 + seconds(1))
    assert moved.still == T0
    assert after(moved, LONG, at=430.0, newest=T0 + seconds(1)).still == T0


# -- the law

polls = st.lists(
    st.fixed_dictionaries(
        {
            "fate": st.sampled_from(["well"] * 12 + ["fails", "restart", "clock set", "sweep"]),
            "delay": st.one_of(st.floats(0, 1), st.floats(0, 20)),
            "rows": st.integers(0, 5),
        }
    ),
    min_size=5,
    max_size=30,
)


@given(
    polls,
    st.sampled_from([5.0, 10.0, 30.0, 45.0, 60.0, 300.0]),
    st.lists(st.tuples(st.floats(0, 900), st.floats(0, 49)), max_size=20),
    st.integers(-86_400, 86_400),
)
def test_what_becomes_visible_late_is_found(
    looks: list[dict[str, Any]], every: float, changes: list[tuple[float, float]], jump: int
) -> None:
    """Each change is in a window that was asked for when it was visible, soon after it was.

    A sweep finds whatever is visible, also what looks leave to it after several failures. Our clock is
    set at any time, and is never the server's.
    """
    clock, lookback, at = Clock(), Lookback(), 0.0
    polled, found, set_since = clock(at), dict[int, float](), False
    trouble = left = 0.0
    calm = [{"fate": "well", "delay": 0.3, "rows": 0}] * (int(1300 / every) + 4)
    for look in [*looks, *calm]:
        at += every
        fate, when = look["fate"], at + look["delay"]
        if fate != "well" or look["delay"] > SLOW.total_seconds():
            trouble = at
        if fate == "clock set":
            clock.off, set_since = clock.off + seconds(jump), True
        # Only a running process knows how long ago its last poll was when the clock was set.
        if fate == "restart" and not set_since:
            lookback = Lookback()
        left = at if lookback.failures >= FAILURES else left
        reach = lookback.reach(polled, clock(at), at)
        # Without a time, what is new is read by activity, down to what was known.
        asked = (reach.elapsed + reach.again).total_seconds() if reach.elapsed else 1e9
        if fate == "fails":
            lookback = lookback.after_failure()
            continue
        for number, (stamp, late) in enumerate(changes):
            if stamp + late <= when and (fate == "sweep" or stamp > when - asked):
                found.setdefault(number, when)
        if fate == "sweep":
            lookback = lookback.after_sweep(at, moved=True, whole=True)
        elif leaves_gap(reach, look["delay"]):
            lookback = lookback.after_failure()
        else:
            lookback = after(lookback, reach, at, took=look["delay"], rows=look["rows"])
        if lookback.looked == at:
            polled, set_since = clock(at), False
    for number, (stamp, late) in enumerate(changes):
        if stamp + late <= left:
            continue
        assert number in found, (stamp, late)
        assert found[number] <= max(stamp + late, trouble) + EVERY.total_seconds() + 2 * every + 20


class Clock:
    """Our clock, which is set now and then."""

    def __init__(self) -> None:
        self.off = timedelta(0)

    def __call__(self, at: float) -> datetime:
        return NOW + self.off + seconds(at)
