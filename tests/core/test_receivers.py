"""How a receiver stands: failing and recovered, pauses, and what is refused for itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from tests.support.make import delivery, digested, event
from watcher.model import Delivery, Result
from watcher.pipeline.receivers import judge, may_turn, review, review_due
from watcher.records import ReceiverState

OK, FAILED = Result("ok"), Result("failed", "HTTP 500")
REFUSED = Result("refused", "HTTP 400", status=400)
REJECTED = Result("rejected", "cannot be sent")
GONE = Result("gone", "HTTP 410")

RESULTS = {"o": OK, "f": FAILED, "r": REFUSED, "c": dataclasses.replace(REFUSED, certain=True)}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def message(name: str = "1", **changed: object) -> Delivery:
    return dataclasses.replace(delivery(event(name)), **changed)


@dataclass
class Played:
    """A receiver, attempt by attempt; `alone` means that nothing else is due."""

    state: ReceiverState = field(default_factory=lambda: ReceiverState("crm"))
    turns: list[tuple[float, str]] = field(default_factory=list)

    def attempt(
        self, seconds: float, result: Result, one: Delivery | None = None, *, alone: bool = True
    ) -> bool:
        judged = judge(self.state, one or message(), result, at(seconds))
        self.state = judged.state
        self.look(seconds, alone=alone)
        return judged.itself

    def look(self, seconds: float, *, alone: bool = True) -> None:
        self.state, turned = review(self.state, at(seconds), more=not alone)
        if turned is not None:
            self.turns.append((seconds, turned))

    def play(self, script: str, *, step: float = 1, alone: bool = True) -> Played:
        """Play attempts one second apart, such as `f1 f2 o1`: an outcome and a message."""
        for number, word in enumerate(script.split()):
            self.attempt(number * step, RESULTS[word[0]], message(word[1:]), alone=alone)
        return self


@pytest.mark.parametrize(
    ("script", "alone", "turns"),
    [
        ("f1 f1", True, []),
        ("f1 f1 f1", True, [(2, "failing")]),
        # another one is due: one message may be what fails
        ("f1 f1 f1 f1 f1", False, []),
        ("f1 f1 f2", False, [(2, "failing")]),
        ("f1 f2 o3 f1 f2", False, []),
        # nothing more is due: all that was has been taken
        ("f1 f1 f1 o1", True, [(2, "failing"), (3, "recovered")]),
        ("f1 f2 f1 o1", False, [(2, "failing")]),
        ("f1 f1 f1 f1 o1 o2", True, [(2, "failing"), (4, "recovered")]),
    ],
)
def test_when_a_receiver_fails_and_has_recovered(
    script: str, alone: bool, turns: list[tuple[float, str]]
) -> None:
    assert Played().play(script, alone=alone).turns == turns


def test_one_that_took_something_just_now_does_not_fail_before_thirty_seconds() -> None:
    played = Played().play("o1 f2 f2 f2")
    assert played.turns == []
    assert review_due(played.state, at(3)) == at(30)
    played.look(29.9)
    assert played.turns == []
    played.look(30)
    assert played.turns == [(30, "failing")]
    assert played.state.failing is not None
    assert played.state.failing.reason == "HTTP 500"


def test_while_more_is_due_it_has_recovered_after_a_minute() -> None:
    played = Played().play("f1 f2 f3", alone=False)
    for second in (100, 120, 140):
        played.attempt(second, OK, alone=False)
    assert played.turns == [(2, "failing")]
    assert review_due(played.state, at(140)) == at(160)
    played.attempt(161, OK, alone=False)
    assert played.turns == [(2, "failing"), (161, "recovered")]


def test_failing_so_again_begins_the_minute_anew() -> None:
    played = Played().play("f1 f2 f3", alone=False)
    played.attempt(100, OK, alone=False)
    for number, second in enumerate((131, 132, 133)):
        played.attempt(second, FAILED, message(str(number)), alone=False)
    played.attempt(165, OK, alone=False)
    assert played.turns == [(2, "failing")]
    played.attempt(230, OK, alone=False)
    assert [kind for _, kind in played.turns] == ["failing", "recovered"]


def test_a_single_failure_does_not() -> None:
    played = Played().play("f1 f2 f3", alone=False)
    played.attempt(100, OK, alone=False)
    played.attempt(130, FAILED, alone=False)
    played.attempt(161, OK, alone=False)
    assert [kind for _, kind in played.turns] == ["failing", "recovered"]


def test_gone_turns_it_off_and_taking_one_turns_it_on() -> None:
    played = Played()
    played.attempt(0, GONE)
    assert (played.turns, played.state.off) == ([(0, "failing")], "HTTP 410")
    assert played.state.failing is not None
    assert played.state.failing.remedy == "turn it on again with: inbox-watcher send-test crm"
    played.state = dataclasses.replace(played.state, off="", failures=0)
    played.attempt(60, OK)
    assert played.turns[1:] == [(60, "recovered")]


def test_the_remedy_of_one_that_fails_shows_what_waits_and_what_is_dead() -> None:
    played = Played().play("f1 f1 f1")
    assert played.state.failing is not None
    assert played.state.failing.remedy == "see: inbox-watcher deliveries --receiver crm"


# Refused for itself


@pytest.mark.parametrize(
    ("script", "itself", "turns"),
    [
        # one among others: whatever it is answered, the receiver is well
        ("o1 r2 r2 r2 r2 r2 r2", [1, 2, 3, 4, 5, 6], []),
        ("o1 r2 o3 r2 r4 o5 r4", [1, 3, 6], []),
        # all, from the beginning: as if they failed
        ("r1 r1 r1", [], ["failing"]),
        ("r1 r2 r3", [], ["failing"]),
        # all, of one that has worked: the second one shows it (the first is thought to be odd)
        ("o1 r2 r2 r2 r3 r3 r3", [1, 2, 3], ["failing"]),
        # the answer says so: also from the beginning
        ("c1 c1 c1 c2 c2 c2", [0, 1, 2, 3, 4, 5], []),
        # two odd ones, nothing else in between
        ("o1 r2 r3 o4 r2 r3", [1, 4], []),
    ],
)
def test_what_is_refused_for_itself(script: str, itself: list[int], turns: list[str]) -> None:
    played, found = Played(), []
    for number, word in enumerate(script.split()):
        # half a minute apart, and none of them older than the others
        one = message(word[1:], created=at(1_000))
        if played.attempt(number * 30, RESULTS[word[0]], one):
            found.append(number)
    assert found == itself
    assert [kind for _, kind in played.turns] == turns


def test_what_was_refused_before_others_were_taken_remains_so() -> None:
    """Two odd messages in a quiet inbox are two odd messages, for as long as they are tried."""
    played = Played()
    odd = [message("1", refused=1), message("2", refused=1)]
    played.attempt(60, OK, message("3"))
    for minute in range(2, 9):
        for one in odd:
            assert played.attempt(60 * minute, REFUSED, one)
    assert (played.turns, played.state.failures, played.state.paused) == ([], 0, None)


def test_a_digest_is_one_message() -> None:
    rows = [digested(event(name), message="m1") for name in ("1", "2")]
    played = Played()
    played.attempt(0, OK, message("9"))
    assert [played.attempt(5, REFUSED, row) for row in rows] == [True, True]


def test_what_can_never_be_sent_says_nothing() -> None:
    played = Played()
    for second in range(9):
        assert played.attempt(second, REJECTED)
    assert played.state == ReceiverState("crm")


# A receiver that keeps failing is paused


def failures(count: int, since: float = 0) -> Played:
    played = Played()
    for _ in range(count):
        played.attempt(since, FAILED)
    return played


def test_five_failures_in_a_row_are_a_pause_and_one_less_is_none() -> None:
    assert failures(4).state.paused is None
    assert failures(5).state.paused == at(30)
    played = failures(4)
    played.attempt(1, OK)
    for _ in range(4):
        played.attempt(1, FAILED)
    assert played.state.paused is None


def test_what_was_under_way_when_the_pause_began_does_not_prolong_it() -> None:
    assert failures(13).state.paused == at(30)


def test_probes_that_fail_make_pauses_longer_up_to_five_minutes() -> None:
    played, lengths = failures(5), []
    while len(lengths) < 6:
        assert played.state.paused is not None
        now = (played.state.paused - T0).total_seconds()
        played.attempt(now, FAILED)
        assert played.state.paused is not None
        lengths.append((played.state.paused - at(now)).total_seconds())
    assert lengths == [60, 120, 240, 300, 300, 300]


def test_a_probe_that_is_taken_ends_the_pause() -> None:
    played = failures(5)
    played.attempt(40, FAILED)
    played.attempt(120, OK)
    state = played.state
    assert (state.paused, state.probes, state.failures) == (None, 0, 0)


def test_a_refused_message_neither_ends_nor_begins_a_pause() -> None:
    played = Played()
    played.attempt(0, OK, message("9"))
    for second in range(9):
        played.attempt(second, REFUSED)
    assert played.state.paused is None
    # A probe that is refused costs nothing: the next one goes at once.
    played = failures(5)
    played.state = dataclasses.replace(played.state, taken=at(-600))
    played.attempt(40, REFUSED, message("odd"))
    assert (played.state.paused, played.state.probes) == (at(30), 0)


def test_a_pause_heeds_retry_after_within_reason() -> None:
    for asked, paused in ((120, 120), (1e300, 300)):
        played = failures(4)
        played.attempt(0, dataclasses.replace(FAILED, retry_after=asked))
        assert played.state.paused == at(paused)


def test_one_that_is_turned_off_is_not_paused() -> None:
    played = failures(4)
    played.attempt(0, GONE)
    assert played.state.paused is None


# Laws


@dataclass(frozen=True)
class Attempted:
    """One attempt as the law's own memory of the past has it."""

    at: float
    kind: Literal["o", "f"]
    message: str


