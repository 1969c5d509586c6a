"""`people:` of a source: names for user ids that the provider shows without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from tests.core.strategies import T0, row
from tests.core.test_decide import STATE, apply, sighting
from watcher.mapping import apply as apply_mapping
from watcher.mapping import compile_mapping
from watcher.model import Event, Observation, Reference, Snapshot
from watcher.pipeline import SourcePolicy, decide

BARE = SourcePolicy("sales", "highlevel", "acc", ())
PEOPLE = {"u1": "Ana", "u2": "Ben"}


def look(
    known: Mapping[str, Snapshot],
    second: int,
    people: Mapping[str, str] | None,
    seen: Observation,
) -> tuple[dict[str, Snapshot], list[Event]]:
    policy = dataclasses.replace(BARE, people=people)
    decision = decide(policy, STATE, known, [seen], sighting(second))
    return apply(known, decision), list(decision.commit.events) if decision.commit else []


def owned(owner: str | None, name: str | None = None, **fields: Any) -> Observation:
    assignee = Reference(owner, name) if owner else None
    return row("c1", created_at=T0, assignee=assignee, **fields)


def assignee(known: Mapping[str, Snapshot]) -> Reference | None:
    return known["c1"].conversation.assignee


def test_without_the_setting_a_name_that_a_row_lacks_stays_as_the_provider_showed_it() -> None:
    known, _ = look({}, 0, None, owned("u1", "Ana"))
    known, events = look(known, 1, None, owned("u1"))
    assert (events, assignee(known)) == ([], Reference("u1", "Ana"))


def test_a_new_owner_is_named_in_the_event() -> None:
    known, _ = look({}, 0, PEOPLE, owned(None))
    known, (assigned,) = look(known, 1, PEOPLE, owned("u1"))
    assert assigned.data["conversation"]["assignee"] == {"id": "u1", "name": "Ana"}
    known, (reassigned,) = look(known, 2, PEOPLE, owned("u2"))
    assert reassigned.type == "conversation.reassigned"
    assert reassigned.data["changes"]["assignee"] == {
        "before": {"id": "u1", "name": "Ana"},
        "after": {"id": "u2", "name": "Ben"},
    }
    assert assignee(known) == Reference("u2", "Ben")


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ({}, PEOPLE, "Ana"),
        (PEOPLE, {**PEOPLE, "u1": "Ana Lee"}, "Ana Lee"),
        (PEOPLE, {"u2": "Ben"}, None),
        (PEOPLE, {}, None),
    ],
)
def test_another_map_is_taken_over_silently(
    before: dict[str, str], after: dict[str, str], name: str | None
) -> None:
    known, _ = look({}, 0, before, owned("u1"))
    known, events = look(known, 1, after, owned("u1"))
    assert (events, assignee(known)) == ([], Reference("u1", name))
    # Once taken over, there is nothing more to store.
    policy = dataclasses.replace(BARE, people=after)
    assert decide(policy, STATE, known, [owned("u1")], sighting(2)).commit is None


def test_an_owner_who_changes_together_with_the_map_is_told() -> None:
    known, _ = look({}, 0, {}, owned("u1"))
    _, (event,) = look(known, 1, PEOPLE, owned("u2"))
    assert event.type == "conversation.reassigned"
    assert event.data["conversation"]["assignee"]["name"] == "Ben"


def test_a_name_that_the_provider_shows_stays() -> None:
    known, _ = look({}, 0, PEOPLE, owned("u1", "Anastasia"))
    assert assignee(known) == Reference("u1", "Anastasia")


def test_somebody_without_an_entry_has_no_name() -> None:
    known, _ = look({}, 0, PEOPLE, owned("u9"))
    assert assignee(known) == Reference("u9")


def test_a_mapped_team_is_named_as_well() -> None:
    mapping = compile_mapping({"team": "group"})
    seen = dataclasses.replace(owned("u1"), raw={"group": "u2"})
    mapped, problems = apply_mapping(mapping, seen)
    assert not problems
    known, _ = look({}, 0, PEOPLE, mapped)
    assert known["c1"].conversation.team == Reference("u2", "Ben")


def test_a_row_that_does_not_show_its_owner_keeps_the_name() -> None:
    known, _ = look({}, 0, PEOPLE, owned("u1"))
    known, events = look(known, 1, {"u1": "Eve"}, row("c1", priority="high"))
    assert [event.type for event in events] == ["conversation.priority_changed"] or not events
    assert assignee(known) == Reference("u1", "Ana")
