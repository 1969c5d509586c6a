"""What is asked of a delivery when it is due: silences, hours, throttle, rule by rule."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from tests.core.strategies import T0
from watcher.conditions import compile_expression
from watcher.model import Delivery, Event
from watcher.pipeline import Guards, Send, guard, throttled_by
from watcher.records import ThrottleMark
from watcher.rules import Rule, RuleHours, Silence, Throttle
from watcher.rules.due import Drop, Redirect, Wait

MINUTE = timedelta(minutes=1)
DATA = {"source": "sales", "provider": "chatwoot", "conversation": {"id": "c1", "channel": "sms"}}
EVENT = Event("e1", "conversation.unread", "sales", "c1", T0, DATA)
MORNING = "08:00-09:00"  # T0 is ten o'clock


def rule(name: str = "A", **changed: object) -> Rule:
    return Rule(**{"name": name, "when": ("conversation.unread",), "notify": ("team",)} | changed)


def closed(otherwise: str) -> RuleHours:
    return RuleHours(between=MORNING, timezone="UTC", otherwise=otherwise)


def delivery(*candidates: str, **changed: object) -> Delivery:
    names = candidates or ("A",)
    return Delivery(
        **{
            "id": "e1", "event": EVENT, "receiver": "team", "rule": names[0], "due": T0,
            "created": T0, "attempt": 1, "candidates": names if len(names) > 1 else (),
        } | changed
    )  # fmt: skip


def judge(
    of: Delivery,
    *rules: Rule,
    silences: tuple[Silence, ...] = (),
    marks: tuple[ThrottleMark, ...] = (),
) -> Send | Wait | Drop | Redirect:
    guards = Guards(
        {one.name: one for one in rules}, silences, {(one.rule, one.by): one for one in marks}
    )
    return guard(of, guards, T0)


def silence(match: str = "true", **changed: object) -> Silence:
    return Silence(name="night", match=match, reason="moving", **changed)


def test_without_guards_it_goes_out() -> None:
    assert judge(delivery(), rule()) == Send("A")


def test_a_delivery_whose_rules_are_gone_is_still_owed() -> None:
    assert judge(delivery("Gone", "Too"), rule()) == Send("Gone")


def test_a_removed_candidate_is_passed_over() -> None:
    assert judge(delivery("Gone", "A"), rule()) == Send("A")


def test_once_a_rule_has_tried_those_before_it_are_not_asked_again() -> None:
    assert judge(delivery("A", "B", rule="B"), rule(), rule("B")) == Send("B")


# Hours


def test_hours_hold_until_the_next_opening() -> None:
    verdict = judge(delivery(), rule(hours=closed("hold")))
    assert isinstance(verdict, Wait)
    assert verdict.until == T0 + timedelta(hours=22)
    assert "held until 2026-11-21T08:00" in verdict.note


def test_hours_drop_and_the_next_rule_takes_over() -> None:
    shut = rule(hours=closed("drop"))
    dropped = judge(delivery(), shut)
    assert isinstance(dropped, Drop)
    assert dropped.kind == "dropped"
    assert judge(delivery("A", "B"), shut, rule("B")) == Send("B")


def test_a_rule_that_holds_is_not_passed_over() -> None:
    assert isinstance(judge(delivery("A", "B"), rule(hours=closed("hold")), rule("B")), Wait)


def test_hours_send_it_elsewhere_once() -> None:
    shut = rule(hours=closed("night"))
    verdict = judge(delivery(), shut)
    assert isinstance(verdict, Redirect)
    assert verdict.receiver == "night"
    assert judge(delivery(receiver="night", redirected="team"), shut) == Send("A")
    assert judge(delivery(receiver="night"), shut) == Send("A")


def test_a_receiver_is_not_told_of_itself_by_way_of_another() -> None:
    about = dataclasses.replace(EVENT, type="receiver.failing", source="night", subject=None)
    verdict = judge(delivery(event=about), rule(hours=closed("night")))
    assert isinstance(verdict, Drop)


# Throttle


def throttled(**changed: object) -> Rule:
    return rule(throttle=Throttle(within=10 * MINUTE, **changed))


def mark(**changed: object) -> ThrottleMark:
    sent = ThrottleMark(
        "A", "team", "conversation sales/c1", T0 - MINUTE, T0 + 9 * MINUTE, "other/team"
    )
    return dataclasses.replace(sent, **changed)


def test_the_first_leaves_a_mark_and_goes() -> None:
    verdict = judge(delivery(), throttled())
    assert verdict == Send("A", mark(at=T0, until=T0 + 10 * MINUTE, delivery="e1/team"))


def test_within_the_time_the_next_is_stopped_and_told_why() -> None:
    verdict = judge(delivery(), throttled(), marks=(mark(),))
    assert isinstance(verdict, Drop)
    assert verdict.kind == "throttled"
    assert "has sent one at 2026-11-20T09:59:00.000Z" in verdict.note


@pytest.mark.parametrize(
    "before", [mark(until=T0), mark(delivery="e1/team"), mark(by="conversation sales/c2")]
)
def test_an_expired_mark_its_own_and_another_conversations_stop_nothing(
    before: ThrottleMark,
) -> None:
    assert isinstance(judge(delivery(), throttled(), marks=(before,)), Send)


def test_two_that_come_due_together_are_one() -> None:
    guards = Guards({"A": throttled()}, (), {})
    other = delivery(id="e2")
    verdicts = [guard(one, guards, T0) for one in (delivery(), other)]
    assert [type(one) for one in verdicts] == [Send, Drop]


def test_a_rule_without_a_throttle_takes_over() -> None:
    verdict = judge(delivery("A", "B"), throttled(), rule("B"), marks=(mark(),))
    assert verdict == Send("B")


def test_where_all_rules_stop_it_all_are_named() -> None:
    second = throttled().model_copy(update={"name": "B"})
    verdict = judge(delivery("A", "B"), throttled(), second, marks=(mark(), mark(rule="B")))
    assert isinstance(verdict, Drop)
    assert "'A'" in verdict.note
    assert "'B'" in verdict.note


def test_one_silence_on_all_rules_is_named_once() -> None:
    verdict = judge(delivery("A", "B"), rule("A"), rule("B"), silences=(silence(),))
    assert verdict == Drop("silenced", "silenced by night: moving", "night")


def test_a_throttle_by_an_expression() -> None:
    by = throttled(by=compile_expression("conversation.channel"))
    (pair,) = throttled_by([delivery()], {"A": by})
    assert isinstance(judge(delivery(), by, marks=(mark(by=pair[1]),)), Drop)


@pytest.mark.parametrize("kind", ["repeat", "digest"])
def test_repeats_and_digests_are_not_throttled(kind: str) -> None:
    owed = delivery(kind=kind)
    assert judge(owed, throttled(), marks=(mark(),)) == Send("A")
    assert throttled_by([owed], {"A": throttled()}) == frozenset()


# Silences


def test_a_silence_stops_what_it_matches_and_says_so() -> None:
    ends = T0 + timedelta(hours=2)
    verdict = judge(delivery(), rule(), silences=(silence(ends=ends),))
    assert isinstance(verdict, Drop)
    assert (verdict.kind, verdict.silence) == ("silenced", "night")
    assert verdict.note == "silenced until 2026-11-20T12:00:00.000Z by night: moving"


@pytest.mark.parametrize(
    "other",
    [
        silence(ends=T0),
        silence(starts=T0 + MINUTE),
        silence('conversation.channel == "email"'),
        silence("conversation.attributes.x == 1"),
    ],
    ids=["over", "not yet", "no match", "not to be evaluated"],
)
def test_other_silences_stop_nothing(other: Silence) -> None:
    assert judge(delivery(), rule(), silences=(other,)) == Send("A")


def test_a_silence_of_one_rule_lets_the_next_one_send() -> None:
    only = silence('rule == "A"')
    assert judge(delivery("A", "B"), rule(), rule("B"), silences=(only,)) == Send("B")


def test_a_silence_sees_receiver_and_severity() -> None:
    match = silence('receiver == "team" && severity == "info"')
    assert isinstance(judge(delivery(), rule(severity="info"), silences=(match,)), Drop)
    assert judge(delivery(), rule(severity="critical"), silences=(match,)) == Send("A")


def test_a_digest_that_was_tried_is_not_thinned_out() -> None:
    first = delivery(kind="digest", batch="A||08:00")
    assert isinstance(judge(first, rule(), silences=(silence(),)), Drop)
    again = dataclasses.replace(first, attempt=2)
    assert judge(again, rule(), silences=(silence(),)) == Send("A")
