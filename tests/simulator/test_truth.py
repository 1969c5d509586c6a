"""The truth log: the contract's table of event types, mutation by mutation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.simulator.harness import KINDS, START, Clock, Harness
from watcher.simulator import Agent, Conversation, Impossible, Viewer, World, canonical
from watcher.simulator.state import Kind

Act = Callable[[World, Conversation], object]

EVERYWHERE: dict[str, tuple[Act, list[str]]] = {
    "an inbound message is a message and unread": (
        lambda w, c: w.message(c, "Hello?"),
        ["message", "unread"],
    ),
    "an answer to a read conversation is a message, and ends the wait": (
        lambda w, c: w.message(c, "Yes!", "outbound"),
        ["message", "answered"],
    ),
    "a note is a message only": (lambda w, c: w.message(c, "VIP", "internal"), ["message"]),
    "reading what is read is nothing": (lambda w, c: w.read(c), []),
    "marking unread is unread": (lambda w, c: w.mark_unread(c), ["unread"]),
    "a renamed contact has changed": (
        lambda w, c: w.rename_contact(c, "Ada Byron"),
        ["contact_changed"],
    ),
    "the same name again is nothing": (
        lambda w, c: w.rename_contact(c, c.state.contact.name),
        [],
    ),
    "archiving": (lambda w, c: w.archive(c), ["answered", "archived"]),
    "a deleted one is removed": (lambda w, c: w.delete(c), ["removed"]),
    "a new one that is empty is created": (lambda w, c: w.create(c.account), ["created"]),
    "a new one with a message is also unread": (
        lambda w, c: w.create(c.account, "Hi"),
        ["created", "unread", "waiting"],
    ),
    "three imported ones are created": (
        lambda w, c: w.import_conversations(c.account, 3),
        ["created", "created", "created"],
    ),
}

ONLY: dict[Kind, dict[str, tuple[Act, list[str]]]] = {
    "leadping": {
        "a disposition": (
            lambda w, c: w.set_disposition(c, "won", "Won", "Sold", "u1"),
            ["disposition_changed"],
        ),
        "a status": (lambda w, c: w.set_status(c, "waiting"), ["status_changed"]),
        "any event counts as the last message": (lambda w, c: w.activity(c), ["message"]),
        "another user's reading is theirs": (lambda w, c: w.read(c, by=Agent("9", "Eve")), []),
        "a recommended next step is noise": (
            lambda w, c: w.set_attribute(c, "nextStep", "Call"),
            [],
        ),
        "another sender number is an update": (
            lambda w, c: w.set_attribute(c, "activeOutboundPhoneNumberId", "n2"),
            ["updated"],
        ),
        "lost access is a removal": (lambda w, c: w.revoke_access(c), ["removed"]),
    },
    "highlevel": {
        "an owner": (lambda w, c: w.assign(c, w.rng.choice(c.account.agents)), ["assigned"]),
        "tags": (lambda w, c: w.set_labels(c, ["hot"]), ["labels_changed"]),
        "a star": (lambda w, c: w.star(c), ["updated"]),
        "a follower": (lambda w, c: w.follow(c, c.account.agents[0]), ["updated"]),
        "an activity line is no message": (lambda w, c: w.activity(c), []),
        "the trash is an archive": (lambda w, c: w.archive(c, "trash"), ["answered", "archived"]),
        "a won opportunity is noise": (
            lambda w, c: w.set_attribute(c, "opportunity_status", "won"),
            [],
        ),
    },
    "chatwoot": {
        "an assignee": (lambda w, c: w.assign(c, c.account.agents[0]), ["assigned"]),
        "a bot": (lambda w, c: w.assign(c, Agent("2", "Robo", bot=True)), ["assigned"]),
        "a team": (lambda w, c: w.set_team(c, c.account.teams[0]), ["team_changed"]),
        "a priority": (lambda w, c: w.set_priority(c, "high"), ["priority_changed"]),
        "labels": (lambda w, c: w.set_labels(c, ["vip"]), ["labels_changed"]),
        "pending": (lambda w, c: w.set_status(c, "pending"), ["status_changed"]),
        "resolving is archiving, not a status": (
            lambda w, c: w.set_status(c, "resolved"),
            ["answered", "archived"],
        ),
        "snoozing": (
            lambda w, c: w.snooze(c, START + timedelta(days=1)),
            ["status_changed"],
        ),
        "a custom attribute": (lambda w, c: w.set_attribute(c, "plan", "pro"), ["updated"]),
        "an activity line is no message": (lambda w, c: w.activity(c), []),
        "an orphan looks the same": (lambda w, c: w.orphan(c), []),
        "lost access is a removal": (lambda w, c: w.revoke_access(c), ["removed"]),
    },
}
TABLE = [
    pytest.param(kind, act, types, id=f"{kind}: {sentence}")
    for kind in KINDS
    for sentence, (act, types) in (EVERYWHERE | ONLY[kind]).items()
]


def quiet(kind: Kind) -> tuple[Harness, Conversation]:
    """Return a read, open conversation that nobody has answered, and whose past is not in the truth."""
    harness = Harness(kind)
    conversation = harness.create("Hello")
    harness.clock.forward(1)
    harness.world.read(conversation)
    harness.clock.forward(1)
    harness.told()
    return harness, conversation


@pytest.mark.parametrize(("kind", "act", "types"), TABLE)
def test_a_mutation_is_logged_as_the_contract_says(kind: Kind, act: Act, types: list[str]) -> None:
    harness, conversation = quiet(kind)
    act(harness.world, conversation)
    untold = {"waiting", "answered"} if kind == "leadping" else set()
    assert harness.told() == [one for one in types if one not in untold]


IMPOSSIBLE: dict[Kind, list[Act]] = {
    "leadping": [
        lambda w, c: w.edit(c, "Hullo"),
        lambda w, c: w.assign(c, None),
        lambda w, c: w.set_team(c, None),
        lambda w, c: w.set_labels(c, []),
        lambda w, c: w.set_priority(c, None),
        lambda w, c: w.star(c),
        lambda w, c: w.remove_agent(c.account, c.account.agents[0]),
    ],
    "highlevel": [
        lambda w, c: w.set_team(c, None),
        lambda w, c: w.set_status(c, "open"),
        lambda w, c: w.set_priority(c, None),
        lambda w, c: w.set_disposition(c, None),
        lambda w, c: w.revoke_access(c),
        lambda w, c: w.snooze(c),
    ],
    "chatwoot": [
        lambda w, c: w.set_disposition(c, None),
        lambda w, c: w.star(c),
        lambda w, c: w.follow(c, c.account.agents[0]),
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_provider_does_not_have_is_impossible_and_leaves_no_trace(kind: Kind) -> None:
    harness, conversation = quiet(kind)
    for act in IMPOSSIBLE[kind]:
        with pytest.raises(Impossible, match=kind):
            act(harness.world, conversation)
    assert harness.told() == []


@pytest.mark.parametrize("kind", KINDS)
def test_while_it_is_unread_each_further_inbound_message_is_unread_again(kind: Kind) -> None:
    harness, conversation = quiet(kind)
    for _ in range(15):
        harness.clock.forward(1)
        harness.world.message(conversation, "Hello?")
        assert harness.told() == ["message", "unread"]


def test_chatwoots_count_stops_at_ten_and_says_so_by_empty_changes() -> None:
    harness, conversation = quiet("chatwoot")
    for _ in range(11):
        harness.world.message(conversation, "Hello?")
    counts = [dict(entry.after) for entry in harness.world.truth.find(type="conversation.unread")]
    assert counts[0] == {"unread": True, "unread_count": 1}
    assert counts[1:] == [{"unread_count": n} for n in range(2, 11)] + [{}]


def test_at_leadping_an_answer_to_an_unread_conversation_counts_as_inbound_but_a_note_does_not() -> (
    None
):
    harness, conversation = quiet("leadping")
    harness.world.message(conversation, "Hello?")
    harness.told()
    harness.world.message(conversation, "Yes!", "outbound")
    assert harness.told() == ["message", "unread"]
    harness.world.message(conversation, "VIP", "internal")
    assert harness.told() == ["message"]


def test_an_unread_count_that_falls_but_stays_above_zero_is_no_event() -> None:
    harness, conversation = quiet("chatwoot")
    for _ in range(3):
        harness.clock.forward(5)
        harness.world.message(conversation, "Hello?")
    harness.told()
    harness.world.mark_unread(conversation)
    assert canonical("chatwoot", conversation.state)["unread_count"] == 1
    assert harness.told() == []


def test_an_inbound_message_reopens_a_resolved_chatwoot_conversation() -> None:
    harness, conversation = quiet("chatwoot")
    harness.world.archive(conversation)
    harness.told()
    harness.world.message(conversation, "One more thing")
    entry = harness.world.truth.find(type="conversation.unarchived")[0]
    assert entry.before == {"archived": True, "status": "resolved"}
    assert entry.after == {"archived": False, "status": "open"}
    assert harness.told() == ["message", "unread", "waiting", "unarchived"]


@pytest.mark.parametrize(
    ("kind", "direction", "type_"),
    [("leadping", "internal", None), ("highlevel", "internal", "internal_comment"),
     ("chatwoot", "internal", "sms")],
)  # fmt: skip
def test_a_note_is_internal_with_the_type_that_the_row_can_show(
    kind: Kind, direction: str, type_: str | None
) -> None:
    harness = Harness(kind)
    conversation = harness.create(inbox=harness.account.inboxes[0])
    harness.world.message(conversation, "VIP", "internal")
    assert harness.world.truth.entries[-1].after["last_message"] == {
        "text": "VIP", "direction": direction, "type": type_, "at": "2026-11-20T10:00:01.000Z",
        "automated": False if kind == "chatwoot" else None, "subject": None, "attachments": [],
    }  # fmt: skip


def test_owners_come_change_and_go() -> None:
    harness, conversation = quiet("chatwoot")
    one, two, *_ = harness.account.agents
    for agent in (one, two, None):
        harness.world.assign(conversation, agent)
    entries = harness.world.truth.entries
    assert [(e.before["assignee"], e.after["assignee"]) for e in entries] == [
        (None, {"id": one.id, "name": one.name}),
        ({"id": one.id, "name": one.name}, {"id": two.id, "name": two.name}),
        ({"id": two.id, "name": two.name}, None),
    ]
    assert harness.told() == ["assigned", "reassigned", "unassigned"]


def test_a_bot_and_a_user_of_one_id_are_two() -> None:
    harness, conversation = quiet("chatwoot")
    harness.world.assign(conversation, Agent("2", "Ann"))
    harness.world.assign(conversation, Agent("2", "Robo", bot=True))
    assert harness.told() == ["assigned", "reassigned"]


def test_an_edited_message_is_no_new_one() -> None:
    harness, conversation = quiet("chatwoot")
    harness.world.message(conversation, "Hello again", "outbound")
    harness.world.edit(conversation, "Hello again, Ann")
    after = harness.world.truth.entries[-1].after
    assert after["last_message"]["text"] == "Hello again, Ann"
    assert harness.told() == ["message", "answered", "updated"]


def test_removals_tell_why_and_returns_that_they_are_some() -> None:
    harness, conversation = quiet("chatwoot")
    harness.world.revoke_access(conversation)
    harness.world.message(conversation, "Nobody sees this")
    harness.world.grant_access(conversation)
    harness.world.delete(conversation)
    told = [(e.type.removeprefix("conversation."), dict(e.extra)) for e in harness.world.truth]
    assert told == [
        ("removed", {"reason": "access_lost"}),
        ("created", {"returned": True}),
        ("unread", {"returned": True}),
        ("waiting", {"returned": True}),
        ("removed", {"reason": "deleted"}),
    ]


def test_with_a_narrow_role_a_colleagues_assignment_takes_the_conversation_away() -> None:
    clock = Clock()
    world = World(clock, 1)
    viewer = Viewer(user="7", role="conversation_unassigned_manage")
    account = world.open_account("chatwoot", "3", viewer=viewer)
    conversation = world.create(account)
    world.assign(conversation, Agent("7", "Me"))
    world.assign(conversation, account.agents[0])
    types = [entry.type for entry in world.truth]
    assert types == ["conversation.created", "conversation.assigned", "conversation.removed"]
    assert world.truth.entries[-1].extra == {"reason": "access_lost"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_contacts_new_name_reaches_all_its_conversations(kind: Kind) -> None:
    harness, conversation = quiet(kind)
    harness.world.create(harness.account, contact=conversation.state.contact)
    harness.told()
    harness.world.rename_contact(conversation, "Ada Byron")
    assert harness.told() == ["contact_changed"] * 2


def test_leadping_archives_disposes_and_deletes_the_lead_with_all_its_conversations() -> None:
    harness, conversation = quiet("leadping")
    harness.world.create(harness.account, contact=conversation.state.contact)
    harness.told()
    harness.world.archive(conversation)
    harness.world.set_disposition(conversation, "won", "Won")
    harness.world.delete(conversation)
    assert harness.told() == ["archived"] * 2 + ["disposition_changed"] * 2 + ["removed"] * 2


def test_what_is_done_in_bulk_is_logged_for_each_conversation() -> None:
    harness = Harness("chatwoot")
    agent, team = harness.account.agents[0], harness.account.teams[0]
    both = [harness.create(), harness.create()]
    for conversation in both:
        harness.world.assign(conversation, agent)
        harness.world.set_team(conversation, team)
        harness.world.set_labels(conversation, ["vip"])
    harness.told()
    harness.world.remove_agent(harness.account, agent)
    harness.world.delete_team(harness.account, team)
    harness.world.delete_label(harness.account, "vip")
    assert harness.told() == ["unassigned"] * 2 + ["team_changed"] * 2 + ["labels_changed"] * 2


def test_what_an_account_is_opened_with_is_no_news() -> None:
    harness = Harness("highlevel", conversations=20)
    assert len(harness.account.conversations) == 20
    assert harness.told() == []


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (lambda w, c: w.answer(c), "answered"),
        (lambda w, c: w.answer(c, by="phone"), "answered"),
        (lambda w, c: w.archive(c), "closed"),
    ],
)
@pytest.mark.parametrize("kind", ["highlevel", "chatwoot"])
def test_a_wait_ends_with_a_persons_answer_or_when_it_is_put_away(
    kind: Kind, end: Act, outcome: str
) -> None:
    harness, conversation = quiet(kind)
    since = canonical(kind, conversation.state)["waiting_since"]
    for act in (
        lambda: harness.world.message(conversation, "Hello?"),
        lambda: harness.world.message(conversation, "Busy", "internal"),
        lambda: harness.world.greet(conversation),
        lambda: harness.world.answer(conversation, by="bot"),
        lambda: harness.world.answer(conversation, by="campaign"),
    ):
        harness.clock.forward(1)
        act()
    assert not {"waiting", "answered"} & set(harness.told())
    end(harness.world, conversation)
    (entry,) = harness.world.truth.find(type="conversation.answered")
    assert (entry.before, entry.after) == ({"waiting_since": since}, {"waiting_since": None})
    assert entry.extra == {"outcome": outcome}


def test_who_was_put_away_unanswered_and_is_brought_back_waits_again() -> None:
    harness, conversation = quiet("chatwoot")
    harness.world.archive(conversation)
    harness.told()
    harness.world.unarchive(conversation)
    assert harness.told() == ["waiting", "unarchived"]
