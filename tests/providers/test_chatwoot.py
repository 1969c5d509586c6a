"""Chatwoot's rows: shapes of several versions, and what is noise."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.chatwoot_harness import NOW, chatwoot, envelope, one, parse, shape
from watcher.model import Message, Observation, Reference


def rows(name: str) -> dict[str, Observation]:
    return {row.id: row for row in parse(shape(name)).rows}


# -- the shape of a row ---------------------------------------------------------------------------


def test_a_row_of_today_shows_every_field_of_a_conversation() -> None:
    seen = rows("list_v4_15")["101"]
    assert seen.message_id == "9001"
    assert not seen.absent
    assert seen.fields == {
        "url": "https://chat.example.com/app/accounts/3/conversations/101",
        "status": "open",
        "archived": False,
        "unread": True,
        "unread_count": 2,
        "labels": ("billing", "vip"),
        "priority": "high",
        "channel": "webchat",
        "assignee": Reference("5", "Noor de Vries"),
        "team": Reference("2", "billing"),
        "contact.id": "41",
        "contact.name": "Ada Okafor",
        "contact.email": "contact41@example.org",
        "contact.phone": "+31612340041",
        "last_message": Message(
            "Where is my invoice?",
            "inbound",
            "webchat",
            datetime(2026, 6, 17, 9, 58, tzinfo=UTC),
            automated=False,
        ),
        "last_activity_at": datetime(2026, 6, 17, 9, 58, tzinfo=UTC),
        "created_at": datetime(2026, 6, 17, 8, 0, tzinfo=UTC),
        "attributes.custom_attributes": {"outcome": "callback"},
        "attributes.inbox_id": "7",
        "attributes.muted": False,
        "attributes.snoozed_until": None,
        "attributes.contact_identifier": "crm-41",
        "attributes.contact_custom_attributes": {"plan": "pro"},
    }


def test_a_bot_and_a_user_of_the_same_number_are_two_assignees() -> None:
    seen = rows("list_v4_15")
    assert seen["101"].fields["assignee"] == Reference("5", "Noor de Vries")
    assert seen["102"].fields["assignee"] == Reference("bot:5", "Concierge")


def test_an_assignee_that_the_row_leaves_out_is_none_and_no_sign_of_a_changed_api() -> None:
    seen = rows("list_v4_15")["103"]
    assert seen.fields["assignee"] is None
    assert seen.fields["team"] is None
    assert not seen.absent


def test_a_snoozed_row_with_a_private_note() -> None:
    seen = rows("list_v4_15")["103"]
    assert seen.fields["status"] == "snoozed"
    assert seen.fields["attributes.snoozed_until"] == "2026-06-18T07:00:00.000Z"
    assert seen.fields["last_message"].direction == "internal"
    assert seen.fields["contact.email"] is None
    assert seen.fields["attributes.muted"] is True


def test_a_resolved_row_is_archived_and_its_activity_line_is_not_its_last_message() -> None:
    seen = rows("list_v4_15")["104"]
    assert seen.fields["archived"] is True
    assert seen.fields["last_message"].text == "Thanks!"
    assert seen.fields["last_message"].type == "sms"
    assert seen.message_id == "9004"


def test_a_template_goes_out_and_a_full_count_is_given_as_it_is() -> None:
    seen = rows("list_v4_15")["102"]
    assert seen.fields["last_message"].direction == "outbound"
    assert seen.fields["unread_count"] == chatwoot().unread_cap == 10


def test_a_row_of_version_three_knows_only_users_and_no_service_level() -> None:
    seen = rows("list_v3_5")["101"]
    assert seen.fields["assignee"] == Reference("5", "Noor de Vries")
    assert "attributes.sla_status" not in seen.fields


def test_a_row_of_version_two_shows_its_newest_line_and_leaves_the_rest_out() -> None:
    seen = rows("list_v2_9")
    assert seen["101"].fields["last_message"].text == "Where is my invoice?"
    assert seen["101"].message_id == "9001"
    assert "last_message" not in seen["104"].fields, "an activity line hides the last message"
    assert seen["104"].message_id is None
    assert "priority" not in seen["101"].fields


def test_a_conversation_of_version_two_without_any_line_has_no_last_message() -> None:
    row = shape("list_v2_9")["data"]["payload"][0]
    (seen,) = parse(envelope([{**row, "messages": []}])).rows
    assert seen.fields["last_message"] is None


def test_what_a_contact_does_not_show_is_left_out() -> None:
    seen = one(meta={"sender": {"id": 41, "name": "Ada"}, "channel": "Channel::Api"})
    assert seen.fields["contact.name"] == "Ada"
    assert "contact.email" not in seen.fields


def test_without_meta_nothing_is_said_about_assignee_team_contact_or_channel() -> None:
    row = shape("show_v4_15")
    del row["meta"]
    (seen,) = parse(envelope([row])).rows
    assert not {"assignee", "team", "channel", "contact.id"} & set(seen.fields)


def test_service_levels_are_tracked_where_the_edition_has_them() -> None:
    seen = rows("list_enterprise")
    assert seen["101"].fields["attributes.sla_status"] == "active_with_misses"
    assert seen["103"].fields["attributes.sla_status"] is None


def test_a_row_with_nothing_but_an_id_says_nothing_else() -> None:
    (seen,) = parse(envelope([{"id": 7}])).rows
    assert seen.id == "7"
    assert set(seen.fields) == {"url"}


@pytest.mark.parametrize(
    ("over", "path", "value"),
    [
        ({"created_at": 0}, "created_at", None),
        ({"created_at": "2026-06-17T08:00:00+02:00"}, "created_at", NOW - timedelta(hours=4)),
        ({"last_activity_at": str(int(NOW.timestamp()))}, "last_activity_at", NOW),
        (
            {"snoozed_until": int(NOW.timestamp())},
            "attributes.snoozed_until",
            "2026-06-17T10:00:00.000Z",
        ),
        ({"unread_count": 0}, "unread", False),
        ({"labels": ["b", "a", "b"]}, "labels", ("a", "b")),
        ({"priority": None}, "priority", None),
        ({"last_non_activity_message": None}, "last_message", None),
    ],
)
def test_values_are_read_in_every_form_they_come_in(
    over: dict[str, Any], path: str, value: Any
) -> None:
    assert one(**over).fields[path] == value


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("Channel::WebWidget", "webchat"),
        ("Channel::Email", "email"),
        ("Channel::Whatsapp", "whatsapp"),
        ("Channel::FacebookPage", "facebook"),
        ("Channel::Instagram", "instagram"),
        ("Channel::Sms", "sms"),
        ("Channel::TwilioSms", "sms"),
        ("Channel::Telegram", "telegram"),
        ("Channel::Line", "line"),
        ("Channel::TwitterProfile", "twitter"),
        ("Channel::Api", "api"),
        ("Channel::Voice", "call"),
        ("Channel::Tiktok", "tiktok"),
        (None, None),
    ],
)
def test_channels_have_our_words(name: str | None, channel: str | None) -> None:
    row = shape("show_v4_15")
    seen = one(meta={**row["meta"], "channel": name})
    assert seen.fields["channel"] == channel
    assert seen.fields["last_message"].type == channel


def test_a_content_type_that_says_more_than_the_channel_is_the_message_type() -> None:
    message = shape("show_v4_15")["last_non_activity_message"]
    seen = one(last_non_activity_message={**message, "content_type": "input_csat"})
    assert seen.fields["last_message"].type == "input_csat"


def test_raw_rows_are_the_decoded_rows_and_change_nothing_else() -> None:
    body = shape("list_v4_15")
    plain, raw = parse(body), parse(body, raw=True)
    assert [row.raw for row in raw.rows] == body["data"]["payload"]
    assert all(row.raw is None for row in plain.rows)
    assert [row.fields for row in plain.rows] == [row.fields for row in raw.rows]


# -- noise ----------------------------------------------------------------------------------------

NOISE: tuple[tuple[str, ...], ...] = (
    ("updated_at",),
    ("timestamp",),
    ("can_reply",),
    ("agent_last_seen_at",),
    ("assignee_last_seen_at",),
    ("contact_last_seen_at",),
    ("additional_attributes", "browser"),
    ("additional_attributes", "initiated_at"),
    ("meta", "hmac_verified"),
    ("meta", "sender", "availability_status"),
    ("meta", "sender", "last_activity_at"),
    ("meta", "sender", "thumbnail"),
    ("meta", "sender", "additional_attributes"),
    ("meta", "assignee", "availability_status"),
    ("meta", "assignee", "thumbnail"),
    ("meta", "team", "is_member"),
    ("last_non_activity_message", "status"),
    ("last_non_activity_message", "updated_at"),
    ("a_key_of_tomorrow",),
)
STAMPS = st.one_of(st.none(), st.integers(0, 2**31), st.just("2026-06-17T10:00:00Z"))
ANYTHING = st.one_of(STAMPS, st.text(), st.booleans(), st.dictionaries(st.text(), st.text()))


@given(changes=st.dictionaries(st.sampled_from(NOISE), ANYTHING), stamp=STAMPS)
def test_noise_never_changes_an_observation(changes: dict[Any, Any], stamp: Any) -> None:
    row = copy.deepcopy(shape("show_v4_15"))
    for path, value in changes.items():
        inner = row
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = stamp if path == ("updated_at",) else value
    (seen,) = parse(envelope([row])).rows
    assert seen == one()
