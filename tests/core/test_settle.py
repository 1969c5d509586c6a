"""What an attempt to deliver comes to: the contract's schedules, and a receiver's limit."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.model import Delivery, Event, Result
from watcher.pipeline import Policy, judge_receiver, room, settle
from watcher.records import ReceiverState

EVENT = Event("e1", "conversation.unread", "sales", "c1", T0, {})
HOURS = (2, 5, 10, 14, 20, 24)
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in HOURS),
)
WEBHOOK = Policy(SCHEDULE)
APPRISE = Policy(SCHEDULE[:2], limit=(3, timedelta(minutes=1)), once_more=True)


def delivery(attempt: int = 1, note: str = "") -> Delivery:
    return Delivery("e1", EVENT, "crm", "rule", T0, T0, attempt=attempt, note=note)


FAILED = Result("failed", "HTTP 500")


@pytest.mark.parametrize("attempt", range(1, 10))
def test_each_failed_attempt_waits_as_the_schedule_says(attempt: int) -> None:
    outcome = settle(delivery(attempt), FAILED, WEBHOOK, T0)
    assert outcome.state == "pending"
    delay = outcome.due - T0
    assert SCHEDULE[attempt - 1] * 0.9 <= delay <= SCHEDULE[attempt - 1] * 1.1


def test_after_the_last_attempt_a_delivery_is_dead() -> None:
    outcome = settle(delivery(10), FAILED, WEBHOOK, T0)
    assert outcome.state == "dead"
    assert outcome.note == "given up after 10 attempts: HTTP 500"
    once = settle(delivery(), FAILED, dataclasses.replace(WEBHOOK, retry=()), T0)
    assert once.note == "given up after 1 attempt: HTTP 500"
    assert outcome.settled == T0


def test_retry_after_is_a_minimum() -> None:
    long = settle(delivery(), dataclasses.replace(FAILED, retry_after=90), WEBHOOK, T0)
    assert long.due - T0 == timedelta(seconds=90)
    short = settle(delivery(), dataclasses.replace(FAILED, retry_after=1), WEBHOOK, T0)
    assert short.due - T0 > timedelta(seconds=4)


def test_a_senseless_retry_after_cannot_bury_a_delivery() -> None:
    outcome = settle(delivery(), dataclasses.replace(FAILED, retry_after=1e300), WEBHOOK, T0)
    assert outcome.due - T0 == timedelta(hours=24)


def test_jitter_is_the_same_for_the_same_attempt() -> None:
    first, again = (settle(delivery(2), FAILED, WEBHOOK, T0) for _ in range(2))
    assert first == again


def test_what_was_cut_off_is_tried_once_more_by_apprise() -> None:
    first = settle(delivery(), Result("unknown", "killed"), APPRISE, T0)
    assert first.state == "pending"
    again = settle(delivery(2, note=first.note), Result("unknown", "killed"), APPRISE, T0)
    assert again.state == "dead"


@pytest.mark.parametrize(
    ("outcome", "state"), [("ok", "delivered"), ("rejected", "dead"), ("gone", "pending")]
)
def test_the_other_outcomes(outcome: str, state: str) -> None:
    result = Result(outcome)  # type: ignore[arg-type]
    assert settle(delivery(), result, WEBHOOK, T0).state == state


def test_a_receiver_fails_after_three_attempts_and_recovers_once() -> None:
    state, turns = ReceiverState("crm"), []
    for result in [FAILED] * 4 + [Result("ok")] * 2:
        state, turned = judge_receiver(state, result, T0)
        turns.append(turned)
    assert turns == [None, None, "failing", None, "recovered", None]
    assert state == ReceiverState("crm")


def test_gone_turns_a_receiver_off_at_once() -> None:
    state, turned = judge_receiver(ReceiverState("crm"), Result("gone", "HTTP 410"), T0)
    assert (state.off, turned) == ("HTTP 410", "failing")


MINUTE = timedelta(minutes=1)


def test_a_limit_collapses_what_exceeds_it_into_one_digest() -> None:
    now = T0 + timedelta(seconds=59)
    assert room(None, [], 99, now).single == 99
    assert room((3, MINUTE), [], 3, now).single == 3
    busy = room((3, MINUTE), [T0], 5, now)
    assert (busy.single, busy.digest) == (1, True)
    full = room((3, MINUTE), [T0, T0, now], 5, now)
    assert full.wait == T0 + MINUTE


@given(st.lists(st.integers(0, 120), max_size=8), st.integers(1, 9), st.integers(1, 4))
def test_a_window_never_holds_more_messages_than_the_limit(
    sent: list[int], waiting: int, allowed: int
) -> None:
    now = T0 + timedelta(seconds=120)
    times = [T0 + timedelta(seconds=second) for second in sent]
    space = room((allowed, MINUTE), times, waiting, now)
    recent = sum(1 for at in times if at > now - MINUTE)
    goes = space.single + space.digest
    assert goes == 0 or recent + goes <= allowed
    if space.wait is not None:
        assert space.wait > now


# A receiver that keeps failing is paused


def after(*results: tuple[float, Result], state: ReceiverState | None = None) -> ReceiverState:
    """Return the state after results so many seconds after T0."""
    state = state or ReceiverState("crm")
    for seconds, result in results:
        state, _ = judge_receiver(state, result, T0 + timedelta(seconds=seconds))
    return state


def failures(count: int, at: float = 0) -> list[tuple[float, Result]]:
    return [(at, FAILED)] * count


def test_five_failures_in_a_row_are_a_pause_and_one_less_is_none() -> None:
    assert after(*failures(4)).paused is None
    assert after(*failures(5)).paused == T0 + timedelta(seconds=30)
    assert after(*failures(4), (1, Result("ok")), *failures(4)).paused is None


def test_what_was_under_way_when_the_pause_began_does_not_prolong_it() -> None:
    assert after(*failures(13)).paused == T0 + timedelta(seconds=30)


def test_probes_that_fail_make_pauses_longer_up_to_five_minutes() -> None:
    state, lengths = after(*failures(5)), []
    while len(lengths) < 6:
        assert state.paused is not None
        now = state.paused
        state, _ = judge_receiver(state, FAILED, now)
        assert state.paused is not None
        lengths.append((state.paused - now).total_seconds())
    assert lengths == [60, 120, 240, 300, 300, 300]


def test_a_probe_that_is_taken_ends_the_pause() -> None:
    state = after(*failures(5), (40, FAILED), (120, Result("ok")))
    assert (state.paused, state.probes, state.failures) == (None, 0, 0)


def test_a_rejected_message_neither_ends_nor_begins_a_pause() -> None:
    rejected = Result("rejected", "too long")
    assert after(*[(0, rejected)] * 9).paused is None
    assert after(*failures(5), (40, rejected)).paused == T0 + timedelta(seconds=30)


def test_a_pause_heeds_retry_after_within_reason() -> None:
    slow = dataclasses.replace(FAILED, retry_after=120)
    assert after(*failures(4), (0, slow)).paused == T0 + timedelta(seconds=120)
    forever = dataclasses.replace(FAILED, retry_after=1e300)
    assert after(*failures(4), (0, forever)).paused == T0 + timedelta(minutes=5)


def test_one_that_is_turned_off_is_not_paused() -> None:
    assert after(*failures(4), (0, Result("gone", "410"))).paused is None
