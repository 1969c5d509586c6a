"""The oracle knows which waits a poll shows, and which only a sweep does; and which answers no row shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator.harness import KINDS, Harness
from watcher.simulator import Conversation, World
from watcher.simulator.state import Kind

from .truth import Past
from .waits import Waits, seconds_of

Act = Callable[[World, Conversation], object]


def hide(world: World, conversation: Conversation) -> None:
    world.revoke_access(conversation)


def show(world: World, conversation: Conversation) -> None:
    world.grant_access(conversation)


def ask(world: World, conversation: Conversation) -> None:
    world.message(conversation, "Still there?")


def answer(world: World, conversation: Conversation) -> None:
    world.answer(conversation)


def greet(world: World, conversation: Conversation) -> None:
    world.answer(conversation, by="rule")


def resolve(world: World, conversation: Conversation) -> None:
    world.archive(conversation)


def show_and_ask(world: World, conversation: Conversation) -> None:
    show(world, conversation)
    ask(world, conversation)


def restore(world: World, conversation: Conversation) -> None:
    world.unarchive(conversation)


def trash(world: World, conversation: Conversation) -> None:
    world.archive(conversation, "trash")


def note(world: World, conversation: Conversation) -> None:
    world.message(conversation, "Calls back on Monday.", "internal")


def read(world: World, conversation: Conversation) -> None:
    world.read(conversation)


def log(world: World, conversation: Conversation) -> None:
    world.activity(conversation)


BEGINNINGS: dict[Kind, dict[str, tuple[tuple[Act, ...], int | None]]] = {
    "chatwoot": {
        "the customer writes": ((), 0),
        "writes after an answer": ((answer, ask), 2),
        "writes on what is resolved": ((resolve, ask), 2),
        "is opened again": ((resolve, restore), 2),
        "comes back into sight": ((hide, show), None),
        "comes back into sight, and is read": ((hide, show, read), None),
        "comes back into sight, and writes": ((hide, show, ask), 3),
        "wrote out of sight": ((answer, hide, ask, show), None),
        "comes back and writes at once": ((hide, show_and_ask), 2),
        "was answered in sight, and writes": ((hide, show, answer, ask), 4),
    },
    "highlevel": {
        "the customer writes": ((), 0),
        "writes, and a note follows": ((note,), 0),
        "writes after an answer": ((answer, ask), 2),
        "comes back from the archive": ((resolve, restore), None),
        "comes back from the trash": ((trash, restore), None),
        "wrote in the archive": ((answer, resolve, ask, restore), None),
        "comes back from the archive, and is read": ((resolve, restore, read), None),
        "comes back from the archive below an activity line": ((resolve, restore, log), None),
        "comes back from the archive, and writes": ((resolve, restore, note, ask), 4),
    },
}
"""What happens to a customer's conversation; which of it (0: its beginning) moves it in the provider's
recent activity while the customer waits, so that a poll shows the wait.
"""


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in BEGINNINGS.items() for name in table]
)
def test_a_poll_shows_only_what_moves_the_providers_clock(kind: Kind, name: str) -> None:
    acts, polled = BEGINNINGS[kind][name]
    harness = Harness(kind)
    conversation = harness.create("Hello?")
    moments = [harness.clock.now]
    for act in acts:
        harness.clock.forward(3600)
        act(harness.world, conversation)
        moments.append(harness.clock.now)
    last = Waits(kind, conversation).stretches[-1]
    assert last.since is not None
    assert last.polled == (None if polled is None else seconds_of(moments[polled].isoformat()))


ENDINGS: dict[Kind, dict[str, tuple[str | None, tuple[Act, ...], bool]]] = {
    "highlevel": {
        # The row of a person's answer, and that of the customer's next words which somebody read, are one.
        "answered before": ("Hello?", (answer, ask, answer, log, read, resolve), True),
        "answered before, and put in the trash": ("Hello?", (answer, ask, answer, log, trash), True),
        "nobody had written in an older conversation": (None, (ask, answer, log, resolve), True),
        "the first answer of a conversation": ("Hello?", (answer, log, resolve), False),
        "a machine had written before": ("Hello?", (answer, greet, ask, answer, log, resolve), False),
        "the customer wrote in the archive": ("Hello?", (answer, ask, answer, resolve, read, ask), True),
        "the customer wrote in it after the first answer": ("Hello?", (answer, resolve, ask), False),
        "the answer is the newest line": ("Hello?", (answer, ask, answer, resolve), False),
        "a note is the newest line": ("Hello?", (answer, ask, answer, log, note, resolve), False),
        "not put away": ("Hello?", (answer, ask, answer, log), False),
    },
    "chatwoot": {
        "messages stand beside activity lines": (
            "Hello?", (answer, ask, answer, log, resolve), False),
    },
}  # fmt: skip
"""What happens to a customer's conversation, and whether its last row leaves open if a person answered."""


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in ENDINGS.items() for name in table]
)
def test_an_answer_below_a_later_line_may_look_like_none(kind: Kind, name: str) -> None:
    text, acts, hidden = ENDINGS[kind][name]
    harness = Harness(kind)
    conversation = harness.create(text)
    for act in acts:
        harness.clock.forward(3600)
        act(harness.world, conversation)
    waits = Waits(kind, conversation)
    ended = [one for one in waits.stretches if one.since is not None][-1]
    assert ended.outcome == "answered"
    now = seconds_of(harness.clock.now.isoformat())
    assert waits.hide_answer([ended], now, now + 1) is hidden


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_answer_lacks_is_a_moment_that_interrupts_nothing(kind: Kind) -> None:
    """A server that answers at once is torn and whole again in one instant."""
    harness = Harness(kind)
    conversation = harness.create("Hello?")
    created = Past(harness.account, conversation, mapped=False)
    harness.clock.forward(60)
    torn = seconds_of(harness.clock.now.isoformat())
    harness.world.tear(conversation)
    harness.world.mend(conversation)
    past = Past(harness.account, conversation, mapped=False)
    assert [bool(one.hidden) for one in past.moments] == [False, True, False]
    assert list(past.runs("last_message")) == list(created.runs("last_message"))
    assert Waits(kind, conversation).torn == [(torn, torn)]
