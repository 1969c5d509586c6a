"""What a complete sweep proves: the table of holds, agreements and suspects."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.pipeline import SourcePolicy, decide_hold, judge_absences, judge_arrivals
from watcher.records import Hold, SourceState

POLICY = SourcePolicy("sales", "chatwoot", "acc", ())
NOW = T0 + timedelta(hours=1)


def ids(count: int, start: int = 0) -> frozenset[str]:
    return frozenset(f"c{number}" for number in range(start, start + count))


def hold(held: frozenset[str], kind: str = "absences") -> Hold:
    return Hold(kind, T0, tuple(sorted(held)), 100, "why", "do")  # type: ignore[arg-type]


def judge(present: int, missing: frozenset[str], **more: object):  # type: ignore[no-untyped-def]
    known = ids(present)
    return judge_absences(
        POLICY, known, known - missing,
        suspects_before=more.get("before", frozenset()),  # type: ignore[arg-type]
        hold=more.get("hold"), now=NOW,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "present", "missing", "held"),
    [
        ("one row of a hundred", 100, 1, False),
        ("twenty rows are not more than twenty", 100, 20, False),
        ("twenty-one of a hundred", 100, 21, True),
        ("twenty-one of three hundred are not more than ten per cent", 300, 21, False),
        ("all three of three", 3, 3, True),
        ("the only one", 1, 1, True),
        ("two of three", 3, 2, False),
    ],
)
def test_what_is_implausible_is_held(case: str, present: int, missing: int, held: bool) -> None:
    verdict = judge(present, ids(missing))
    assert (verdict.hold is not None) == held, case
    assert verdict.verify == (() if held else tuple(sorted(ids(missing))))
    if held:
        assert verdict.hold.ids == tuple(sorted(ids(missing)))


def test_the_next_complete_sweep_agrees() -> None:
    verdict = judge(100, ids(30), hold=hold(ids(30)))
    assert verdict.released == "agreed"
    assert verdict.confirmed == verdict.from_hold == ids(30)
    assert verdict.hold is None


def test_the_next_complete_sweep_disagrees() -> None:
    verdict = judge(100, frozenset(), hold=hold(ids(30)))
    assert (verdict.released, verdict.verify, verdict.hold) == ("disagreed", (), None)


def test_a_sweep_that_agrees_on_some_concludes_those() -> None:
    verdict = judge(100, ids(10), hold=hold(ids(30)))
    assert verdict.confirmed == ids(10)


def test_other_rows_missing_in_great_number_are_held_anew() -> None:
    verdict = judge(100, ids(10) | ids(40, 50), hold=hold(ids(10)))
    assert verdict.from_hold == ids(10)
    assert verdict.hold is not None
    assert set(verdict.hold.ids) == ids(40, 50)


def test_a_suspect_that_two_sweeps_lacked_is_confirmed() -> None:
    verdict = judge(100, ids(3), before=ids(1))
    assert verdict.confirmed == ids(1)
    assert verdict.verify == tuple(sorted(ids(3)))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_nothing_is_both_held_and_concluded(present: int, missing: int, before: int) -> None:
    verdict = judge(present, ids(min(missing, present)), hold=hold(ids(before)))
    held = set(verdict.hold.ids) if verdict.hold else set()
    assert not held & set(verdict.verify)
    assert held | set(verdict.verify) == ids(min(missing, present))


def test_a_crowd_of_new_rows_without_creation_times_is_held_once() -> None:
    few = judge_arrivals(POLICY, ids(20), 100, hold=None, now=NOW)
    assert few == (True, None, None)
    admit, held, _ = judge_arrivals(POLICY, ids(30), 100, hold=None, now=NOW)
    assert not admit
    assert held is not None
    assert judge_arrivals(POLICY, ids(30), 100, hold=held, now=NOW) == (True, None, "agreed")
    assert judge_arrivals(POLICY, frozenset(), 100, hold=held, now=NOW) == (True, None, "disagreed")


def test_a_persons_decision_is_recorded_and_told() -> None:
    state = SourceState("sales", "chatwoot", "acc", baselined=T0, hold=hold(ids(2)))
    accepted, _ = decide_hold(POLICY, state, accept=True, now=NOW)
    assert accepted.state is not None
    assert accepted.state.hold is None
    assert accepted.state.suspects == accepted.state.held_suspects == ("c0", "c1")
    assert accepted.events[0].type == "source.released"
    assert accepted.events[0].data["outcome"] == "accepted"
    discarded, _ = decide_hold(POLICY, state, accept=False, now=NOW)
    assert discarded.state is not None
    assert discarded.state.suspects == ()
    assert discarded.events[0].data["outcome"] == "discarded"
