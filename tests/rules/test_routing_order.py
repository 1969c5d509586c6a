"""Laws and tables of rules among each other: order, `stop`, `unless`, candidates, what is collected
or repeated, and silences.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import CONDITIONS, MARIA, T0, conversation_event, rule
from watcher.catalogue.events import EVENT_TYPES
from watcher.conditions import compile_condition, context
from watcher.rules import (
    Collected,
    Digest,
    Hours,
    Match,
    Rule,
    RuleHours,
    Silence,
    Throttle,
    Timer,
    route,
    silenced,
    state_ends,
)

UTC_ZONE = ZoneInfo("UTC")
QUARTER = timedelta(minutes=15)


def more(name: str, where: str | None = None, **fields: Any) -> Rule:
    return rule(name=name, where=where).model_copy(update=fields)


def reasons(*rules: Rule) -> dict[str, tuple[bool, str]]:
    return {
        one.rule: (one.matched, one.reason) for one in route(conversation_event(), rules).results
    }


def test_stop_ends_the_evaluation_after_a_match_and_only_then() -> None:
    first = more("first", "conversation.archived", stop=True)
    second = more("second", "conversation.unread", stop=True)
    third = more("third", notify=("boss",))
    routed = route(conversation_event(), (first, second, third))
    assert routed.immediate == (Match("team", "second", ("second",)),)
    assert reasons(first, second, third) == {
        "first": (False, "`where` is false: `conversation.archived` is false"),
        "second": (True, "`when` matches; `where` is true: `conversation.unread` is true"),
        "third": (False, "`stop` of the rule 'second' ended the evaluation"),
    }


@pytest.mark.parametrize(
    ("unless", "matches", "reason"),
    [
        (
            "conversation.archived",
            True,
            "`when` matches; `unless` is false: `conversation.archived` is false",
        ),
        ("conversation.unread", False, "`unless` is true: `conversation.unread` is true"),
    ],
)  # fmt: skip
def test_unless_is_the_opposite_of_where(unless: str, matches: bool, reason: str) -> None:
    assert reasons(more("one", unless=compile_condition(unless))) == {"one": (matches, reason)}


def test_what_cannot_be_evaluated_matches_nothing_in_unless_as_in_where() -> None:
    broken = more("broken", unless=compile_condition('conversation.team.id == "t"'), stop=True)
    routed = route(conversation_event(), (broken, more("sound")))
    assert [one.rule for one in routed.immediate] == ["sound"]
    ((name, reason),) = routed.failed
    assert name == "broken"
    assert reason.startswith("`unless` could not be evaluated: ")


def test_all_rules_that_tell_a_receiver_at_once_are_candidates_in_their_order() -> None:
    rules = (
        more("one", notify=("team", "crm")),
        more("later", hold_for=QUARTER),
        more("two"),
        more("no", "conversation.archived"),
        more("three", notify=("crm", "team"), repeat=QUARTER),
    )
    assert route(conversation_event(), rules).immediate == (
        Match("team", "one", ("one", "two", "three")),
        Match("crm", "one", ("one", "three")),
    )


def test_repeats_begin_after_the_first_message() -> None:
    rules = (
        more("at once", repeat=QUARTER, at_most=3),
        more("waits", repeat=QUARTER, hold_for=timedelta(hours=1)),
    )
    assert route(conversation_event(), rules).timers == (
        Timer("team", "at once", QUARTER, repeats=True),
        Timer("team", "waits", timedelta(hours=1)),
    )


def digest(by: str | None = None) -> Digest:
    return Digest(every="15m", timezone=UTC_ZONE, **({"by": by} if by else {}))


def test_a_digest_collects_by_its_group_until_its_boundary() -> None:
    rules = (
        more("all", digest=digest(), notify=("team", "crm")),
        more("each", digest=digest("conversation.assignee.name")),
        more("at once"),
    )
    routed = route(conversation_event(), rules)
    assert datetime(2026, 11, 20, 10, 0, tzinfo=UTC) == T0
    due = T0 + QUARTER
    assert routed.collected == (
        Collected("team", "all", "", due),
        Collected("crm", "all", "", due),
        Collected("team", "each", '"Ana"', due),
    )
    assert routed.immediate == (Match("team", "at once", ("at once",)),)
    assert routed.timers == ()


def test_a_digest_that_hours_hold_back_waits_for_the_opening_and_one_that_they_drop_does_not() -> (
    None
):
    monday = {"days": "mon", "between": "09:00-18:00", "timezone": "UTC"}
    held = more("held", digest=digest(), hours=RuleHours(**monday, otherwise="hold"))
    dropped = more("dropped", digest=digest(), hours=RuleHours(**monday, otherwise="drop"))
    assert [one.due for one in route(conversation_event(), (held, dropped)).collected] == [
        datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        T0 + QUARTER,
    ]


def test_a_group_that_cannot_be_told_is_one_of_its_own_and_is_told() -> None:
    rules = (more("each", digest=digest("conversation.team.name")),)
    routed = route(conversation_event(), rules)
    assert [one.group for one in routed.collected] == ["null"]
    ((name, reason),) = routed.failed
    assert name == "each"
    assert reason.startswith("`by` could not be evaluated: ")


@pytest.mark.parametrize(
    ("by", "same", "different"),
    [
        (
            None,
            {"kind": "conversation.read"},
            {"conversation": dataclasses.replace(MARIA, id="c2")},
        ),
        ("conversation", {"kind": "conversation.read"}, {"source": "support"}),
        ("source", {"conversation": dataclasses.replace(MARIA, id="c2")}, {"source": "support"}),
        (
            "conversation.assignee",
            {"conversation": dataclasses.replace(MARIA, id="c2")},
            {"conversation": dataclasses.replace(MARIA, assignee=None)},
        ),
        ("[type, string(conversation.labels.size())]", {}, {"kind": "conversation.read"}),
    ],
)
def test_what_counts_as_the_same(by: str | None, same: Any, different: Any) -> None:
    def keys(**fields: Any) -> tuple[str, str]:
        what = conversation_event(**fields)
        subject = fields["conversation"].id if "conversation" in fields else "c1"
        what = dataclasses.replace(what, subject=subject)
        same = {"by": by} if by else {}
        key, wrong = Throttle(within="15m", **same).key(what)
        assert wrong == ""
        return key, Digest(every="15m", **same).group(context(what))[0]

    assert keys() == keys(**same)
    assert keys()[0] != keys(**different)[0]
    assert by is None or keys()[1] != keys(**different)[1]


def test_a_throttle_whose_by_fails_counts_the_conversation() -> None:
    throttle = Throttle(within="15m", by="conversation.team.name")
    what = conversation_event()
    key, wrong = throttle.key(what)
    assert (key, bool(wrong)) == ("conversation sales/c1", True)
    failing = conversation_event("source.failing", None)
    assert Throttle(within="15m").key(failing) == ("sales", "")


# Law

NAMES = st.sampled_from(["team", "crm", "boss"])
RULES = st.lists(
    st.builds(
        Rule.model_construct,
        name=st.sampled_from("abcdef"),
        when=st.lists(st.sampled_from(["*", "conversation.*", *EVENT_TYPES]), min_size=1).map(tuple),
        notify=st.lists(NAMES, min_size=1, max_size=4).map(tuple),
        where=st.none() | st.sampled_from(CONDITIONS),
        hold_for=st.none() | st.just(QUARTER),
        unless=st.none() | st.sampled_from(CONDITIONS),
        repeat=st.none() | st.just(QUARTER),
        digest=st.none() | st.just(Digest(at="09:00")),
        stop=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)  # fmt: skip


@given(rules=RULES, kind=st.sampled_from(EVENT_TYPES))
def test_routing_is_what_the_verdicts_say(rules: list[Rule], kind: str) -> None:
    routed = route(conversation_event(kind), rules)
    assert [one.rule for one in routed.results] == [one.name for one in rules]
    assert all(one.reason for one in routed.results)
    matched = {one.rule for one in routed.results if one.matched}
    matching = [one for one in rules if one.name in matched]
    assert [one for one in matching[:-1] if one.stop] == []
    now = [one for one in matching if one.digest is None and one.hold_for is None]
    assert {one.receiver: one.candidates for one in routed.immediate} == {
        receiver: tuple(one.name for one in now if receiver in one.notify)
        for one in now
        for receiver in one.notify
    }
    later = {(one.receiver, one.rule) for one in (*routed.timers, *routed.collected)}
    assert later == {
        (receiver, one.name)
        for one in matching
        for receiver in one.notify
        if one.lasting or one.digest is not None
    }


# Silences

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def silence(match: str, **fields: Any) -> Silence:
    return Silence(name="s", match=match, reason="why", **fields)


@pytest.mark.parametrize(
    ("match", "suppresses"),
    [
        ("true", True),
        ('source == "sales" && rule == "Unread"', True),
        ('receiver in ["boss", "crm"]', False),
        ('severity != "critical"', True),
        ('conversation.team.id == "t"', False),
    ],
)
def test_a_silence_matches_event_rule_receiver_and_severity(match: str, suppresses: bool) -> None:
    known = context(conversation_event(), rule="Unread", receiver="team", severity="info")
    other = silence("false")
    found = silenced([other, silence(match)], known, NOON)
    assert (found is not None) is suppresses
    assert found is not other


@pytest.mark.parametrize(
    ("fields", "lasts"),
    [
        ({}, True),
        ({"starts": NOON}, True),
        ({"starts": NOON + timedelta(microseconds=1)}, False),
        ({"ends": NOON}, False),
        ({"ends": NOON + timedelta(microseconds=1)}, True),
        ({"hours": Hours(days="fri", between="12:00-13:00")}, True),
        ({"hours": Hours(days="fri", between="11:00-12:00")}, False),
        ({"hours": Hours(days="fri", between="12:00-13:00"), "ends": NOON}, False),
    ],
)
def test_a_silence_lasts_from_its_start_until_before_its_end(fields: Any, lasts: bool) -> None:
    one = silence("true", **fields)
    assert one.lasts(NOON) is lasts
    known = context(conversation_event(), rule="", receiver="", severity="")
    assert (silenced([one], known, NOON) is one) is lasts


# What ends


def test_what_repeats_ends_like_what_waits_and_unless_ends_it_too() -> None:
    unless = compile_condition("conversation.archived")
    rules = (
        more("repeats", when=("conversation.unread",), repeat=QUARTER),
        more("unless", when=("conversation.unread",), hold_for=QUARTER, unless=unless),
        more("at once", when=("conversation.unread",)),
    )
    archived = dataclasses.replace(MARIA, archived=True)
    read = dataclasses.replace(MARIA, unread=False)

    def over(after: Any) -> list[tuple[str, str]]:
        ends = state_ends(rules, MARIA, after, source="sales", provider="highlevel")
        return [(str(one.rule), one.note) for one in ends]

    assert over(archived) == [("unless", "`unless` holds now")]
    assert over(read) == [("repeats", "it was read"), ("unless", "it was read")]
    assert over(MARIA) == []
