"""One odd value costs itself alone: what reading rows with one comes to, from answer to events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watcher.blank import is_blank
from watcher.model import Event, Message, Reference, Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide, sanitize
from watcher.providers import Page, Provider, Response, Sweep
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import (
    HighLevel,
    HighLevelSettings,
    Leadway,
    LeadwaySettings,
)
from watcher.providers.leadping import Leadping, LeadpingSettings
from watcher.providers.rows import Row
from watcher.records import SourceState

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
PROVIDERS: Mapping[str, Provider] = {
    "chatwoot": Chatwoot(ChatwootSettings(account_id=3, token="t")),
    "highlevel": HighLevel(HighLevelSettings(location_id="loc1", token="t")),
    "leadway": Leadway(LeadwaySettings(location_id="loc1", token="t")),
    "leadping": Leadping(LeadpingSettings(token="t")),
}


def chatwoot(minute: int = 0, text: str = "Hello", **keys: Any) -> dict[str, Any]:
    meta = {
        "sender": {"id": 9, "name": "Ana", "email": "ana@example.com", "phone_number": "+15550100"},
        "channel": "Channel::WebWidget",
        "assignee": {"id": 4, "name": "Ben"},
        "team": {"id": 2, "name": "Sales"},
    }
    message = {
        "id": 100 + minute, "content": text, "content_type": "text", "message_type": 0,
        "private": False, "created_at": SECONDS + 60 * minute,
    }  # fmt: skip
    row = {
        "id": 12, "status": "open", "unread_count": minute, "labels": ["vip"], "priority": "high",
        "custom_attributes": {"plan": "gold"}, "created_at": SECONDS - 86_400,
        "last_activity_at": SECONDS + 60 * minute, "meta": meta, "last_non_activity_message": message,
    }  # fmt: skip
    return put(row, keys)


def highlevel(minute: int = 0, text: str = "Hello", **keys: Any) -> dict[str, Any]:
    row = {
        "id": "12", "contactId": "9", "fullName": "Ana", "email": "ana@example.com",
        "phone": "+15550100", "unreadCount": minute, "assignedTo": "u4", "tags": ["vip"],
        "starred": True, "dateAdded": (SECONDS - 86_400) * 1000, "type": "TYPE_PHONE",
        "lastMessageDate": (SECONDS + 60 * minute) * 1000, "lastMessageType": "TYPE_SMS",
        "lastMessageBody": text, "lastMessageDirection": "inbound", "deleted": False, "inbox": True,
    }  # fmt: skip
    return put(row, keys)


def leadping(minute: int = 0, text: str = "Hello", **keys: Any) -> dict[str, Any]:
    row = {
        "id": "12", "leadId": "9", "firstName": "Ana", "lastName": "Lee",
        "email": "ana@example.com", "leadPhoneNumber": "+15550100", "status": "needs_reply",
        "isUnread": minute > 0, "isArchived": False, "archivedAt": None, "archiveReason": None,
        "lastSnippet": text, "lastEventAt": (NOW + timedelta(minutes=minute)).isoformat(),
        "currentLeadStatus": {"id": "d1", "displayName": "Won", "outcome": "won"},
        "phoneNumber": {"id": "p1", "name": "Main", "value": "+15550111"},
    }  # fmt: skip
    return put(row, keys)


ROWS = {"chatwoot": chatwoot, "highlevel": highlevel, "leadway": highlevel, "leadping": leadping}
LACKING = object()


def put(row: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Put values at paths, whose dots are written `__`."""
    for path, value in keys.items():
        *above, key = path.split("__")
        inner = row
        for part in above:
            inner = inner[part]
        if value is LACKING:
            del inner[key]
        else:
            inner[key] = value
    return row


def read(name: str, *rows: Any) -> Page:
    bodies = {
        "chatwoot": {"data": {"meta": {"all_count": len(rows)}, "payload": rows}},
        "leadping": {"items": rows, "continuationToken": None},
    }
    body = bodies.get(name, {"conversations": rows, "total": len(rows)})
    response = Response(200, json.dumps(body).encode(), {}, NOW, NOW)
    provider = PROVIDERS[name]
    return sanitize(provider.parse(provider.start(Sweep()), response))


