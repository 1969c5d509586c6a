"""The oracle knows which waits a poll shows, and which only a sweep does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator.harness import Harness
from watcher.simulator import Conversation, World

from .waits import NEWEST, Waits

Act = Callable[[World, Conversation], object]


def hide(world: World, conversation: Conversation) -> None:
    world.revoke_access(conversation)


def show(world: World, conversation: Conversation) -> None:
    world.grant_access(conversation)


def ask(world: World, conversation: Conversation) -> None:
    world.message(conversation, "Still there?")


def answer(world: World, conversation: Conversation) -> None:
    world.answer(conversation)


def resolve(world: World, conversation: Conversation) -> None:
    world.archive(conversation)


def show_and_ask(world: World, conversation: Conversation) -> None:
    show(world, conversation)
    ask(world, conversation)


BEGINNINGS: dict[str, tuple[tuple[Act, ...], bool]] = {
    "the customer writes": ((), True),
    "writes after an answer": ((answer, ask), True),
    "writes on what is resolved": ((resolve, ask), True),
    "comes back into sight": ((hide, show), False),
    "wrote out of sight": ((answer, hide, ask, show), False),
    "comes back and writes at once": ((hide, show_and_ask), True),
    "was answered in sight, and writes": ((hide, show, answer, ask), True),
}
"""What happens to a customer's conversation; whether the provider's recent activity shows how the wait
begins."""


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_poll_shows_only_what_moves_the_providers_clock(name: str) -> None:
    acts, polled = BEGINNINGS[name]
    harness = Harness("chatwoot")
    conversation = harness.create("Hello?")
    for act in acts:
        harness.clock.forward(3600)
        act(harness.world, conversation)
    last = Waits("chatwoot", conversation, NEWEST).stretches[-1]
    assert last.since is not None
    assert last.polled is polled
