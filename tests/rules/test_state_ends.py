"""Tables of what a rule with `for` waits on: what ends the wait and what does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.make import MARIA, T0, rule
from watcher.catalogue.events import TIMED_TYPES
from watcher.model import Conversation, Disposition, Message, Reference, to_plain
from watcher.rules import Rule, state_ends


def over(one: Rule, before: Conversation, after: Conversation | None) -> bool:
    return bool(state_ends((one,), before, after, source="sales", provider="highlevel"))


LATER = Message("Yes", "outbound", "sms", T0 + timedelta(minutes=1))
ENDS: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # type: fields before, fields after that end the state, fields after that do not
    "conversation.unread": ({"unread": True}, {"unread": False}, {"unread_count": 9}),
    "conversation.archived": ({"archived": True}, {"archived": False}, {"status": "x"}),
    "conversation.assigned": ({}, {"assignee": Reference("u2")}, {"labels": ()}),
    "conversation.reassigned": ({}, {"assignee": None}, {"labels": ()}),
    "conversation.unassigned": (
        {"assignee": None}, {"assignee": Reference("u2")}, {"unread": False},
    ),
    "conversation.waiting": (
        {"waiting_since": T0}, {"waiting_since": None}, {"last_message": LATER},
    ),
    "conversation.team_changed": (
        {"team": Reference("t1", "A")}, {"team": None}, {"team": Reference("t1", "B")},
    ),
    "conversation.status_changed": ({"status": "open"}, {"status": "won"}, {"unread": False}),
    "conversation.disposition_changed": (
        {"disposition": Disposition(label="a")}, {"disposition": None}, {"labels": ()},
    ),
    "conversation.labels_changed": ({}, {"labels": ("a",)}, {"priority": "x"}),
    "conversation.priority_changed": ({"priority": "x"}, {"priority": "y"}, {"labels": ()}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDS)
def test_a_state_ends_by_its_own_change_and_by_no_other(kind: str) -> None:
    before, ending, other = ENDS[kind]
    waits = rule(kind, hold_for=timedelta(minutes=15))
    then = dataclasses.replace(MARIA, **before)
    assert over(waits, then, dataclasses.replace(then, **ending))
    assert not over(waits, then, dataclasses.replace(then, **other))
    assert not over(waits, then, then)
    assert over(waits, then, None), "removal ends everything"
    assert not over(rule(kind), then, None), "a rule without `for` waits for nothing"


def test_every_timed_type_of_a_conversation_has_an_end() -> None:
    assert ENDS.keys() | {"source.failing"} == set(TIMED_TYPES)


def test_a_renamed_assignee_is_the_same_one() -> None:
    waits = rule("conversation.assigned", hold_for=timedelta(minutes=15))
    renamed = dataclasses.replace(MARIA, assignee=Reference("u1", "Anna"))
    assert not over(waits, MARIA, renamed)


def test_a_wait_that_took_another_ones_place_is_another_wait() -> None:
    waits = rule("conversation.waiting", hold_for=timedelta(minutes=15))
    first = dataclasses.replace(MARIA, waiting_since=T0)
    assert over(waits, first, dataclasses.replace(MARIA, waiting_since=T0 + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("after", "ended"),
    [
        ({"unread": False}, {"conversation.unread"}),
        ({"assignee": Reference("u2")}, {"conversation.assigned", "conversation.reassigned"}),
        ({"labels": ()}, set()),
    ],
)
def test_a_rule_of_several_types_waits_on_each_of_their_states_by_itself(
    after: dict[str, Any], ended: set[str]
) -> None:
    kinds = "conversation.unread", "conversation.assigned", "conversation.reassigned"
    waits = rule(*kinds, hold_for=timedelta(minutes=15))
    then = dataclasses.replace(MARIA, **after)
    ends = state_ends((waits,), MARIA, then, source="sales", provider="highlevel")
    assert {kind for one in ends for kind in one.types or ()} == ended
    assert all(one.types is not None for one in ends)


def test_what_all_states_of_a_rule_need_ends_all_its_waits() -> None:
    kinds = "conversation.unread", "conversation.assigned"
    waits = rule(*kinds, where="conversation.unread", hold_for=timedelta(minutes=15))
    then = dataclasses.replace(MARIA, unread=False)
    ends = state_ends((waits,), MARIA, then, source="sales", provider="highlevel")
    assert None in {one.types for one in ends}


def test_a_state_whose_end_was_taken_over_silently_is_over_all_the_same() -> None:
    read = dataclasses.replace(MARIA, unread=False)
    waits = rule("conversation.unread", hold_for=timedelta(minutes=15))
    assert over(waits, read, dataclasses.replace(read, labels=()))


@pytest.mark.parametrize("tells", [False, True])
def test_an_end_says_which_rules_tell_of_it_and_shows_the_conversation(tells: bool) -> None:
    waits = rule("conversation.unread", hold_for=timedelta(minutes=15))
    waits = waits.model_copy(update={"resolved": tells})
    read = dataclasses.replace(MARIA, unread=False)
    facts = {"outcome": "answered", "waited": 90}
    (end,) = state_ends((waits,), MARIA, read, source="sales", provider="highlevel", facts=facts)
    assert end.resolved == ({"rule"} if tells else set())
    assert end.conversation == (to_plain(read) if tells else None)
    assert end.waited == 90


@pytest.mark.parametrize(
    ("where", "ended"),
    [
        ('conversation.assignee.id == "u1"', True),
        ("conversation.assignee != null", True),
        ('"vip" in conversation.labels', False),
        ("size(changes) == 0 && conversation.assignee != null", False),
    ],
)
def test_where_must_hold_all_the_time_as_far_as_it_speaks_of_the_conversation(
    where: str, ended: bool
) -> None:
    waits = rule("conversation.unread", where=where, hold_for=timedelta(minutes=15))
    assert over(waits, MARIA, dataclasses.replace(MARIA, assignee=None)) is ended


def test_what_happens_to_a_conversation_ends_no_wait_about_its_source() -> None:
    assert not over(rule("source.failing", hold_for=timedelta(minutes=15)), MARIA, None)