attempts = st.tuples(
    st.sampled_from([0.0, 0.5, 1, 3, 9, 14, 29, 31, 59, 61, 300]),
    st.sampled_from("ooffffrrc"),
    st.sampled_from("1234"),
    st.booleans(),
)


def streak(past: Iterable[Attempted]) -> list[Attempted]:
    """Return the attempts that failed since one was taken."""
    found: list[Attempted] = []
    for one in past:
        found = [] if one.kind == "o" else [*found, one]
    return found


@given(st.lists(attempts, max_size=60))
def test_failing_and_recovered_follow_from_what_was_attempted(
    script: list[tuple[float, str, str, bool]],
) -> None:
    played, past, now = Played(), [], 0.0
    told: list[tuple[float, str]] = []

    def follows() -> None:
        """Check what is told from now on against what was attempted until now."""
        for when, turn in played.turns[len(told) :]:
            taken = [one.at for one in past if one.kind == "o"]
            if turn == "failing":
                assert len(streak(past)) >= 3
                assert not taken or when - taken[-1] >= 30
            else:
                assert past[-1].kind == "o"
            told.append((when, turn))

    for wait, kind, name, alone in script:
        # What the dispatcher does while nothing is sent: it looks again when it is time to.
        due = review_due(played.state, at(now))
        if due is not None and due <= at(now + wait):
            played.look((due - T0).total_seconds(), alone=True)
            follows()
        now += wait
        itself = played.attempt(now, RESULTS[kind], message(name), alone=alone)
        if kind == "c":
            assert itself
        if kind in "of" or not itself:
            past.append(Attempted(now, "o" if kind == "o" else "f", name))
        follows()
        failing = played.state.failing is not None
        assert failing == (bool(told) and told[-1][1] == "failing")
        # Nobody is left in doubt: where the conditions hold, it has been told.
        row = streak(past)
        several = alone or len({one.message for one in row}) > 1
        since = [one.at for one in past if one.kind == "o"] + [when for when, _ in told]
        if len(row) >= 3 and several and all(now - then >= 30 for then in since):
            assert failing
        if kind == "o" and alone:
            assert not failing
        assert may_turn(played.state) or review(played.state, at(now + 1e6), more=False) == (
            played.state,
            None,
        )
    kinds = [turn for _, turn in told]
    assert kinds == ["failing", "recovered"] * (len(kinds) // 2) + ["failing"] * (len(kinds) % 2)
    ends = [when for when, turn in told if turn == "recovered"]
    begins = [when for when, turn in told if turn == "failing"]
    for end, begin in zip(ends, begins[1:], strict=False):
        assert begin - end >= 30, "they do not alternate faster than half a minute"
