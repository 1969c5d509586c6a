"""Tables of what rules with `existing` find when they first look."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from tests.support.make import MARIA, T0, at, snapshot
from watcher.catalogue.events import STATES
from watcher.conditions import compile_condition
from watcher.model import Conversation, Observation, Reference, Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide
from watcher.pipeline.existing import first_look
from watcher.records import Commit, SourceState
from watcher.rules import Rule
from watcher.rules.existing import HOLDING_TYPES
from watcher.vocabulary import moment

STATE = SourceState("sales", "highlevel", "a", baselined=T0)
HOLDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # type: fields in which the state holds, fields in which it does not
    "conversation.unread": ({"unread": True}, {"unread": False}),
    "conversation.waiting": ({"waiting_since": T0}, {"waiting_since": None}),
    "conversation.assigned": ({"assignee": Reference("u1")}, {"assignee": None}),
    "conversation.unassigned": ({"assignee": None}, {"assignee": Reference("u1")}),
    "conversation.archived": ({"archived": True}, {"archived": False}),
}


def rule(*when: str, name: str = "slow", **more: Any) -> Rule:
    keys = {"hold_for": timedelta(minutes=20), "existing": True, "notify": ("team",)} | more
    return Rule.model_construct(name=name, when=when, **keys)


def look(
    *rules: Rule, seen: Conversation = MARIA, state: SourceState = STATE, **more: Any
) -> Commit:
    shown: Snapshot = dataclasses.replace(
        snapshot(), conversation=seen, seen=frozenset({"assignee", "unread"}), **more
    )
    policy = SourcePolicy("sales", "highlevel", "a", rules)
    wanted = [one for one in rules if one.existing]
    commit, failed = first_look(policy, state, wanted, [shown], at(60))
    assert not failed
    return commit


def test_every_state_that_a_conversation_shows_is_in_the_table() -> None:
    assert set(HOLDS) == set(HOLDING_TYPES) == {k for k, s in STATES.items() if s.holds}


@pytest.mark.parametrize("kind", HOLDS)
def test_what_holds_starts_the_wait_and_what_does_not_starts_nothing(kind: str) -> None:
    holds, not_ = (dataclasses.replace(MARIA, **fields) for fields in HOLDS[kind])
    commit = look(rule(kind), seen=holds)
    (event,), (owed,) = commit.events, commit.deliveries
    assert (event.type, event.subject, event.existing) == (kind, "c1", True)
    assert event.data["changes"] == {}
    assert (owed.kind, owed.due) == ("for", at(60) + timedelta(minutes=20))
    assert commit.verdicts[event.id][0].matched
    assert look(rule(kind), seen=not_).events == ()


def test_what_is_gone_or_was_never_shown_holds_nothing() -> None:
    nobody = dataclasses.replace(MARIA, assignee=None)
    assert look(rule("conversation.unread"), present=False).events == ()
    assert look(rule("conversation.unassigned"), seen=nobody).events
    hidden = dataclasses.replace(snapshot(), conversation=nobody, seen=frozenset({"unread"}))
    one = rule("conversation.unassigned")
    policy = SourcePolicy("sales", "leadping", "a", (one,))
    assert first_look(policy, STATE, [one], [hidden], T0)[0].events == ()


def test_the_id_is_of_the_rule_and_of_the_look_and_of_nothing_else() -> None:
    one, other = rule("conversation.unread"), rule("conversation.unread", name="other")
    again = dataclasses.replace(STATE, counts={"existing": 1})
    ids = [event.id for event in look(one, other).events]
    assert ids == [event.id for event in look(one, other).events]
    assert len({*ids, look(one, state=again).events[0].id}) == 3


def test_conditions_count_and_so_does_stop_of_an_earlier_rule() -> None:
    never = compile_condition("conversation.archived")
    assert look(rule("conversation.unread", where=never)).events == ()
    first = rule("conversation.*", name="first", existing=False, hold_for=None, stop=True)
    assert look(first, rule("conversation.unread")).events == ()


def test_it_is_known_since_when_where_the_conversation_tells() -> None:
    waiting = dataclasses.replace(MARIA, waiting_since=T0)
    (event,) = look(rule("conversation.waiting"), seen=waiting).events
    assert moment(event).at == T0
    (event,) = look(rule("conversation.assigned")).events
    assert moment(event).at == at(60)


@pytest.mark.parametrize(
    ("unread", "looked", "told"),
    [(True, ("slow",), ["conversation.unread"]), (False, ("slow",), []), (True, (), [])],
)
def test_a_conversation_that_is_seen_late_is_looked_at_then(
    unread: bool, looked: tuple[str, ...], told: list[str]
) -> None:
    began = T0 - timedelta(days=1)
    state = dataclasses.replace(STATE, baseline_started=began, existing=looked)
    one = rule("conversation.unread")
    policy = SourcePolicy("sales", "highlevel", "a", (one,))
    row = Observation("old", {"unread": unread, "created_at": began - timedelta(days=9)})
    sighting = Sighting(T0, T0, before={}, previous=began)
    commit = decide(policy, state, {}, [row], sighting).commit
    assert commit is not None
    assert [event.type for event in commit.events if event.existing] == told
    assert [owed.kind for owed in commit.deliveries if owed.event.existing] == ["for"] * len(told)
