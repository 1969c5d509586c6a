"""What a source does next, and how long it waits."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.pipeline.health import Reaction, Step
from watcher.poller.schedule import LONGEST_WAIT, Dues, Stage, delay, next_step

UnderWay = Literal["look_up", "sweep"] | None
FAR = 500.0


@pytest.mark.parametrize(
    ("case", "dues", "stage", "under_way", "step", "wait"),
    [
        ("the check comes first", Dues(), "check", None, "check", 0),
        ("and waits when it failed", Dues(not_before=130), "check", None, None, 30),
        ("without a baseline there are no polls", Dues(sweep=FAR), "baseline", None, None, 400),
        ("the first sweep goes on", Dues(sweep=FAR), "baseline", "sweep", "sweep", 0),
        ("a poll is due", Dues(sweep=FAR), "watching", None, "poll", 0),
        ("a sweep is due", Dues(poll=FAR), "watching", None, "sweep", 0),
        ("both are: the poll goes first", Dues(), "watching", None, "poll", 0),
        ("after a poll a page", Dues(polled_last=True), "watching", "sweep", "sweep", 0),
        ("after a page a poll", Dues(), "watching", "sweep", "poll", 0),
        ("look-ups are part of the sweep", Dues(poll=FAR), "watching", "look_up", "look_up", 0),
        ("nothing is due", Dues(poll=110, sweep=FAR), "watching", None, None, 10),
        ("the sweep is due before the poll", Dues(poll=FAR, sweep=105), "watching", None, None, 5),
        ("everything pauses", Dues(not_before=120), "watching", "sweep", None, 20),
        (
            "polls pause, the sweep goes on",
            Dues(paused={"poll": 120}), "watching", "sweep", "sweep", 0,
        ),
        (
            "the sweep pauses, polls go on",
            Dues(paused={"sweep": 120}, polled_last=True), "watching", "sweep", "poll", 0,
        ),
        (
            "a sweep's pause does not hold its look-ups up",
            Dues(poll=FAR, paused={"sweep": 120}), "watching", "look_up", "look_up", 0,
        ),
        (
            "the page pauses until then",
            Dues(poll=FAR, paused={"sweep": 120}), "watching", "sweep", None, 20,
        ),
        ("no wait is longer than an hour", Dues(1e9, 1e9), "watching", None, None, LONGEST_WAIT),
        ("a pass without polls", Dues(math.inf, 1e9), "watching", None, None, LONGEST_WAIT),
    ],
)  # fmt: skip
def test_what_is_next(
    case: str, dues: Dues, stage: Stage, under_way: UnderWay, step: Step | None, wait: float
) -> None:
    assert next_step(dues, stage, under_way, 100.0) == step, case
    assert delay(dues, stage, under_way, 100.0) == pytest.approx(wait), case


times = st.floats(0.0, 10_000.0)
all_dues = st.builds(
    Dues,
    poll=times,
    sweep=times,
    not_before=times,
    paused=st.dictionaries(st.sampled_from(["poll", "sweep", "look_up"]), times),
    polled_last=st.booleans(),
)
stages = st.sampled_from(["check", "baseline", "watching"])
walks = st.sampled_from([None, "look_up", "sweep"])


@given(all_dues, stages, walks, times)
def test_a_step_is_due_exactly_when_there_is_nothing_to_wait_for(
    dues: Dues, stage: Stage, under_way: UnderWay, now: float
) -> None:
    assert (next_step(dues, stage, under_way, now) is not None) == (
        delay(dues, stage, under_way, now) == 0.0
    )


@given(all_dues, walks)
def test_poll_and_sweep_take_turns_when_both_are_always_due(
    dues: Dues, under_way: UnderWay
) -> None:
    dues.poll = dues.sweep = 0.0
    now, turns = 20_000.0, []
    for _ in range(6):
        step = next_step(dues, "watching", under_way, now)
        assert step is not None
        dues.begin(step)
        turns.append(step == "poll")
    assert turns in ([True, False] * 3, [False, True] * 3)


@given(all_dues, st.floats(0.0, 5_000.0), st.booleans(), st.sampled_from(["poll", "sweep"]))
def test_what_failed_is_not_tried_before_its_pause_is_over(
    dues: Dues, pause: float, everything: bool, step: Step
) -> None:
    now = 20_000.0
    dues.fail(step, Reaction(pause, everything), now)
    for at in (now, now + pause / 2):
        due = next_step(dues, "watching", "sweep", at)
        assert pause == 0 or due != step or at >= now + pause
        assert pause == 0 or not everything or due is None or at >= now + pause
    dues.succeed(step)
    assert step not in dues.paused


def test_a_poll_that_failed_comes_back_before_its_time_and_never_later() -> None:
    dues = Dues(poll=1_000.0)
    dues.fail("poll", Reaction(5.0, poll_within=30.0), 100.0)
    assert (dues.poll, dues.paused) == (130.0, {"poll": 105.0})
    dues.fail("poll", Reaction(60.0, poll_within=60.0), 100.0)
    assert dues.poll == 130.0
