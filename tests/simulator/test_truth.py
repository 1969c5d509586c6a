"""The truth log: the contract's table of event types, mutation by mutation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from stand import KINDS, START, Clock, Stage

from watcher.simulator import Agent, Conversation, Impossible, Viewer, World, canonical
from watcher.simulator.state import Kind

Act = Callable[[World, Conversation], object]

EVERYWHERE: dict[str, tuple[Act, list[str]]] = {
    "an inbound message is a message and unread": (
        lambda w, c: w.message(c, "Hello?"),
        ["message", "unread"],
    ),
    "an answer to a read conversation is a message only": (
        lambda w, c: w.message(c, "Yes!", "outbound"),
        ["message"],
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
    "archiving": (lambda w, c: w.archive(c), ["archived"]),
    "a deleted one is removed": (lambda w, c: w.delete(c), ["removed"]),
    "a new one that is empty is created": (lambda w, c: w.create(c.account), ["created"]),
    "a new one with a message is also unread": (
        lambda w, c: w.create(c.account, "Hi"),
        ["created", "unread"],
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
        "the trash is an archive": (lambda w, c: w.archive(c, "trash"), ["archived"]),
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
            ["archived"],
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


def quiet(kind: Kind) -> tuple[Stage, Conversation]:
    """Give a read, open conversation whose past is not in the truth."""
    stage = Stage(kind)
    conversation = stage.create("Hello")
    stage.clock.forward(1)
    stage.world.read(conversation)
    stage.clock.forward(1)
    stage.told()
    return stage, conversation


@pytest.mark.parametrize(("kind", "act", "types"), TABLE)
def test_a_mutation_is_logged_as_the_contract_says(kind: Kind, act: Act, types: list[str]) -> None:
    stage, conversation = quiet(kind)
    act(stage.world, conversation)
    assert stage.told() == types


IMPOSSIBLE: dict[Kind, list[Act]] = {
    "leadping": [
        lambda w, c: w.edit(c, "Hullo"),
        lambda w, c: w.assign(c, None),
        lambda w, c: w.set_team(c, None),
        lambda w, c: w.set_labels(c, []),
        lambda w, c: w.set_priority(c, None),
        lambda w, c: w.star(c),
        lambda w, c: w.orphan(c),
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
    stage, conversation = quiet(kind)
    for act in IMPOSSIBLE[kind]:
        with pytest.raises(Impossible, match=kind):
            act(stage.world, conversation)
    assert stage.told() == []


@pytest.mark.parametrize("kind", KINDS)
def test_while_it_is_unread_each_further_inbound_message_is_unread_again(kind: Kind) -> None:
    stage, conversation = quiet(kind)
    for _ in range(15):
        stage.clock.forward(1)
        stage.world.message(conversation, "Hello?")
        assert stage.told() == ["message", "unread"]


def test_chatwoots_count_stops_at_ten_and_says_so_by_empty_changes() -> None:
    stage, conversation = quiet("chatwoot")
    for _ in range(11):
        stage.world.message(conversation, "Hello?")
    counts = [dict(entry.after) for entry in stage.world.truth.find(type="conversation.unread")]
    assert counts[0] == {"unread": True, "unread_count": 1}
    assert counts[1:] == [{"unread_count": n} for n in range(2, 11)] + [{}]


def test_at_leadping_an_answer_to_an_unread_conversation_counts_as_inbound_but_a_note_does_not() -> (
    None
):
    stage, conversation = quiet("leadping")
    stage.world.message(conversation, "Hello?")
    stage.told()
    stage.world.message(conversation, "Yes!", "outbound")
    assert stage.told() == ["message", "unread"]
    stage.world.message(conversation, "VIP", "internal")
    assert stage.told() == ["message"]


def test_an_unread_count_that_falls_but_stays_above_zero_is_no_event() -> None:
    stage, conversation = quiet("chatwoot")
    for _ in range(3):
        stage.clock.forward(5)
        stage.world.message(conversation, "Hello?")
    stage.told()
    stage.world.mark_unread(conversation)
    assert canonical("chatwoot", conversation.state)["unread_count"] == 1
    assert stage.told() == []


def test_an_inbound_message_reopens_a_resolved_chatwoot_conversation() -> None:
    stage, conversation = quiet("chatwoot")
    stage.world.archive(conversation)
    stage.told()
    stage.world.message(conversation, "One more thing")
    entry = stage.world.truth.find(type="conversation.unarchived")[0]
    assert entry.before == {"archived": True, "status": "resolved"}
    assert entry.after == {"archived": False, "status": "open"}
    assert stage.told() == ["message", "unread", "unarchived"]


@pytest.mark.parametrize(
    ("kind", "direction", "type_"),
    [("leadping", "internal", None), ("highlevel", "internal", "internal_comment"),
     ("chatwoot", "internal", "sms")],
)  # fmt: skip
def test_a_note_is_internal_with_the_type_that_the_row_can_show(
    kind: Kind, direction: str, type_: str | None
) -> None:
    stage = Stage(kind)
    conversation = stage.create(inbox=stage.account.inboxes[0])
    stage.world.message(conversation, "VIP", "internal")
    assert stage.world.truth.entries[-1].after["last_message"] == {
        "text": "VIP", "direction": direction, "type": type_, "at": "2026-11-20T10:00:01.000Z",
    }  # fmt: skip


def test_owners_come_change_and_go() -> None:
    stage, conversation = quiet("chatwoot")
    one, two, *_ = stage.account.agents
    for agent in (one, two, None):
        stage.world.assign(conversation, agent)
    entries = stage.world.truth.entries
    assert [(e.before["assignee"], e.after["assignee"]) for e in entries] == [
        (None, {"id": one.id, "name": one.name}),
        ({"id": one.id, "name": one.name}, {"id": two.id, "name": two.name}),
        ({"id": two.id, "name": two.name}, None),
    ]
    assert stage.told() == ["assigned", "reassigned", "unassigned"]


def test_a_bot_and_a_user_of_one_id_are_two() -> None:
    stage, conversation = quiet("chatwoot")
    stage.world.assign(conversation, Agent("2", "Ann"))
    stage.world.assign(conversation, Agent("2", "Robo", bot=True))
    assert stage.told() == ["assigned", "reassigned"]


def test_an_edited_message_is_no_new_one() -> None:
    stage, conversation = quiet("chatwoot")
    stage.world.message(conversation, "Hello again", "outbound")
    stage.world.edit(conversation, "Hello again, Ann")
    after = stage.world.truth.entries[-1].after
    assert after["last_message"]["text"] == "Hello again, Ann"
    assert stage.told() == ["message", "updated"]


def test_removals_tell_why_and_returns_that_they_are_some() -> None:
    stage, conversation = quiet("chatwoot")
    stage.world.revoke_access(conversation)
    stage.world.message(conversation, "Nobody sees this")
    stage.world.grant_access(conversation)
    stage.world.delete(conversation)
    told = [(e.type.removeprefix("conversation."), dict(e.extra)) for e in stage.world.truth]
    assert told == [
        ("removed", {"reason": "access_lost"}),
        ("created", {"returned": True}),
        ("unread", {}),
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
    stage, conversation = quiet(kind)
    stage.world.create(stage.account, contact=conversation.state.contact)
    stage.told()
    stage.world.rename_contact(conversation, "Ada Byron")
    assert stage.told() == ["contact_changed"] * 2


def test_leadping_archives_disposes_and_deletes_the_lead_with_all_its_conversations() -> None:
    stage, conversation = quiet("leadping")
    stage.world.create(stage.account, contact=conversation.state.contact)
    stage.told()
    stage.world.archive(conversation)
    stage.world.set_disposition(conversation, "won", "Won")
    stage.world.delete(conversation)
    assert stage.told() == ["archived"] * 2 + ["disposition_changed"] * 2 + ["removed"] * 2


def test_what_is_done_in_bulk_is_logged_for_each_conversation() -> None:
    stage = Stage("chatwoot")
    agent, team = stage.account.agents[0], stage.account.teams[0]
    both = [stage.create(), stage.create()]
    for conversation in both:
        stage.world.assign(conversation, agent)
        stage.world.set_team(conversation, team)
        stage.world.set_labels(conversation, ["vip"])
    stage.told()
    stage.world.remove_agent(stage.account, agent)
    stage.world.delete_team(stage.account, team)
    stage.world.delete_label(stage.account, "vip")
    assert stage.told() == ["unassigned"] * 2 + ["team_changed"] * 2 + ["labels_changed"] * 2


def test_what_an_account_is_opened_with_is_no_news() -> None:
    stage = Stage("highlevel", conversations=20)
    assert len(stage.account.conversations) == 20
    assert stage.told() == []
