"""Leadping's rows: every known shape of them, and that reading them is a function."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.leadping_harness import NOW, page, pages, row, rows, sweep_page
from watcher.errors import SourceChanged
from watcher.model import Conversation, Disposition, Message, from_plain, to_plain
from watcher.providers import Page

SHAPES = Path(__file__).parent / "leadping"


@given(pages)
def test_the_same_page_twice_gives_equal_observations(body: dict[str, Any]) -> None:
    assert sweep_page(body) == sweep_page(body)


@given(pages)
def test_reading_the_page_whole_and_row_by_row_come_to_the_same(body: dict[str, Any]) -> None:
    fast, slow = sweep_page(body), sweep_page(body, raw=True)
    assert [(seen.id, seen.fields) for seen in fast.rows] == [
        (seen.id, seen.fields) for seen in slow.rows
    ]
    assert (fast.next, fast.unusable, fast.missing) == (slow.next, slow.unusable, slow.missing)
    readable = {json.dumps(seen.raw, sort_keys=True) for seen in slow.rows}
    assert readable <= {json.dumps(item, sort_keys=True) for item in body["items"]}


@given(rows, st.integers(0, 3))
def test_a_row_without_an_id_costs_itself_alone(good: dict[str, Any], place: int) -> None:
    items = [good, row("x"), row("y")]
    alone, among = sweep_page(page(*items)), list(items)
    among.insert(place, {"id": {"private": 1}, "lastSnippet": "private"})
    both = sweep_page(page(*among))
    assert both.rows == alone.rows
    assert both.unusable == alone.unusable + 1
    assert f"row {place + 1}: no usable id" in both.complaints
    assert "private" not in "".join(both.complaints)


@given(rows)
def test_what_is_observed_survives_the_store(plain: dict[str, Any]) -> None:
    for seen in sweep_page(page(plain)).rows:
        shown = {
            path.removeprefix("attributes."): value
            for path, value in seen.fields.items()
            if path.startswith("attributes.")
        }
        conversation = Conversation(
            seen.id,
            disposition=seen.fields.get("disposition"),
            last_message=seen.fields.get("last_message"),
            last_activity_at=seen.fields.get("last_activity_at"),
            attributes=shown,
        )
        text = json.dumps(to_plain(conversation), ensure_ascii=False).encode()
        assert from_plain(json.loads(text)) == conversation


def shape(name: str, *, raw: bool = False) -> Page:
    return sweep_page((SHAPES / f"{name}.json").read_bytes(), raw=raw)


WON = Disposition(
    id="d-7",
    label="Appointment set",
    outcome="won",
    changed_at=datetime(2026, 5, 30, 9, 12, 44, 123456, tzinfo=UTC),
    changed_by="u-3",
)


@pytest.mark.parametrize("raw", [False, True])
def test_the_oldest_known_shape_is_understood(raw: bool) -> None:
    seed = shape("seed", raw=raw)
    ann, marsh = seed.rows
    assert ann.id == "c-1"
    assert ann.fields == {
        "contact.id": "l-1",
        "contact.name": "Ann Lee",
        "unread": True,
        "unread_count": None,
        "archived": False,
        "last_activity_at": datetime(2026, 5, 31, 5, 31, 56, tzinfo=UTC),
        "last_message": Message(
            "Is Tuesday possible?", at=datetime(2026, 5, 31, 5, 31, 56, tzinfo=UTC)
        ),
        "disposition": WON,
        "attributes.archived_at": None,
        "attributes.archive_reason": None,
        "attributes.phone_number": {"id": "p-1", "name": "Main line", "value": "+15550100"},
        "attributes.outbound_phone_number_override_id": None,
        "attributes.active_outbound_phone_number_id": "p-1",
    }
    assert (ann.absent, ann.message_id) == (frozenset(), None)
    assert (ann.raw is not None) == raw
    assert marsh.fields["contact.name"] == "Marsh"
    assert marsh.fields["archived"] is True
    assert marsh.fields["attributes.archive_reason"] == 3
    assert marsh.fields["attributes.archived_at"] == "2026-05-29T17:00:00.000Z"
    assert marsh.fields["last_activity_at"] == datetime(2026, 5, 29, 16, 0, 0, 500000, tzinfo=UTC)
    assert marsh.fields["disposition"] is None
    assert (seed.total, seed.unusable, seed.missing, seed.complaints) == (None, 0, (), ())
    assert seed.next is not None


def test_status_and_phone_came_in_june() -> None:
    june = shape("june")
    ann, marsh = (seen.fields for seen in june.rows)
    assert (ann["status"], ann["contact.phone"]) == ("needs_reply", "+15550111")
    assert (marsh["status"], marsh["contact.phone"]) == ("waiting", None)
    assert marsh["disposition"] is None  # an object of nulls
    assert (june.total, june.next, june.missing) == (2, None, ())


def test_the_renamed_disposition_is_the_same_disposition() -> None:
    june, august = shape("june"), shape("august")
    assert august.rows[0].fields["disposition"] == june.rows[0].fields["disposition"] == WON
    assert august.rows[0].fields["contact.email"] == "ann@example.com"
    marsh = august.rows[1].fields
    assert marsh["last_message"].direction == "internal"
    assert marsh["disposition"].label == "Not interested"
    assert marsh["disposition"].changed_by == "a-9"
    assert august.next is None  # an empty token ends the walk, too
    assert august.missing == ()


def test_the_shape_of_september_may_leave_the_token_out() -> None:
    september = shape("september")
    ann, marsh = (seen.fields for seen in september.rows)
    assert ann["last_activity_at"] == datetime(2026, 9, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert (marsh["last_message"], marsh["last_activity_at"]) == (None, None)
    assert (september.next, september.total) == (None, 2)


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        ({"id": 17}, "id", "17"),
        ({"leadId": 5}, "contact.id", "5"),
        ({"email": " "}, "contact.email", None),
        ({"firstName": " Ann ", "lastName": "Lee"}, "contact.name", "Ann Lee"),
        ({"firstName": None, "lastName": ""}, "contact.name", None),
        ({"firstName": "Ann"}, "contact.name", ...),
        ({"isUnread": None}, "unread", ...),
        ({"isUnread": None}, "unread_count", ...),
        ({"isArchived": "true"}, "archived", True),
        ({"lastEventAt": None}, "last_activity_at", None),
        ({"lastEventAt": "0001-01-01T00:00:00"}, "last_activity_at", None),
        ({"lastEventAt": "2026-09-01T12:00:00+02:00"}, "last_activity_at", NOW.replace(day=1, hour=10)),
        ({"lastSnippet": "half \ud83d"}, "last_message", Message("half ?", at=NOW.replace(day=1, hour=0))),
        ({"lastSnippet": "Hi", "lastEventAt": None}, "last_message", Message("Hi")),
        ({"email": None}, "last_message", ...),
        ({"archiveReason": "DoNotContact"}, "attributes.archive_reason", "DoNotContact"),
        ({"currentLeadStatus": None, "currentDisposition": {"id": 4}}, "disposition", Disposition("4")),
        ({"currentDisposition": {}}, "disposition", None),
        ({"phoneNumber": {"id": 3, "name": "", "value": None}}, "attributes.phone_number",
         {"id": "3", "name": None, "value": None}),
        ({"phoneNumber": {"id": 3}}, "attributes.phone_number", ...),  # half a number is no number
        ({"phoneNumber": None}, "attributes.phone_number", None),
        ({}, "attributes.phone_number", ...),
        ({"nextStep": "Ring", "avatarUrl": "https://a", "statusReason": "So"}, "status", ...),
    ],
)  # fmt: skip
def test_keys_become_paths_and_what_is_absent_is_left_out(
    keys: dict[str, Any], path: str, value: Any
) -> None:
    (seen,) = sweep_page(page(row("c-1") | keys)).rows
    shown = {"id": seen.id, **seen.fields}
    assert shown.get(path, ...) == value


@pytest.mark.parametrize(
    ("items", "missing"),
    [
        ([], ()),
        ([row("a"), {"id": "b"}], ()),
        ([{"id": "a"}], ("isUnread", "isArchived", "lastEventAt")),
        ([row("a", isUnread=None)], ("isUnread", "lastSnippet", "currentLeadStatus")),
        ([row("a", email=None)], ("lastSnippet", "currentLeadStatus")),
        ([row("a", email=None, lastSnippet=None, currentDisposition=None)], ()),
        ([row("a", email="a@example.com")], ()),
    ],
)  # fmt: skip
def test_keys_that_no_row_has_are_reported_where_that_is_a_sign(
    items: list[Any], missing: tuple[str, ...]
) -> None:
    assert sweep_page(page(*items)).missing == missing


@pytest.mark.parametrize(
    "wrong", [None, 5, "text", [], {"id": None}, {"id": ""}, {"isUnread": True}]
)
def test_a_row_that_is_none_is_unusable_and_named(wrong: Any) -> None:
    parsed = sweep_page(page(row("a"), wrong))
    assert [seen.id for seen in parsed.rows] == ["a"]
    assert parsed.unusable == 1
    assert parsed.complaints == ("row 2: no usable id",)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>sign in</html>", b"null", b"[]", b"{}", b'{"items":null}', b'{"items":{}}'),
        *(b'{"items":[],"continuationToken":{}}', b"\xff\xfe\x00", b"[" * 100_000),
    ],
)
def test_what_is_no_page_is_a_changed_source(body: bytes) -> None:
    for raw in (False, True):
        with pytest.raises(SourceChanged, match="is not a page of conversations"):
            sweep_page(body, raw=raw)


def test_a_time_outside_of_the_calendar_is_unreadable() -> None:
    parsed = sweep_page(page(row("c-1", lastEventAt="9999-12-31T23:59:59-10:00")))
    assert parsed.complaints == ("conversation c-1: lastEventAt (a text) cannot be read",)


def test_a_count_that_cannot_be_read_costs_nothing() -> None:
    parsed = sweep_page(page(row("a")) | {"totalCount": "many"})
    assert (len(parsed.rows), parsed.total) == (1, None)
