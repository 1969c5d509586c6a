"""HighLevel and Leadway: what a row of the list shows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.leadconnector_harness import (
    EMPTY,
    answer,
    observe,
    parse,
    shape,
)
from watcher.errors import SourceChanged
from watcher.model import Message, Reference


def test_the_documented_row_is_read() -> None:
    page = parse(answer(shape("documented")))
    row = page.rows[0]
    assert row.id == "ABCHkzuJQ8ZMd4Te84GK"
    assert row.fields == {
        "url": "https://app.gohighlevel.com/v2/location/loc1/conversations/conversations/"
        "ABCHkzuJQ8ZMd4Te84GK",
        "contact.id": "ABCHkzuJQ8ZMd4Te84GK",
        "contact.name": "John Doe",
        "contact.email": "johndoe@mailingdomain.com",
        "contact.phone": "+15550001234",
        "channel": "sms",
        "unread": True,
        "unread_count": 1,
        "assignee": None,
        "last_message": Message(text="This is a sample message body", type="sms"),
    }
    assert row.absent == {"assignee"}
    assert (page.total, page.unusable, page.complaints, page.missing) == (100, 0, (), ())


def test_a_real_row_shows_what_the_documentation_leaves_out() -> None:
    row = parse(answer(shape("real"))).rows[0]
    at = datetime(2026, 8, 7, 6, 6, 27, 710_000, tzinfo=UTC)
    assert row.fields["assignee"] == Reference("usr_7")
    assert row.fields["labels"] == ("import may", "vip")
    assert row.fields["archived"] is False
    assert row.fields["contact.email"] is None
    said = Message("Is Tuesday fine?", "inbound", "whatsapp", at, automated=False)
    assert row.fields["last_message"] == said
    assert row.fields["channel"] == "whatsapp"
    assert row.fields["last_activity_at"] == at
    assert row.fields["created_at"] == datetime(2026, 8, 6, 4, 20, tzinfo=UTC)
    assert row.fields["attributes.starred"] is True
    assert row.fields["attributes.followers"] == ["usr_7", "usr_9"]
    assert row.absent == frozenset()


def test_noise_is_not_shown() -> None:
    shown = {path for row in parse(answer(shape("real"))).rows for path in row.fields}
    assert {path for path in shown if path.startswith("attributes.")} == {
        "attributes.starred",
        "attributes.followers",
    }
    assert shown.isdisjoint({"status", "priority", "disposition", "team"})


def test_an_activity_line_is_no_message_and_tells_no_channel() -> None:
    row = parse(answer(shape("real"))).rows[1]
    assert "last_message" not in row.fields
    assert "channel" not in row.fields
    assert row.fields["last_activity_at"] == datetime(2026, 8, 6, 7, 6, 40, tzinfo=UTC)


def test_an_imported_empty_conversation_has_no_message() -> None:
    row = parse(answer(shape("real"))).rows[2]
    assert row.fields["last_message"] is None
    assert row.fields["channel"] == "sms"
    assert {"contact.name", "contact.email", "assignee"} == row.absent


def test_numbers_and_times_may_be_text() -> None:
    page = parse(answer(shape("as_text")))
    fields = page.rows[0].fields
    assert fields["unread_count"] == 2
    assert fields["created_at"] == datetime(2026, 8, 6, 4, 20, tzinfo=UTC)
    at = datetime(2026, 8, 7, 6, 6, 27, 710_000, tzinfo=UTC)
    assert fields["last_message"] == Message(None, "outbound", "sms", at)
    assert fields["assignee"] is None
    assert "assignee" not in page.rows[0].absent
    assert page.total == 1


def test_a_row_needs_no_more_than_an_id() -> None:
    row = observe()
    assert row.fields.keys() == {
        "url", "assignee", "contact.name", "contact.email", "contact.phone", "last_message",
    }  # fmt: skip
    assert row.absent == row.fields.keys() - {"url"}


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("TYPE_SMS", "sms"),
        ("TYPE_CAMPAIGN_MANUAL_SMS", "sms"),
        ("TYPE_CUSTOM_PROVIDER_EMAIL", "email"),
        ("TYPE_CAMPAIGN_VOICEMAIL", "call"),
        ("TYPE_IVR_CALL", "call"),
        ("TYPE_LIVE_CHAT", "webchat"),
        ("TYPE_CAMPAIGN_FACEBOOK", "facebook"),
        ("TYPE_INSTAGRAM_COMMENT", "instagram"),
        ("TYPE_CAMPAIGN_GMB", "gmb"),
        ("TYPE_TIKTOK_COMMENT", "tiktok"),
        ("TYPE_REVIEW", "review"),
        ("TYPE_CARRIER_PIGEON", "carrier_pigeon"),
        ("surprise", None),
    ],
)
def test_a_message_type_names_its_channel(kind: str, word: str | None) -> None:
    fields = observe(lastMessageType=kind, lastMessageBody="hi").fields
    assert fields["last_message"].type == word
    assert fields["channel"] == word


@pytest.mark.parametrize(
    ("own", "word"),
    [("TYPE_PHONE", "sms"), ("TYPE_FB_MESSENGER", "facebook"), (2, "email"), ("4", "review"),
     (6, None), ("TYPE_NEW", None)],
)  # fmt: skip
def test_without_a_message_the_conversations_own_type_names_the_channel(
    own: Any, word: str | None
) -> None:
    assert observe(type=own, lastMessageType=None).fields["channel"] == word


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({}, {}),
        ({"type": "TYPE_PHONE"}, {}),  # which stands on conversations of any channel
        ({"type": 1}, {}),
        ({"type": "TYPE_NEW"}, {}),
        ({"type": "TYPE_EMAIL"}, {"channel": "email"}),
        ({"lastMessageType": None}, {}),
        ({"lastMessageType": "TYPE_NO_SHOW"}, {}),
        ({"lastMessageType": None, "type": ["TYPE_PHONE"]}, {}),
        ({"lastMessageType": "", "type": "TYPE_PHONE"}, {"channel": "sms"}),
    ],
)
@pytest.mark.parametrize("message", [{}, {"lastMessageBody": "hi"}])
def test_a_channel_that_no_key_tells_is_left_out(
    row: dict[str, Any], shown: dict[str, str], message: dict[str, str]
) -> None:
    seen = observe(**row, **message)
    assert {path: word for path, word in seen.fields.items() if path == "channel"} == shown
    assert ("channel" in seen.absent) == (row == {"type": "TYPE_EMAIL"})


MESSAGE = {
    "lastMessageBody": "Is Tuesday fine?",
    "lastMessageType": "TYPE_SMS",
    "lastMessageDirection": "inbound",
    "lastMessageDate": 1_786_082_787_710,
}


@pytest.mark.parametrize(
    ("gone", "part"),
    [("lastMessageBody", "text"), ("lastMessageType", "type"),
     ("lastMessageDirection", "direction"), ("lastMessageDate", "at")],
)  # fmt: skip
def test_a_message_without_one_of_its_keys_shows_the_others(gone: str, part: str) -> None:
    whole = observe(**MESSAGE).fields["last_message"]
    seen = observe(**{key: value for key, value in MESSAGE.items() if key != gone})
    # Without a direction, nobody knows whether it came from a machine.
    lost = {part: None} | ({"automated": None} if part == "direction" else {})
    assert seen.fields["last_message"] == dataclasses.replace(whole, **lost)
    assert "last_message" not in seen.absent


def test_a_call_without_its_date_is_still_a_message() -> None:
    row = observe(lastMessageBody="", lastMessageType="TYPE_CALL", lastMessageDirection="inbound")
    call = Message(None, "inbound", "call", automated=False, attachments=("call",))
    assert row.fields["last_message"] == call


def test_a_name_that_is_read_from_another_key_is_marked() -> None:
    row = observe(contactName="ann")
    assert row.fields["contact.name"] == "ann"
    assert "contact.name" in row.absent
    for own in ("Ann", None, ""):
        assert "contact.name" not in observe(fullName=own, contactName="ann").absent


OWN = {
    "assignee": "assignedTo",
    "contact.name": "fullName",
    "contact.email": "email",
    "contact.phone": "phone",
    "channel": "lastMessageType",
}
ROW_KEYS = ("type", "contactName", "lastMessageBody", "lastMessageDate", *OWN.values())


@given(
    st.dictionaries(
        st.sampled_from(ROW_KEYS), st.sampled_from([None, "", "TYPE_EMAIL", "TYPE_NO_SHOW", 7, []])
    )
)
def test_no_path_whose_own_key_is_there_counts_as_absent(row: dict[str, Any]) -> None:
    absent = observe(**row).absent
    assert not [path for path in absent - {"last_message"} if OWN[path] in row]
    if "last_message" in absent:
        assert row.keys().isdisjoint({"lastMessageType", "lastMessageBody", "lastMessageDate"})


@pytest.mark.parametrize(
    "row",
    [{"lastMessageType": "TYPE_INTERNAL_COMMENT"}, {"isLastMessageInternalComment": True}],
)
def test_an_internal_comment_is_internal_whatever_its_direction(row: dict[str, Any]) -> None:
    fields = observe(lastMessageBody="note", lastMessageDirection="outbound", **row).fields
    assert fields["last_message"].direction == "internal"
    assert "channel" not in fields


@pytest.mark.parametrize(
    ("row", "archived"),
    [
        ({"deleted": True}, True),
        ({"inbox": False}, True),
        ({"deleted": True, "inbox": True}, True),
        ({"deleted": False, "inbox": True}, False),
        ({"deleted": None, "inbox": True}, False),
    ],
)
def test_deleted_or_out_of_the_inbox_is_archived(row: dict[str, Any], archived: bool) -> None:
    assert observe(**row).fields["archived"] is archived


@pytest.mark.parametrize(
    "row",
    [{}, {"inbox": True}, {"deleted": False}, {"deleted": False, "inbox": "yes"}],
)
def test_half_of_what_tells_the_archive_tells_nothing(row: dict[str, Any]) -> None:
    assert "archived" not in observe(**row).fields


def test_what_a_row_does_not_tell_is_left_out() -> None:
    shown = observe(deleted=None, starred=None).fields.keys()
    assert shown.isdisjoint({"archived", "labels", "unread", "unread_count", "created_at"})
    assert shown.isdisjoint({"attributes.starred", "attributes.followers", "contact.id"})


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("dateAdded", "yesterday", "created_at"),
        ("dateAdded", 1_786_000_000, "created_at"),
        ("lastMessageDate", -5, "last_activity_at"),
        ("lastMessageDate", {"seconds": 1}, "last_message"),
        ("lastMessageBody", [5], "last_message"),
        ("unreadCount", "many", "unread"),
        ("unreadCount", True, "unread_count"),
        ("assignedTo", ["u1"], "assignee"),
        ("fullName", {}, "contact.name"),
        ("tags", "vip", "labels"),
        ("tags", [None], "labels"),
        ("starred", "yes", "attributes.starred"),
    ],
)
def test_a_value_that_makes_no_sense_costs_only_its_field(key: str, value: Any, path: str) -> None:
    page = parse(answer({"conversations": [{"id": "c1", "unreadCount": 1} | {key: value}]}))
    assert path not in page.rows[0].fields
    (complaint,) = page.complaints
    assert complaint.startswith(f"conversation c1: {key} (")
    assert complaint.endswith(") cannot be read")
    assert page.unusable == 0


def test_a_row_without_an_id_is_counted_and_costs_no_other() -> None:
    rows = [{"unreadCount": 1, "lastMessageBody": "private"}, "row", {"id": 17, "unreadCount": 0}]
    page = parse(answer({"conversations": rows, "total": 3}))
    assert [row.id for row in page.rows] == ["17"]
    assert page.unusable == 2
    assert page.complaints == ("row 1: no usable id", "row 2: no usable id")


def test_a_key_that_no_row_has_is_missing() -> None:
    assert parse(answer({"conversations": [{"id": "a"}, {"id": "b"}]})).missing == ("unreadCount",)
    assert parse(EMPTY).missing == ()


def test_the_raw_row_comes_only_when_it_is_wanted() -> None:
    assert parse(answer(shape("real"))).rows[0].raw is None
    raw = parse(answer(shape("real")), raw=True).rows[0].raw
    assert raw is not None
    assert raw["opportunities"] == [{"status": "open"}]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"conversations": {}}'])
def test_what_is_no_list_of_conversations_is_a_changed_api(body: bytes) -> None:
    with pytest.raises(SourceChanged):
        parse(answer(body))