def observe(name: str, *looks: dict[str, Any]) -> list[list[Event]]:
    """Return the events of looks at one conversation; the first is the baseline."""
    policy = SourcePolicy("s", name, "account", ())
    state = SourceState("s", name, "account")
    known: dict[str, Snapshot] = {}
    events: list[list[Event]] = []
    for number, row in enumerate(looks):
        sent = NOW + timedelta(hours=1, minutes=number)
        decision = decide(policy, state, known, read(name, row).rows, Sighting(sent, sent, {}, NOW))
        if decision.commit is not None:
            known |= {one.conversation.id: one for one in decision.commit.snapshots}
        events.append(list(decision.commit.events) if decision.commit else [])
        state = SourceState("s", name, "account", baselined=NOW, baseline_started=NOW)
    assert known, "the baseline does not know the conversation"
    return events


ODD: list[tuple[str, str, Any, str]] = [
    # provider, path, value, what is not shown
    ("chatwoot", "meta__assignee", {}, "assignee"),
    ("chatwoot", "meta__assignee", "Ben", "assignee"),
    ("chatwoot", "meta__assignee", {"id": None, "name": "Ben"}, "assignee"),
    ("chatwoot", "meta__assignee_type", ["AgentBot"], "assignee"),
    ("chatwoot", "meta__team", [], "team"),
    ("chatwoot", "meta__sender__email", [], "contact.email"),
    ("chatwoot", "meta__sender__name", {"first": "Ana"}, "contact.name"),
    ("chatwoot", "meta__sender__id", True, "contact.id"),
    ("chatwoot", "meta__sender", "Ana", "contact.name"),
    ("chatwoot", "meta__channel", [], "channel"),
    ("chatwoot", "meta", [], "assignee"),
    ("chatwoot", "labels", ["vip", None], "labels"),
    ("chatwoot", "labels", "vip", "labels"),
    ("chatwoot", "labels", [["vip"]], "labels"),
    ("chatwoot", "priority", {"level": 1}, "priority"),
    ("chatwoot", "status", ["open"], "status"),
    ("chatwoot", "custom_attributes", "gold", "attributes.custom_attributes"),
    ("chatwoot", "created_at", "yesterday", "created_at"),
    ("chatwoot", "created_at", -5, "created_at"),
    ("chatwoot", "created_at", 1e300, "created_at"),
    ("chatwoot", "last_activity_at", 10**30, "last_activity_at"),
    ("chatwoot", "last_activity_at", True, "last_activity_at"),
    ("chatwoot", "snoozed_until", "0001-01-01T00:00:00+14:00", "attributes.snoozed_until"),
    ("chatwoot", "last_non_activity_message__id", LACKING, ""),
    ("chatwoot", "last_non_activity_message__content_type", {}, ""),
    ("chatwoot", "last_non_activity_message__message_type", [], ""),
    ("chatwoot", "last_non_activity_message__created_at", "late", ""),
    ("chatwoot", "last_non_activity_message__private", "perhaps", ""),
    *(
        (name, path, value, shown)
        for name in ("highlevel", "leadway")
        for path, value, shown in (
            ("tags", [None], "labels"),
            ("tags", {}, "labels"),
            ("fullName", {}, "contact.name"),
            ("email", ["ana@example.com"], "contact.email"),
            ("phone", {"number": 1}, "contact.phone"),
            ("contactId", [], "contact.id"),
            ("assignedTo", {}, "assignee"),
            ("starred", "perhaps", "attributes.starred"),
            ("deleted", [], "archived"),
            ("dateAdded", -1, "created_at"),
            ("dateAdded", 10**30, "created_at"),
            ("type", {}, ""),
            ("lastMessageDirection", [], ""),
            ("lastMessageDate", "soon", "last_activity_at"),
            ("isLastMessageInternalComment", [], ""),
        )
    ),
    ("leadping", "email", [], "contact.email"),
    ("leadping", "leadPhoneNumber", {}, "contact.phone"),
    ("leadping", "firstName", ["Ana"], "contact.name"),
    ("leadping", "archiveReason", {"code": 3}, "attributes.archive_reason"),
    ("leadping", "phoneNumber", "+15550111", "attributes.phone_number"),
    ("leadping", "phoneNumber", {"id": [], "name": "", "value": ""}, "attributes.phone_number"),
    ("leadping", "currentLeadStatus", "won", "disposition"),
    ("leadping", "currentLeadStatus", {"id": []}, "disposition"),
    ("leadping", "currentLeadStatus__changedAt", "soon", ""),
    ("leadping", "archivedAt", 5, "attributes.archived_at"),
    ("leadping", "isArchived", "perhaps", "archived"),
    ("leadping", "lastEventAt", "yesterday, late", "last_activity_at"),
    ("leadping", "lastEventIsInternalNote", [], ""),
]


