"""Laws and tables of rules: which events they take and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.make import CONDITIONS, conversation_event, rule
from watcher.catalogue.events import EVENT_TYPES, TIMED_TYPES
from watcher.rules import (
    Match,
    Rule,
    Timer,
    route,
)

# `when` and `for`


def wrong(**keys: Any) -> list[dict[str, Any]]:
    """Return what is wrong with a rule of these keys."""
    try:
        Rule(**{"name": "One", "when": "conversation.unread", "notify": "team"} | keys)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


@pytest.mark.parametrize(
    ("pattern", "suggestion"),
    [
        ("conversation.unraed", "conversation.unread"),
        ("unread", "conversation.unread"),
        ("failing", "source.failing"),
        ("conversation.Unread", "conversation.unread"),
        ("conversations.*", "conversation.*"),
        ("nothing-of-the-kind", None),
    ],
)
def test_a_type_that_no_event_has_is_refused(pattern: str, suggestion: str | None) -> None:
    (mistake,) = wrong(when=["conversation.unread", pattern])
    assert mistake["loc"] == ("when", 1)
    assert f"`{pattern}`" in mistake["ctx"]["text"]
    meant = f"did you mean `{suggestion}`?" if suggestion else "write one such as conversation."
    assert mistake["ctx"]["remedy"].startswith(meant)


def test_types_and_globs_that_some_event_has_are_accepted() -> None:
    assert wrong(when=[*EVENT_TYPES, "*", "conversation.*", "*.failing", "source.re*"]) == []


@pytest.mark.parametrize("key", ["for", "repeat"])
def test_for_is_accepted_for_every_type_with_a_state_and_for_no_other(key: str) -> None:
    for kind in EVENT_TYPES:
        found = wrong(when=kind, **{key: "15m"})
        assert (found == []) == (kind in TIMED_TYPES)
        assert all(one["loc"] == (key,) and kind in one["ctx"]["text"] for one in found)


def test_for_names_the_first_type_of_a_glob_that_has_no_state() -> None:
    (mistake,) = wrong(when=["conversation.unread", "conversation.un*"], **{"for": "15m"})
    assert "conversation.unarchived (by 'conversation.un*')" in mistake["ctx"]["text"]
    assert wrong(when="conversation.una[s]*", **{"for": "15m"}) == []


def test_for_no_time_is_left_out() -> None:
    assert wrong(when="conversation.*", **{"for": "0s"}) == []


# Routing


def test_a_receiver_named_by_several_rules_is_told_once_by_the_first() -> None:
    rules = (
        rule(name="none", where="conversation.archived"),
        rule(name="first", notify=("team", "crm", "team")),
        rule(name="second", notify=("crm", "boss")),
    )
    assert route(conversation_event(), rules).immediate == (
        Match("team", "first", ("first",)),
        Match("crm", "first", ("first", "second")),
        Match("boss", "second", ("second",)),
    )


def test_every_rule_with_for_has_a_timer_of_its_own() -> None:
    quarter, hour = timedelta(minutes=15), timedelta(hours=1)
    rules = (
        rule("conversation.unread", name="now"),
        rule("conversation.unread", name="soon", hold_for=quarter),
        rule("conversation.unread", name="later", hold_for=hour, notify=("team", "team")),
    )
    routed = route(conversation_event(), rules)
    assert routed.immediate == (Match("team", "now", ("now",)),)
    assert routed.timers == (Timer("team", "soon", quarter), Timer("team", "later", hour))


def test_a_condition_that_fails_is_false_and_told() -> None:
    rules = (rule(name="broken", where='conversation.team.id == "t"'), rule(name="sound"))
    routed = route(conversation_event(), rules)
    assert [match.rule for match in routed.immediate] == ["sound"]
    assert [name for name, _ in routed.failed] == ["broken"]


def test_a_receiver_is_never_told_of_itself() -> None:
    rules = (rule("receiver.*", notify=("crm", "team")), rule("*", name="all", notify=("crm",)))
    failing = conversation_event("receiver.failing", None, source="crm")
    assert route(failing, rules).immediate == (Match("team", "rule", ("rule",)),)
    assert "does not get events about itself" in route(failing, rules).results[1].reason
    namesake = conversation_event("source.failing", None, source="crm")
    assert route(namesake, rules).immediate == (Match("crm", "all", ("all",)),)


NAMES = st.sampled_from(["team", "crm", "boss"])
RULES = st.lists(
    st.builds(
        Rule.model_construct,
        name=st.sampled_from("abcdef"),
        when=st.lists(st.sampled_from(["*", "conversation.*", *EVENT_TYPES]), min_size=1).map(
            tuple
        ),
        notify=st.lists(NAMES, min_size=1, max_size=4).map(tuple),
        where=st.none() | st.sampled_from(CONDITIONS),
        hold_for=st.none() | st.just(timedelta(minutes=1)),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(rules=RULES, kind=st.sampled_from(EVENT_TYPES), source=NAMES)
def test_route_tells_each_receiver_once_and_its_reasons_agree(
    rules: list[Rule], kind: str, source: str
) -> None:
    what = conversation_event(kind, source=source)
    routed = route(what, rules)
    told = [match.receiver for match in routed.immediate]
    assert len(told) == len(set(told))
    results = routed.results
    assert [one.rule for one in results] == [one.name for one in rules]
    matching = {one.rule for one in results if one.matched}
    assert {one.rule for one in (*routed.immediate, *routed.timers)} <= matching
    failed = {one.rule for one in results if "could not be evaluated" in one.reason}
    assert {name for name, _ in routed.failed} == failed


def test_explain_says_what_each_rule_missed() -> None:
    rules = (
        rule("conversation.archived", "source.*", name="type"),
        rule(name="where", where="conversation.archived"),
        rule(name="failed", where="conversation.attributes.nothing == 1"),
        rule("conversation.unread", name="timed", hold_for=timedelta(minutes=15)),
    )
    reasons = {one.rule: one.reason for one in route(conversation_event(), rules).results}
    assert reasons == {
        "type": "`when` asks for conversation.archived or source.*, this is conversation.unread",
        "where": "`where` is false: `conversation.archived` is false",
        "failed": "`where` could not be evaluated: there is no field 'nothing'",
        "timed": "`when` matches; sent if the state holds for 15m",
    }
