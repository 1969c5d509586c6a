"""Laws of merge and diff, then the contract's table of changes, a sentence a case."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, observations, row
from watcher.diff import Change, WaitEnd, appearance, diff
from watcher.merge import Known, drop_unmapped, merge, take_over_new_fields
from watcher.model import Contact, Conversation, Disposition, Reference, rfc3339, to_plain

one = observations(st.just("c1"))


@given(one, one)
def test_nothing_changes_between_a_conversation_and_itself(first: Any, second: Any) -> None:
    believed = merge(merge(None, first), second)
    assert diff(believed, believed) == ()


@given(one, one)
def test_merging_the_same_row_again_changes_nothing(first: Any, second: Any) -> None:
    once = merge(merge(None, first), second)
    assert merge(once, second) == once


@given(one, one)
def test_each_changed_field_belongs_to_exactly_one_change(first: Any, second: Any) -> None:
    old, new = merge(None, first), merge(merge(None, first), second)
    told = [name for change in diff(old, new, unread_cap=10) for name in change.changes]
    assert len(told) == len(set(told))


@given(one, one)
def test_each_side_of_a_change_is_the_whole_plain_value(first: Any, second: Any) -> None:
    old, new = merge(None, first), merge(merge(None, first), second)
    before, after = to_plain(old.conversation), to_plain(new.conversation)
    for change in diff(old, new, unread_cap=10):
        for name, sides in change.changes.items():
            assert sides == {"before": before[name], "after": after[name]}


@given(one, one)
def test_every_tracked_difference_is_told_or_is_lawfully_silent(first: Any, second: Any) -> None:
    old, new = merge(None, first), merge(merge(None, first), second)
    a, b = old.conversation, new.conversation
    told = {name for change in diff(old, new) for name in change.changes}
    for name in ("archived", "status", "disposition", "labels", "priority", "contact", "channel"):
        assert (getattr(a, name) != getattr(b, name)) == (name in told)
    for name in ("url", "created_at", "last_activity_at"):
        assert name not in told


@given(one, one)
def test_what_was_never_shown_before_is_taken_over_silently(first: Any, second: Any) -> None:
    old = merge(None, first)
    new = merge(old, second)
    shown = frozenset(first.fields)
    told = diff(take_over_new_fields(old, second, shown), new)
    names = {name for change in told for name in change.changes}
    heads = {path.partition(".")[0] for path in shown}
    assert names <= heads | {"last_message"}  # which is news where it is later than all known


@given(one, one)
def test_what_is_shown_by_nothing_any_more_is_forgotten_and_the_rest_stands(
    first: Any, second: Any
) -> None:
    known, shown = merge(None, first), frozenset(first.fields)
    assert drop_unmapped(known, shown) == known
    kept = shown - second.fields.keys()
    rest = dataclasses.replace(first, fields={path: first.fields[path] for path in kept})
    assert drop_unmapped(known, kept).conversation == merge(None, rest).conversation


def test_the_first_message_after_a_line_of_the_systems_is_news_and_an_older_one_is_not() -> None:
    empty = merge(None, row("c1", last_activity_at=message("", at=5).at))
    for at, told in ((4, []), (5, []), (6, ["conversation.message"])):
        shown = row("c1", last_message=message("hi", at=at))
        changes = diff(
            take_over_new_fields(empty, shown, frozenset({"last_activity_at"})), merge(empty, shown)
        )
        assert [change.type for change in changes] == told


A, B = Reference("u1", "Ana"), Reference("u2", "Ben")
HI, MORE = message("hi", at=1), message("more", at=2)
REPLY, NOTE = message("sure", "outbound", at=2), message("psst", "internal", at=2)
D1 = Disposition(id="d1", label="won")
QUIET = message("hi", None, 1, None)
LATER = message("more", None, 2, None)
LATER_NOTE = message("psst", "internal", 2, None)
SAME_LATER = message("hi", None, 2, None)

CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, set[str]]]]] = [
    ("became unread", {}, {"unread": True, "unread_count": 1},
     [("unread", {"unread", "unread_count"})]),
    ("the count rose", {"unread": True, "unread_count": 1}, {"unread": True, "unread_count": 2},
     [("unread", {"unread_count"})]),
    ("the count fell but not to zero", {"unread": True, "unread_count": 3},
     {"unread": True, "unread_count": 2}, []),
    ("a count became known", {"unread": True}, {"unread": True, "unread_count": 2}, []),
    ("was read", {"unread": True, "unread_count": 2}, {"unread": False, "unread_count": 0},
     [("read", {"unread", "unread_count"})]),
    ("a message from the customer", {"last_message": HI}, {"last_message": MORE},
     [("message", {"last_message"})]),
    ("the channel follows the message", {"last_message": HI, "channel": "sms"},
     {"last_message": MORE, "channel": "email"}, [("message", {"last_message", "channel"})]),
    ("a first message", {}, {"last_message": HI}, [("message", {"last_message"})]),
    ("the last message was edited in place", {"last_message": HI},
     {"last_message": dataclasses.replace(HI, text="hi!"), "message_id": "m1"},
     [("updated", {"last_message"})]),
    ("an older message is the last again", {"last_message": MORE}, {"last_message": HI},
     [("updated", {"last_message"})]),
    ("without a count, a newer message of unknown direction while unread",
     {"unread": True, "last_message": QUIET}, {"unread": True, "last_message": LATER},
     [("message", {"last_message"}), ("unread", set())]),
    ("without a count, an internal note while unread",
     {"unread": True, "last_message": QUIET}, {"unread": True, "last_message": LATER_NOTE},
     [("message", {"last_message"})]),
    ("without a count, an outbound message while unread",
     {"unread": True, "last_message": HI}, {"unread": True, "last_message": REPLY},
     [("message", {"last_message"})]),
    ("at the cap, a newer inbound message", {"unread": True, "unread_count": 10, "last_message": HI},
     {"unread": True, "unread_count": 10, "last_message": MORE},
     [("message", {"last_message"}), ("unread", set())]),
    ("at the cap, a reply", {"unread": True, "unread_count": 10, "last_message": HI},
     {"unread": True, "unread_count": 10, "last_message": REPLY}, [("message", {"last_message"})]),
    ("below the cap, a newer inbound message and the same count",
     {"unread": True, "unread_count": 2, "last_message": HI},
     {"unread": True, "unread_count": 2, "last_message": MORE}, [("message", {"last_message"})]),
    ("an event that is no message moves the time together with the disposition",
     {"last_message": QUIET}, {"last_message": SAME_LATER, "disposition": D1},
     [("disposition_changed", {"disposition"})]),
    ("assigned", {}, {"assignee": A}, [("assigned", {"assignee"})]),
    ("reassigned", {"assignee": A}, {"assignee": B}, [("reassigned", {"assignee"})]),
    ("unassigned", {"assignee": A}, {"assignee": None}, [("unassigned", {"assignee"})]),
    ("an agent was renamed", {"assignee": A}, {"assignee": Reference("u1", "Anna")}, []),
    ("a row shows only the agent's id", {"assignee": A}, {"assignee": Reference("u1")}, []),
    ("another team", {"team": A}, {"team": B}, [("team_changed", {"team"})]),
    ("archived", {}, {"archived": True}, [("archived", {"archived"})]),
    ("archived with its status", {"status": "open"}, {"archived": True, "status": "resolved"},
     [("archived", {"archived", "status"})]),
    ("unarchived", {"archived": True}, {"archived": False}, [("unarchived", {"archived"})]),
    ("another status word", {"status": "open"}, {"status": "pending"},
     [("status_changed", {"status"})]),
    ("snoozed until", {"status": "open", "attributes__snoozed_until": None},
     {"status": "snoozed", "attributes__snoozed_until": "2026-11-21T00:00:00Z"},
     [("status_changed", {"status", "attributes"})]),
    ("snoozed, and another attribute", {"status": "open", "attributes__x": 1},
     {"status": "snoozed", "attributes__snoozed_until": "t", "attributes__x": 2},
     [("status_changed", {"status"}), ("updated", {"attributes"})]),
    ("archived for a reason", {"attributes__archive_reason": None},
     {"archived": True, "attributes__archive_reason": 3}, [("archived", {"archived", "attributes"})]),
    ("another reason", {"archived": True, "attributes__archive_reason": 1},
     {"archived": True, "attributes__archive_reason": 2}, [("updated", {"attributes"})]),
    ("disposition", {}, {"disposition": D1}, [("disposition_changed", {"disposition"})]),
    ("labels", {"labels": ("a",)}, {"labels": ("a", "b")}, [("labels_changed", {"labels"})]),
    ("priority", {}, {"priority": "high"}, [("priority_changed", {"priority"})]),
    ("contact", {"contact__name": "M"}, {"contact__name": "N"}, [("contact_changed", {"contact"})]),
    ("an attribute", {"attributes__starred": False}, {"attributes__starred": True},
     [("updated", {"attributes"})]),
    ("a row that for once lacks the direction", {"last_message": HI},
     {"last_message": dataclasses.replace(HI, direction=None)}, []),
    ("a row that for once lacks the text", {"last_message": HI},
     {"last_message": dataclasses.replace(HI, text=None)}, []),
    ("a row that for once lacks the time", {"last_message": HI},
     {"last_message": dataclasses.replace(HI, at=None)}, []),
    ("the same message turns out to be a note", {"last_message": HI},
     {"last_message": dataclasses.replace(HI, direction="internal")},
     [("updated", {"last_message"})]),
    ("a disposition that for once lacks a part", {"disposition": Disposition(id="d", label="won")},
     {"disposition": Disposition(label="won")}, []),
    ("the channel alone", {"channel": "sms"}, {"channel": "email"}, [("updated", {"channel"})]),
    ("times and links", {"url": "https://a"}, {"url": "https://b", "last_activity_at": HI.at}, []),
]  # fmt: skip


@pytest.mark.parametrize(("case", "old", "new", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_the_table_of_changes(
    case: str, old: dict[str, Any], new: dict[str, Any], wanted: list[tuple[str, set[str]]]
) -> None:
    old_id = "m1" if "message_id" in new else None
    before = merge(None, row(message_id=old_id, **old))
    new_id = new.pop("message_id", None) if "message_id" in new else None
    after = merge(before, row(message_id=new_id, **{**old, **new}))
    told = [(change.type, set(change.changes)) for change in diff(before, after, unread_cap=10)]
    assert told == [(f"conversation.{kind}", names) for kind, names in wanted]


def test_a_message_is_identified_by_the_providers_id() -> None:
    before = merge(None, row(message_id="m1", last_message=HI))
    after = merge(before, row(message_id="m2", last_message=MORE))
    assert [change.fact for change in diff(before, after)] == ["m2"]


def test_a_row_that_leaves_the_message_out_keeps_it_and_its_id() -> None:
    before = merge(None, row(message_id="m1", last_message=HI))
    assert merge(before, row(unread=False)) == before


def test_a_new_conversation_that_is_unread_tells_both() -> None:
    new = Conversation("c1", unread=True, unread_count=2, assignee=A)
    created, unread = appearance(new, returned=False)
    assert created == Change("conversation.created", {})
    assert unread.changes == {"unread": {"before": False, "after": True}}
    assert appearance(Conversation("c1"), returned=True) == (
        Change("conversation.created", {}, facts={"returned": True}),
    )


def test_a_new_conversation_that_waits_tells_it_beside_created() -> None:
    new = Conversation("c1", waiting_since=T0)
    told = [(one.type, dict(one.changes)) for one in appearance(new, returned=False)]
    since = {"waiting_since": {"before": None, "after": rfc3339(T0)}}
    assert told == [("conversation.created", {}), ("conversation.waiting", since)]


def test_one_wait_in_the_place_of_another_is_an_answer_and_a_wait() -> None:
    later = T0 + timedelta(minutes=9)
    old, new = (Known(Conversation("c1", waiting_since=at)) for at in (T0, later))
    answered, waiting = diff(old, new, ended=WaitEnd("answered", T0 + timedelta(seconds=90.4)))
    assert (answered.type, waiting.type) == ("conversation.answered", "conversation.waiting")
    assert answered.changes == {"waiting_since": {"before": rfc3339(T0), "after": None}}
    assert answered.facts == {"outcome": "answered", "waited": 90}
    assert waiting.changes == {"waiting_since": {"before": None, "after": rfc3339(later)}}


def test_parts_of_a_contact_that_are_not_shown_stay() -> None:
    before = Known(Conversation("c1", contact=Contact(id="x", name="M", phone="+1")))
    after = merge(before, row(contact__name="N"))
    assert after.conversation.contact == Contact(id="x", name="N", phone="+1")