@pytest.mark.parametrize(("name", "path", "value", "lost"), ODD)
def test_the_message_beside_an_odd_value_is_told_and_nothing_else(
    name: str, path: str, value: Any, lost: str
) -> None:
    make, told = ROWS[name], ["conversation.message", "conversation.unread"]
    baseline, news, again, sound = observe(
        name,
        make(),
        make(1, "Is anybody there?", **{path: value}),
        make(1, "Is anybody there?", **{path: value}),
        make(1, "Is anybody there?"),
    )
    assert (baseline, again) == ([], [])
    assert [event.type for event in news] == told
    # What was unreadable is as it was before, or belongs to the message that was told already.
    assert {event.type for event in sound} <= {"conversation.updated"}
    assert all(event.data["changes"].keys() == {"last_message"} for event in sound)
    row = read(name, make(1, "Is anybody there?", **{path: value}))
    assert (row.unusable, len(row.rows)) == (0, 1)
    assert not lost or lost not in row.rows[0].fields
    (complaint,) = row.complaints
    assert complaint.startswith("conversation 12: ")
    assert path.replace("__", ".") in complaint


@pytest.mark.parametrize(("name", "path", "value", "lost"), ODD)
def test_a_baseline_that_meets_an_odd_value_knows_the_conversation(
    name: str, path: str, value: Any, lost: str
) -> None:
    make = ROWS[name]
    baseline, news = observe(name, make(**{path: value}), make(1, "Hello again"))
    assert baseline == []
    assert {"conversation.message", "conversation.unread"} <= {event.type for event in news}
    assert "conversation.created" not in {event.type for event in news}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("chatwoot", "unread_count"),
        ("highlevel", "unreadCount"),
        ("leadway", "unreadCount"),
        ("leadping", "isUnread"),
    ],
)
@pytest.mark.parametrize("value", ["many", [], {}, -1, 10**30, 1.5])
def test_an_unread_state_that_cannot_be_read_costs_no_message(
    name: str, path: str, value: Any
) -> None:
    make = ROWS[name]
    _, news = observe(name, make(), make(1, "Hello again", **{path: value}))
    assert [event.type for event in news] == ["conversation.message"]


@pytest.mark.parametrize("name", ROWS)
def test_the_words_of_a_message_that_cannot_be_read_do_not_hide_it(name: str) -> None:
    paths = {"chatwoot": "last_non_activity_message__content", "leadping": "lastSnippet"}
    make, path = ROWS[name], paths.get(name, "lastMessageBody")
    _, news, again = observe(name, make(), make(1, **{path: {}}), make(1, **{path: {}}))
    assert [event.type for event in news] == ["conversation.message", "conversation.unread"]
    assert news[0].data["conversation"]["last_message"]["text"] is None
    assert again == []
    # The same message, of which nothing can be read now, is the same message.
    (_, same) = observe(name, make(), make(**{path: []}))
    assert same == []


