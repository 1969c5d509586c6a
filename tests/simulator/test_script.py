"""Laws of the simulated world: the truth log is a chain, and a seed is a story."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.harness import KINDS, Clock, Harness
from watcher.simulator import World, canonical, lively
from watcher.simulator.state import Kind
from watcher.simulator.versions import Version


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS))
def test_every_before_is_the_previous_after(seed: int, kind: Kind) -> None:
    """And folding the log over the first states gives the last ones."""
    clock = Clock()
    world = World(clock, seed)
    account = world.open_account(kind, "3", conversations=6)
    known = {c.id: canonical(kind, c.state) for c in account.living()}
    script = lively(world, Random(seed))
    for _ in range(60):
        clock.forward(1)
        script.step()
    for entry in world.truth:
        if entry.type == "conversation.created":
            known[entry.conversation] = {}
        elif entry.type == "conversation.removed":
            del known[entry.conversation]
        else:
            _overlay(known[entry.conversation], entry.before, entry.after)
    assert set(known) == {c.id for c in account.living()}
    for conversation in account.living():
        now = canonical(kind, conversation.state)
        now.pop("unread_count")  # it may fall without an event
        folded = known[conversation.id]
        assert {key: now[key] for key in folded if key in now} == {
            key: value for key, value in folded.items() if key != "unread_count"
        }


def _overlay(folded: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for key, value in before.items():
        if key in folded and key != "unread_count":
            assert folded[key] == value
    folded.update(after)


@given(seed=st.integers(0, 10_000))
def test_two_worlds_of_one_seed_tell_the_same_story(seed: int) -> None:
    def story() -> tuple[list[str], list[Any]]:
        clock = Clock()
        world = World(clock, seed)
        for kind in KINDS:
            world.open_account(kind, "3", conversations=5)
        script = lively(world)
        lines = []
        for _ in range(30):
            clock.forward(2)
            lines.append(script.step())
        return lines, world.truth.entries

    assert story() == story()


@pytest.mark.parametrize("seed", range(5))
def test_the_tour_shows_every_event_type_within_25_steps(seed: int) -> None:
    clock = Clock()
    world = World(clock, seed)
    for kind in KINDS:
        world.open_account(kind, "3", conversations=10)
    script = lively(world)
    for _ in range(25):
        clock.forward(2)
        assert "\n" not in script.step()
    assert {entry.type.removeprefix("conversation.") for entry in world.truth} == {
        "created", "unread", "read", "message", "waiting", "answered", "assigned", "reassigned", "unassigned",
        "team_changed", "archived", "unarchived", "status_changed", "disposition_changed",
        "labels_changed", "priority_changed", "contact_changed", "updated", "removed",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_story_goes_on_in_an_account_that_begins_empty(kind: Kind) -> None:
    harness = Harness(kind)
    script = lively(harness.world)
    lines = []
    for _ in range(200):
        harness.clock.forward(1)
        lines.append(script.step())
    assert all(line.split(":")[0].lower() == kind for line in lines)
    assert harness.account.living()


@pytest.mark.parametrize("version", [(2, 16, 0), (3, 16, 0), (4, 15, 1)])
def test_a_story_asks_for_nothing_that_the_version_does_not_have(version: Version) -> None:
    clock = Clock()
    world = World(clock, 7)
    world.install(world.open_account("chatwoot", "3", conversations=6), version)
    script = lively(world, Random(7))
    for _ in range(300):
        clock.forward(1)
        script.step()
    assert len(world.truth.entries) > 100
