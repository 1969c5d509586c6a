"""Where the baseline begins in the rows' own terms, whatever the clock that dates them."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.model import Observation
from watcher.pipeline.baseline import Sightings, is_younger, was_there
from watcher.records import SourceState

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
STATE = SourceState("sales", "highlevel", "acc", baselined=T0, baseline_started=T0)
OFF = st.integers(-86_400, 86_400).map(lambda seconds: timedelta(seconds=seconds))
AGES = st.lists(st.integers(0, 20 * 86_400), max_size=12)


def row(
    key: str, made: datetime | None, active: datetime | None = None, **more: int
) -> Observation:
    fields = {"created_at": made, "last_activity_at": active}
    return Observation(key, {path: at for path, at in fields.items() if at is not None}, **more)


def seen(*rows: Observation, passed: timedelta = timedelta(0)) -> Sightings:
    found = Sightings()
    for one in rows:
        found.note(one, passed)
    return found


@pytest.mark.parametrize(
    ("case", "ages", "started"),
    [
        ("rows show that the clock is no further behind than the third latest", (1, 2, 3, 9), -3),
        ("two dates in the future are nonsense", (-500, -400, 2, 3), 2 * -1),
        ("too few rows show nothing: a day is allowed for", (1, 2), -25),
        ("nobody wrote for days", (90, 91, 92), -25),
        ("rows a day ahead", (-24, -24, -23), 23),
        ("three dates in the future are taken for a clock, but not beyond a day", (-99,) * 3, 25),
    ],
)  # fmt: skip
def test_when_the_baseline_began(case: str, ages: tuple[int, ...], started: int) -> None:
    rows = [row(f"c{n}", T0 - 900 * HOUR, T0 - age * HOUR) for n, age in enumerate(ages)]
    assert seen(*rows).started(T0) == T0 + started * HOUR, case


def test_what_was_read_later_is_reckoned_back_to_the_beginning() -> None:
    rows = [row(f"c{n}", None, T0 + HOUR) for n in range(3)]
    assert seen(*rows, passed=2 * HOUR).started(T0) == T0 - HOUR


def test_the_highest_number_of_a_row_bounds_the_baseline() -> None:
    rows = [row(f"c{n}", T0 - (9 - n) * HOUR, number=n) for n in (3, 7, 5)]
    found = seen(*rows)
    assert (found.top, found.started(T0)) == (7, T0 - 2 * HOUR)
    assert seen(row("x", T0)).top is None


@given(AGES, OFF, st.integers(0, 7_200), st.integers(0, 3_600))
def test_no_clock_hides_what_is_made_after_the_baseline_began(
    ages: list[int], off: timedelta, later: int, lasted: int
) -> None:
    """The rows' clock is off by up to a day, and no answer tells it: whoever comes is told."""
    passed = timedelta(seconds=lasted)
    rows = [
        row(f"c{n}", T0 + off - 30 * DAY, T0 + off + passed - timedelta(seconds=age))
        for n, age in enumerate(ages)
    ]
    found = seen(*rows, passed=passed)
    state = dataclasses.replace(STATE, baseline_started=found.started(T0), baseline_top=found.top)
    made = T0 + off + timedelta(seconds=later)
    assert not was_there(row("new", made), state)
    assert is_younger(made, state)


@given(st.integers(0, 3_600), OFF)
def test_what_was_made_days_before_joins_silently_by_any_clock(age: int, off: timedelta) -> None:
    found = seen(*(row(f"c{n}", None, T0 + off - timedelta(seconds=n * age)) for n in range(3)))
    state = dataclasses.replace(STATE, baseline_started=found.started(T0))
    assert was_there(row("old", T0 + off - 3 * DAY), state)
    assert not is_younger(T0 + off - 3 * DAY, state)


@pytest.mark.parametrize("off", [-2 * DAY, -DAY, timedelta(0), DAY], ids=str)
def test_a_number_above_the_baselines_is_new_also_where_their_clock_was_set_back(
    off: timedelta,
) -> None:
    state = dataclasses.replace(STATE, baseline_top=100)
    assert not was_there(row("new", T0 + off, number=101), state)
    assert was_there(row("moved in from elsewhere", T0 - 30 * DAY, number=102), state)
    assert was_there(row("old", T0 - SECOND, number=100), state)