@pytest.mark.parametrize(
    ("name", "path", "value", "field", "shown"),
    [
        ("chatwoot", "meta__sender__phone_number", 5511999990000, "contact.phone", "5511999990000"),
        ("chatwoot", "meta__sender__identifier", 17, "attributes.contact_identifier", "17"),
        ("chatwoot", "meta__sender__name", 7, "contact.name", "7"),
        ("chatwoot", "unread_count", "3", "unread_count", 3),
        ("chatwoot", "labels", [1, "vip"], "labels", ("1", "vip")),
        ("chatwoot", "meta__assignee", {"id": 4, "name": []}, "assignee", Reference("4")),
        ("highlevel", "phone", 5511999990000, "contact.phone", "5511999990000"),
        ("highlevel", "phone", 5511999990000.0, "contact.phone", "5511999990000"),
        ("highlevel", "tags", [1, "vip"], "labels", ("1", "vip")),
        ("highlevel", "assignedTo", 4, "assignee", Reference("4")),
        ("leadway", "fullName", 7, "contact.name", "7"),
        ("leadping", "leadPhoneNumber", 5511999990000, "contact.phone", "5511999990000"),
        ("leadping", "firstName", 7, "contact.name", "7 Lee"),
        ("leadping", "archiveReason", "3", "attributes.archive_reason", 3),
    ],
)
def test_numbers_where_texts_are_are_texts(
    name: str, path: str, value: Any, field: str, shown: Any
) -> None:
    page = read(name, ROWS[name](**{path: value}))
    assert page.rows[0].fields[field] == shown


def test_a_message_without_an_id_has_not_the_former_ones_id() -> None:
    (row,) = read("chatwoot", chatwoot(last_non_activity_message__id=LACKING)).rows
    assert row.message_id is None
    assert row.fields["last_message"] == Message(
        "Hello", "inbound", "webchat", NOW, automated=False
    )


def test_an_activity_line_of_an_old_server_that_cannot_be_told_is_no_message() -> None:
    line = {"id": 7, "content": "Ben resolved it", "message_type": {}, "created_at": SECONDS}
    row = chatwoot(last_non_activity_message=LACKING, messages=[line])
    (seen,) = read("chatwoot", row).rows
    assert "last_message" not in seen.fields


@pytest.mark.parametrize("name", ROWS)
def test_what_no_row_shows_readably_is_missing_and_one_odd_row_is_not(name: str) -> None:
    paths = {"chatwoot": "unread_count", "leadping": "isUnread"}
    make, path = ROWS[name], paths.get(name, "unreadCount")
    odd = make(**{path: {}})
    assert read(name, odd, make() | {"id": "13"}).missing == ()
    assert read(name, odd).missing == ()
    assert read(name, odd, odd | {"id": "13"}).missing == (path,)


@pytest.mark.parametrize("name", ROWS)
def test_what_is_optional_and_odd_everywhere_is_missing_as_well(name: str) -> None:
    paths = {"chatwoot": "meta__sender__email", "leadping": "email"}
    path = paths.get(name, "email")
    odd = ROWS[name](**{path: []})
    assert read(name, odd, odd | {"id": "13"}).missing == (path.replace("__", "."),)
    assert read(name, odd, ROWS[name]() | {"id": "13"}).missing == ()


BLANK = [
    "",
    " ",
    "\t\r\n",
    "\u00a0",
    "\u2003\u202f",
    "\u200b",
    "\ufeff",
    "\u2060\u00ad",
    "\u3164",
    "\u2800",
]


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize(
    ("name", "path", "field"),
    [
        ("chatwoot", "meta__sender__name", "contact.name"),
        ("chatwoot", "meta__sender__email", "contact.email"),
        ("chatwoot", "priority", "priority"),
        ("highlevel", "email", "contact.email"),
        ("highlevel", "phone", "contact.phone"),
        ("highlevel", "fullName", "contact.name"),
        ("highlevel", "assignedTo", "assignee"),
        ("leadway", "email", "contact.email"),
        ("leadping", "email", "contact.email"),
        ("leadping", "status", "status"),
    ],
)
def test_blank_is_nothing(name: str, path: str, field: str, blank: str) -> None:
    page = read(name, ROWS[name](**{path: blank}))
    assert page.rows[0].fields[field] is None
    assert page.complaints == ()


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("name", ROWS)
def test_a_message_of_blanks_has_no_text(name: str, blank: str) -> None:
    (row,) = read(name, ROWS[name](text=blank)).rows
    assert row.fields["last_message"].text is None


@pytest.mark.parametrize("text", ["a", " a ", "\u200ba", "٣", "名", "👍", "\u200d👩", "—"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_a_complaint_is_bounded_and_quotes_nothing() -> None:
    row = Row({f"key{number}": ["private"] for number in range(100)})
    for key in row.plain:
        row.text(key)
    (line,) = row.complaints("x" * 500)
    assert len(line) < 400
    assert "and 92 more" in line
    assert "private" not in line
