"""What an attempt to deliver comes to: the contract's schedules, and a receiver's limit."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.model import Delivery, Event, Result
from watcher.pipeline import Policy, divide, room, settle

EVENT = Event("e1", "conversation.unread", "sales", "c1", T0, {})
HOURS = (2, 5, 10, 14, 20, 24)
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in HOURS),
)
WEBHOOK = Policy(SCHEDULE)
APPRISE = Policy(SCHEDULE[:2], limit=(3, timedelta(minutes=1)), once_more=True, shortens=True)


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


REFUSED = Result("refused", "HTTP 400: too long", status=400)


@pytest.mark.parametrize("itself", [True, False])
def test_a_refused_webhook_is_tried_again_by_the_schedule(itself: bool) -> None:
    for attempt in range(1, 10):
        outcome = settle(delivery(attempt), REFUSED, WEBHOOK, T0, itself=itself)
        assert (outcome.state, outcome.refused) == ("pending", 1)
        assert outcome.due == settle(delivery(attempt), FAILED, WEBHOOK, T0).due
    last = settle(delivery(10), REFUSED, WEBHOOK, T0, itself=itself)
    assert (last.state, last.note) == ("dead", "given up after 10 attempts: HTTP 400: too long")


@pytest.mark.parametrize("result", [REFUSED, FAILED])
@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("itself", [False, True])
def test_after_three_attempts_a_delivery_leaves_the_order_where_it_may_be_passed(
    result: Result, relaxed: bool, itself: bool
) -> None:
    policy = dataclasses.replace(WEBHOOK, relaxed=relaxed)
    aside = [
        settle(delivery(attempt), result, policy, T0, itself=itself).aside
        for attempt in (1, 2, 3, 9, 10)
    ]
    left = relaxed or itself
    assert aside == [False, False, left, left, False], "after the last attempt it is dead"


def test_a_refused_text_goes_once_more_and_is_dead() -> None:
    first = settle(delivery(), REFUSED, APPRISE, T0, itself=True)
    assert (first.state, first.refused) == ("pending", 1)
    again = dataclasses.replace(delivery(2), refused=1)
    outcome = settle(again, REFUSED, APPRISE, T0, itself=True)
    assert outcome.state == "dead"
    assert outcome.note == "refused, also as short plain text: HTTP 400: too long"
    # What is refused by a service that refuses everything keeps its schedule.
    assert settle(again, REFUSED, APPRISE, T0, itself=False).state == "pending"


def test_a_refused_text_goes_once_more_even_where_nothing_is_tried_again() -> None:
    once = dataclasses.replace(APPRISE, retry=())
    outcome = settle(delivery(), REFUSED, once, T0, itself=True)
    assert (outcome.state, outcome.due) == ("pending", T0 + timedelta(seconds=5))
    again = dataclasses.replace(delivery(2), refused=1)
    assert settle(again, REFUSED, once, T0, itself=False).state == "dead"


@pytest.mark.parametrize(
    ("outcome", "state"), [("ok", "delivered"), ("rejected", "dead"), ("gone", "pending")]
)
def test_the_other_outcomes(outcome: str, state: str) -> None:
    result = Result(outcome)  # type: ignore[arg-type]
    assert settle(delivery(), result, WEBHOOK, T0).state == state


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


@pytest.mark.parametrize(
    ("waiting", "single", "messages", "left"),
    [
        ("", 3, [], ""),
        ("...", 3, [".", ".", "."], ""),
        ("......", 2, [".", ".", "...."], ""),
        ("aaabb", 3, ["aaa"], "bb"),
        (".aabb", 3, [".", "aa"], "bb"),
        ("....aab", 2, [".", ".", ".."], "aab"),
        ("aab..", 0, ["aa"], "b.."),
    ],
)
def test_what_is_left_of_a_digest_stays_one_message(
    waiting: str, single: int, messages: list[str], left: str
) -> None:
    due = [dataclasses.replace(delivery(), message=one.strip(".")) for one in waiting]
    sent, rest = divide(due, single)
    assert ["".join(one.message or "." for one in each) for each in sent] == messages
    assert "".join(one.message or "." for one in rest) == left
    assert [one for each in sent for one in each] + list(rest) == due
