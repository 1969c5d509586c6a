"""What an event owes: ids, times and kinds of deliveries, and what goes out in their name."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.conditions import compile_condition
from watcher.model import Delivery, Event
from watcher.pipeline import DIGEST, as_sent, digest_event, next_repeat, rebatch, route
from watcher.rules import Digest, Rule

MINUTE = timedelta(minutes=1)
UNREAD = "conversation.unread"
DATA = {
    "source": "sales",
    "provider": "chatwoot",
    "conversation": {"id": "c1", "unread": True, "channel": "email"},
}
EVENT = Event("e1", UNREAD, "sales", "c1", T0, DATA)


def rule(name: str = "Rule", **changed: object) -> Rule:
    return Rule(**{"name": name, "when": (UNREAD,), "notify": ("team",)} | changed)


def owed(*rules: Rule, event: Event = EVENT) -> list[Delivery]:
    return list(route(rules, event).deliveries)


def test_the_same_event_owes_the_same_under_the_same_ids() -> None:
    rules = (rule(), rule("For", hold_for=MINUTE), rule("Digest", digest=digest()))
    assert route(rules, EVENT) == route(rules, EVENT)
    assert len({one.key for one in route(rules, EVENT).deliveries}) == 3


def test_an_immediate_delivery_knows_all_rules_that_would_send_it() -> None:
    both = rule("B", notify=("crm", "team"))
    team, crm = owed(rule("A"), both)
    assert (team.rule, team.candidates, team.id) == ("A", ("A", "B"), "e1")
    assert (crm.rule, crm.candidates) == ("B", ())


def test_a_rule_with_repeat_alone_tells_at_once_and_waits_for_the_second_time() -> None:
    first, second = owed(rule(repeat=30 * MINUTE))
    assert (first.kind, first.timer, first.due) == ("event", None, T0)
    assert (second.kind, second.timer, second.number) == ("repeat", "Rule", 2)
    assert second.due == T0 + 30 * MINUTE


def test_results_name_every_rule_and_the_reason() -> None:
    known = compile_condition('conversation.channel == "sms"')
    results = route((rule(), rule("Other", where=known)), EVENT).results
    assert [(one.rule, one.matched) for one in results] == [("Rule", True), ("Other", False)]
    assert "conversation.channel" in results[1].reason


def digest(**changed: object) -> Digest:
    return Digest(**{"every": 15 * MINUTE, "timezone": ZoneInfo("UTC")} | changed)


def test_events_of_one_quarter_of_an_hour_find_together() -> None:
    slow = rule(digest=digest())
    start = datetime(2026, 11, 20, 10, 1, tzinfo=UTC)
    (one,) = owed(slow, event=dataclasses.replace(EVENT, time=start))
    (two,) = owed(slow, event=dataclasses.replace(EVENT, id="e2", time=start + 13 * MINUTE))
    (next_,) = owed(slow, event=dataclasses.replace(EVENT, id="e3", time=start + 14 * MINUTE))
    assert one.kind == "digest"
    assert one.batch == two.batch != next_.batch
    assert (one.due, next_.due) == (start + 14 * MINUTE, start + 29 * MINUTE)


def test_a_digest_that_is_put_off_joins_what_waits_for_that_time() -> None:
    nine = rule(digest=Digest(at=(time(9),), timezone="UTC"))
    (early,) = owed(nine, event=dataclasses.replace(EVENT, time=T0))
    (late,) = owed(nine, event=dataclasses.replace(EVENT, id="e2", time=T0 + timedelta(days=1)))
    assert early.batch != late.batch
    assert rebatch(early.batch, late.due) == late.batch


# What follows


def waiting(number: int = 1, **changed: object) -> Delivery:
    return Delivery(
        **{
            "id": "d1", "event": EVENT, "receiver": "team", "rule": "Rule", "due": T0,
            "created": T0, "timer": "Rule", "kind": "for", "number": number,
        } | changed
    )  # fmt: skip


TWICE = rule(hold_for=15 * MINUTE, repeat=30 * MINUTE, at_most=2)


@given(st.integers(0, 10**6), st.integers(1, 2))
def test_a_repeat_lies_on_the_grid_and_in_the_future(seconds: int, number: int) -> None:
    now = T0 + 15 * MINUTE + timedelta(seconds=seconds)
    (after,) = next_repeat(waiting(number), TWICE, now)
    assert now < after.due <= now + 30 * MINUTE
    assert (after.due - T0 - 15 * MINUTE) % (30 * MINUTE) == timedelta(0)
    assert after.number == number + 1


def test_what_is_settled_early_is_followed_no_earlier_than_one_interval() -> None:
    (after,) = next_repeat(waiting(), TWICE, T0)
    assert after.due == T0 + 45 * MINUTE


def test_repeats_differ_in_their_ids_and_end_with_at_most() -> None:
    now, ids, current = T0 + 15 * MINUTE, [], waiting()
    while after := next_repeat(current, TWICE, now):
        (current,) = after
        ids.append(current.id)
        now = current.due
    assert len(set(ids)) == len(ids) == 2
    assert (current.number, now) == (3, T0 + 75 * MINUTE)


@pytest.mark.parametrize(
    ("delivery", "by"),
    [
        (waiting(), None),
        (waiting(), rule(hold_for=MINUTE)),
        (waiting(timer=None, kind="event"), TWICE),
        (waiting(redirected="night"), TWICE),
        (waiting(3), TWICE),
    ],
    ids=["rule gone", "no repeat", "immediate", "redirected", "enough"],
)
def test_nothing_follows(delivery: Delivery, by: Rule | None) -> None:
    assert next_repeat(delivery, by, T0) == ()


# What goes out


@pytest.mark.parametrize(("kind", "number"), [("for", 1), ("repeat", 3)])
def test_what_a_timer_sends_is_a_message_of_its_own(kind: str, number: int) -> None:
    sent = as_sent(waiting(number, kind=kind))
    assert sent.id == "d1"
    assert sent.data["delivery"] == {"rule": "Rule", "kind": kind, "event": "e1", "count": number}
    assert {**sent.data, "delivery": None} == {**DATA, "delivery": None}


def test_an_immediate_delivery_is_the_event_itself() -> None:
    assert as_sent(waiting(timer=None, kind="event")) is EVENT


def test_a_digest_is_one_event_that_is_the_same_at_every_attempt() -> None:
    rows = [
        waiting(
            id=f"d{number}",
            kind="digest",
            timer=None,
            message="m1",
            attempt=1,
            event=dataclasses.replace(EVENT, id=f"e{number}", time=T0 + number * MINUTE),
        )
        for number in range(3)
    ]
    sent = digest_event(rows, as_sent)
    assert (sent.id, sent.type, sent.subject) == ("m1", DIGEST, None)
    assert sent.data["delivery"] == {"rule": "Rule", "kind": "digest", "count": 3}
    assert [one["id"] for one in sent.data["events"]] == ["e0", "e1", "e2"]
    again = digest_event([dataclasses.replace(row, attempt=2, due=T0) for row in rows], as_sent)
    assert again.body() == sent.body()
