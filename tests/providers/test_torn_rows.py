"""What each provider's rows show while they are read in pieces or deleted in steps, from answer to events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.providers.test_odd_values import LACKING, NOW, PROVIDERS, ROWS, SECONDS, read
from watcher.model import Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide
from watcher.records import SourceState


def line(minute: int, kind: int = 0, number: int | None = None) -> dict[str, Any]:
    """Return a message of Chatwoot's."""
    return {
        "id": 100 + minute if number is None else number, "content": f"line {minute}", "content_type": "text",
        "message_type": kind, "private": False, "created_at": SECONDS + 60 * minute,
    }  # fmt: skip


OLD: dict[str, Any] = {"last_non_activity_message": LACKING, "messages": [line(2)]}
"""What Chatwoot's rows show before v2.17: the newest line of any kind."""

NOBODY = {"fullName": LACKING, "email": LACKING, "phone": LACKING, "tags": []}

TORN: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    # provider, what the whole row shows besides, what the torn one does, what a real loss is
    "chatwoot, no messages": (
        "chatwoot", {}, {"last_non_activity_message": None, "messages": [], "unread_count": 0},
        ["read", "updated"],
    ),
    "chatwoot, no messages, counted before": (
        "chatwoot", {}, {"last_non_activity_message": None}, ["updated"],
    ),
    "chatwoot, an older message": (
        "chatwoot", {}, {"last_non_activity_message": line(1, 1), "unread_count": 0},
        ["read", "updated"],
    ),
    "chatwoot, an older message of the same second": (
        "chatwoot", {}, {"last_non_activity_message": line(2, 1, number=99), "unread_count": 1},
        ["updated"],
    ),
    "chatwoot, no contact": (
        "chatwoot", {"meta__sender__identifier": "crm-7", "meta__sender__custom_attributes": {"a": 1}},
        {"meta__sender": None}, ["contact_changed", "updated"],
    ),
    "chatwoot, no inbox": ("chatwoot", {}, {"meta__channel": None}, ["updated"]),
    "chatwoot 2.16, no messages": (
        "chatwoot", OLD, {**OLD, "messages": [], "unread_count": 0}, ["read", "updated"],
    ),
    "chatwoot 2.16, an older activity line": (
        "chatwoot", OLD, {**OLD, "messages": [line(1, 2)], "unread_count": 0}, ["read"],
    ),
    "highlevel, no line": (
        "highlevel", {},
        {"lastMessageType": "TYPE_NO_SHOW", "lastMessageBody": "", "unreadCount": 0},
        ["read", "updated"],
    ),
    "highlevel, no keys": (
        "highlevel", {},
        {
            "lastMessageType": LACKING, "lastMessageBody": LACKING, "lastMessageDate": LACKING,
            "lastMessageDirection": LACKING, "unreadCount": 0,
        },
        ["read", "updated"],
    ),
    "highlevel, an older line": (
        "highlevel", {},
        {"lastMessageDate": SECONDS * 1000, "lastMessageBody": "Good day", "unreadCount": 1},
        ["updated"],
    ),
    "highlevel, an older activity line": (
        "highlevel", {},
        {
            "lastMessageType": "TYPE_ACTIVITY_OPPORTUNITY", "lastMessageDate": SECONDS * 1000,
            "unreadCount": 0,
        },
        ["read"],
    ),
    "highlevel, no contact": ("highlevel", {}, NOBODY, ["contact_changed", "labels_changed"]),
    "leadping, no event": (
        "leadping", {}, {"lastSnippet": None, "lastEventAt": None, "isUnread": False},
        ["read", "updated"],
    ),
    "leadping, an older event": (
        "leadping", {}, {"lastSnippet": "Good day", "lastEventAt": NOW.isoformat(), "isUnread": False},
        ["read", "updated"],
    ),
    "leadping, no words at the time of another event": (
        "leadping", {}, {"lastSnippet": None, "isUnread": False}, ["read", "updated"],
    ),
    "leadping, no lead": (
        "leadping", {},
        {"firstName": None, "lastName": None, "email": None, "leadPhoneNumber": None},
        ["contact_changed"],
    ),
}  # fmt: skip


class Watched:
    """One conversation of a provider, looked at again and again."""

    def __init__(self, name: str) -> None:
        self.name = name
        torn = PROVIDERS[name].torn
        self.policy = SourcePolicy("s", name, "account", (), unread_cap=10, torn=torn)
        self.state = SourceState("s", name, "account")
        self.known: dict[str, Snapshot] = {}

    def look(self, second: int, row: dict[str, Any], *, odd: bool = False) -> list[str]:
        """Return the types of events of a look so many seconds after the baseline, the first one."""
        sent = NOW + timedelta(hours=1, seconds=second)
        page = read(self.name, row)
        assert bool(page.complaints) is odd
        # Other rows of the walk have the keys that this one lacks.
        sighting = Sighting(sent, sent, {}, NOW, trusted=page.rows[0].absent)
        decision = decide(self.policy, self.state, self.known, page.rows, sighting)
        self.state = SourceState("s", self.name, "account", baselined=NOW, baseline_started=NOW)
        if decision.commit is None:
            return []
        self.known |= {one.conversation.id: one for one in decision.commit.snapshots}
        return [event.type.removeprefix("conversation.") for event in decision.commit.events]


@pytest.mark.parametrize(("name", "whole", "torn", "lost"), TORN.values(), ids=TORN)
def test_a_torn_row_tells_nothing_and_a_real_loss_is_told_after_a_minute(
    name: str, whole: dict[str, Any], torn: dict[str, Any], lost: list[str]
) -> None:
    whole_row, torn_row = ROWS[name](2, **whole), ROWS[name](2, **torn)
    source = Watched(name)
    source.look(0, whole_row)
    before = source.known["12"]
    assert source.look(10, torn_row) == []
    assert source.look(40, torn_row) == []
    assert source.known["12"].conversation == before.conversation
    assert source.look(50, whole_row) == []
    assert source.known["12"].doubt is None
    assert source.look(100, torn_row) == []
    assert sorted(source.look(161, torn_row)) == sorted(lost)


BESIDES = {
    "chatwoot": ("chatwoot, no messages", {"status": "resolved", "meta__assignee": {"id": 5, "name": "Eva"}},
                 ["answered", "archived", "reassigned"]),
    "highlevel": ("highlevel, no line", {"assignedTo": "u5", "inbox": False},
                  ["answered", "archived", "reassigned"]),
    "leadping": ("leadping, no event", {"isArchived": True}, ["archived"]),
}  # fmt: skip


@pytest.mark.parametrize(("case", "besides", "told"), BESIDES.values(), ids=BESIDES)
def test_what_a_torn_row_shows_besides_is_told_from_it(
    case: str, besides: dict[str, Any], told: list[str]
) -> None:
    name, whole, torn, _ = TORN[case]
    source = Watched(name)
    source.look(0, ROWS[name](2, **whole))
    assert sorted(source.look(10, ROWS[name](2, **torn, **besides))) == told


def test_leadway_reads_and_tears_rows_as_highlevel_does() -> None:
    assert PROVIDERS["leadway"].torn == PROVIDERS["highlevel"].torn


def test_words_that_cannot_be_read_for_long_are_not_gone() -> None:
    source, make = Watched("leadping"), ROWS["leadping"]
    source.look(0, make(2))
    unreadable = make(2, lastSnippet={"text": "Hi"})
    assert [source.look(at, unreadable, odd=True) for at in (10, 71, 132)] == [[], [], []]
