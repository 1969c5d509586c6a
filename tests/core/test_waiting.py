"""Laws of who waits, and what no provider's row decides: mappings, returns, first sights, odd evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, observations, row
from tests.core.test_decide import FIRST, POLICY, STATE, apply, old_row, play, sighting
from watcher.model import NO_EVIDENCE, Evidence, Message, Observation, Snapshot
from watcher.pipeline import decide, remove, sanitize
from watcher.providers import Page

ASKS, ANSWERS = message("Is it there?", at=10), message("Yes", "outbound", at=70)
NEW = T0 + timedelta(days=1)


def told(events: Sequence[Any]) -> list[str]:
    return [one.type.removeprefix("conversation.") for one in events]


def waiting_since(known: dict[str, Snapshot]) -> datetime | None:
    return known["c1"].conversation.waiting_since


@given(st.lists(st.lists(observations(), max_size=4), max_size=8))
def test_waiting_and_answered_of_one_conversation_come_in_turn(pages: Any) -> None:
    # What a row is the first to show is taken over silently, and who waits by it.
    shown = [
        [dataclasses.replace(o, fields={"last_message": None} | o.fields) for o in page]
        for page in pages
    ]
    known, events = play(shown)
    waits = dict.fromkeys(known, False)
    for one in events:
        if one.type in ("conversation.waiting", "conversation.answered"):
            assert waits[one.subject] == (one.type == "conversation.answered")
            waits[one.subject] = not waits[one.subject]
            assert one.data["changes"].keys() == {"waiting_since"}
        if one.type == "conversation.answered":
            assert one.data["outcome"] in ("answered", "closed")
            assert isinstance(one.data["waited"], int)
            assert one.data["waited"] >= 0
    for id_, snapshot in known.items():
        assert waits[id_] == (snapshot.conversation.waiting_since is not None)


@given(st.lists(observations(st.just("c1")), max_size=6), observations(st.just("c1")))
def test_the_same_row_again_begins_and_ends_nothing(before: Any, again: Any) -> None:
    known, _ = play([[one] for one in before])
    once = apply(known, decide(POLICY, STATE, known, [again], sighting(100)))
    assert decide(POLICY, STATE, once, [again], sighting(101)).commit is None


@given(st.lists(observations(st.just("c1")), max_size=6))
def test_rows_that_tell_no_direction_make_nobody_wait(rows: Sequence[Observation]) -> None:
    silent = [
        dataclasses.replace(
            one, fields=one.fields | {"last_message": Message("x", at=T0)}, evidence=NO_EVIDENCE
        )
        for one in rows
    ]
    known, events = play([[one] for one in silent])
    assert not {"waiting", "answered"} & set(told(events))
    assert not known or waiting_since(known) is None


def test_what_waits_at_the_baseline_is_set_silently() -> None:
    decision = decide(POLICY, FIRST, {}, [old_row(last_message=ASKS)], sighting())
    assert decision.commit is not None
    assert not decision.commit.events
    (snapshot,) = decision.commit.snapshots
    assert snapshot.conversation.waiting_since == ASKS.at


def test_who_waits_by_a_message_that_is_shown_for_the_first_time_is_taken_over_silently() -> None:
    first = old_row(last_activity_at=T0 + timedelta(seconds=20))
    known, events = play([[first], [old_row(last_message=ASKS)]])
    assert told(events) == []
    assert waiting_since(known) == ASKS.at


@pytest.mark.parametrize(
    ("above", "begins"),
    [
        (message("Calls back on Monday.", "internal", at=30), ["waiting", "updated"]),
        (
            dataclasses.replace(message("Hello!", "outbound", at=30), automated=True),
            ["waiting", "updated"],
        ),
        (message("Yes", "outbound", at=30), ["updated"]),
    ],
    ids=["a note", "a machine's text", "an answer"],
)
def test_who_wrote_below_what_is_deleted_waits_unless_that_was_the_answer(
    above: Message, begins: list[str]
) -> None:
    shown = [message("Thanks", "outbound", at=1), above, ASKS, ASKS]
    seconds = [5, 40, 100, 200]  # what is lost is believed after a minute
    known: dict[str, Snapshot] = {}
    events: list[str] = []
    for last, at in zip(shown, seconds, strict=True):
        decision = decide(POLICY, STATE, known, [old_row(last_message=last)], sighting(at))
        known = apply(known, decision)
        events = told(decision.commit.events) if decision.commit else []
    assert events == begins
    assert waiting_since(known) == (ASKS.at if len(begins) == 2 else None)


def test_what_becomes_unread_waits_no_longer_than_since_the_answer_that_was_known() -> None:
    """Found by the law that the same row again ends nothing: the row lacks its message."""
    shown = {"created_at": NEW, "last_activity_at": T0, "unread": False}
    answered = row("c1", None, Evidence(asked_at=T0), **shown, unread_count=0, last_message=ANSWERS)
    rose = row(**shown, unread_count=1, last_message=None)
    known, events = play([[answered], [rose], [rose]])
    assert told(events) == ["created", "waiting"]
    assert waiting_since(known) == ANSWERS.at


def test_an_archive_by_a_mapping_closes_a_wait() -> None:
    waits = row(created_at=NEW, last_message=ASKS, archived=False)
    known, events = play([[waits], [row(created_at=NEW, last_message=ASKS, archived=True)]])
    assert told(events) == ["created", "waiting", "answered", "archived"]
    assert events[2].data["outcome"] == "closed"
    assert waiting_since(known) is None


def test_what_is_archived_waits_for_nobody_until_it_comes_back() -> None:
    rows = [
        row(created_at=NEW, last_message=ANSWERS, archived=True),
        row(last_message=message("More", at=90), archived=True),
        row(last_message=message("More", at=90), archived=False),
    ]
    _, events = play([[one] for one in rows])
    assert told(events) == ["created", "message", "waiting", "unarchived"]


@pytest.mark.parametrize("answered", [True, False])
def test_an_answer_that_was_seen_in_the_archive_is_remembered_below_later_lines(
    answered: bool,
) -> None:
    stamp = Evidence(waits_since=ASKS.at)
    machine = dataclasses.replace(message("How was it?", "outbound", at=90), automated=True)
    lines = [ASKS, *([ANSWERS] if answered else []), message("Done", "internal", at=80), machine]
    rows = [row(clues=stamp, created_at=NEW, last_message=ASKS, archived=False)]
    rows += [row(clues=stamp, last_message=one, archived=True) for one in lines]
    rows.append(row(clues=stamp, last_message=machine, archived=False))
    _, events = play([[one] for one in rows])
    assert told(events)[-1] == "unarchived"
    assert ("waiting" in told(events)[2:]) is not answered


@pytest.mark.parametrize(("by_person", "again"), [(True, []), (False, ["waiting"])])
def test_what_was_answered_in_the_archive_waits_for_nobody_when_it_comes_back(
    by_person: bool, again: list[str]
) -> None:
    created = ASKS.at
    rows = [
        row(created_at=created, last_message=ASKS, archived=False),
        row(created_at=created, last_message=ASKS, archived=True),
        # Its last line is an activity line: the messages that were written meanwhile do not show.
        row(clues=Evidence(by_person=by_person), created_at=created, archived=False),
    ]
    _, events = play([[one] for one in rows])
    assert told(events) == ["created", "waiting", "answered", "archived", *again, "unarchived"]


@pytest.mark.parametrize(
    ("back", "types", "since"),
    [
        (ASKS, ["created", "waiting"], ASKS.at),
        (message("Now?", at=200), ["created", "waiting"], ASKS.at),
        (ANSWERS, ["created"], None),
    ],
)
def test_one_that_returns_waits_on_unless_it_was_answered(
    back: Message, types: list[str], since: datetime | None
) -> None:
    known, _ = play([[row(created_at=NEW, last_message=ASKS)]])
    known = apply(known, remove(POLICY, STATE, known["c1"], "access_lost", sighting(5)))
    decision = decide(POLICY, STATE, known, [row(last_message=back)], sighting(10))
    assert decision.commit is not None
    assert told(decision.commit.events) == types
    assert all(one.data["returned"] is True for one in decision.commit.events)
    assert waiting_since(apply(known, decision)) == since


def test_one_that_returns_and_waits_only_now_tells_it() -> None:
    known, _ = play([[row(created_at=NEW, last_message=ANSWERS)]])
    known = apply(known, remove(POLICY, STATE, known["c1"], "access_lost", sighting(5)))
    decision = decide(POLICY, STATE, known, [row(last_message=message("?", at=99))], sighting(10))
    assert decision.commit is not None
    assert told(decision.commit.events) == ["created", "waiting"]


def test_an_answer_in_the_second_of_the_question_is_one() -> None:
    at_once = message("Yes", "outbound", at=10)
    rows = [
        row("c1", "m1", created_at=NEW, last_message=ASKS),
        row("c1", "m2", last_message=at_once),
    ]
    _, events = play([[one] for one in rows])
    assert told(events) == ["created", "waiting", "message", "answered"]
    assert events[-1].data["waited"] == 0


def test_messages_without_times_wait_from_when_the_provider_tells() -> None:
    question, reply = Message("?", "inbound"), Message("!", "outbound")
    known, events = play([[row(created_at=NEW, last_message=question)]])
    assert waiting_since(known) is None, "nobody can say since when"
    clues = Evidence(waits_since=T0)
    known, events = play(
        [[row(created_at=NEW, last_message=question, clues=clues)], [row(last_message=reply)]]
    )
    assert told(events) == ["created", "waiting", "message", "answered"]


def test_a_stamp_that_stood_before_begins_no_other_wait() -> None:
    clues = Evidence(waits_since=T0)
    first = row(created_at=NEW, clues=clues)
    answered = row(clues=dataclasses.replace(clues, by_person=True))
    known, events = play([[first], [answered], [answered]])
    assert told(events) == ["created", "waiting", "answered"]
    assert waiting_since(known) is None


ODD: Any = [True, "yesterday", 12, datetime(2026, 1, 1), datetime(9999, 12, 31, tzinfo=UTC)]  # noqa: DTZ001


@pytest.mark.parametrize("value", ODD)
def test_evidence_that_is_no_time_shows_nothing(value: Any) -> None:
    odd = Evidence(waits_since=value, asked_at=value, answered_at=value)
    (clean,) = sanitize(Page(rows=(row(clues=odd),))).rows
    assert clean.evidence == NO_EVIDENCE


@pytest.mark.parametrize("value", ["yes", 1, T0])
def test_evidence_that_is_no_flag_shows_nothing(value: Any) -> None:
    odd = Evidence(unanswered=value, by_person=value, unclear=value)
    (clean,) = sanitize(Page(rows=(row(clues=odd),))).rows
    assert clean.evidence == NO_EVIDENCE


def test_sound_evidence_comes_in_as_it_is() -> None:
    sound = row(clues=Evidence(waits_since=T0, by_person=False))
    assert sanitize(Page(rows=(sound,))).rows == (sound,)


# Conversations that are older than the baseline and become visible later

OLD = T0 - timedelta(days=30)
BEFORE, SINCE = T0 - timedelta(hours=1), T0 + timedelta(hours=1)


def dated(at: datetime, direction: Any = "inbound") -> Message:
    return Message("words", direction, "sms", at)


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({"last_message": dated(BEFORE), "unread": True}, []),
        ({"last_message": dated(SINCE), "unread": True}, ["message", "unread", "waiting"]),
        ({"last_message": dated(SINCE), "unread": False}, ["message", "waiting"]),
        ({"last_message": dated(SINCE, "outbound"), "unread": False}, ["message"]),
        ({"last_message": dated(SINCE, "internal"), "unread": True}, ["message", "unread"]),
        ({"last_message": dated(SINCE), "archived": True}, ["message"]),
        ({"last_message": None, "unread": True}, []),
        ({"last_message": Message("words", "inbound"), "unread": True}, []),
        ({"unread": True, "assignee": None}, []),
    ],
)
def test_what_is_young_in_a_conversation_that_is_seen_late_is_told(
    fields: dict[str, Any], types: list[str]
) -> None:
    decision = decide(POLICY, STATE, {}, [row(created_at=OLD, **fields)], sighting())
    assert decision.commit is not None
    assert told(decision.commit.events) == types
    assert decision.late == 1
    for one in decision.commit.events:
        assert all(sides["before"] in (None, False) for sides in one.data["changes"].values())


def test_a_wait_that_began_before_goes_on_when_its_new_message_is_told() -> None:
    clues = Evidence(waits_since=BEFORE)
    seen = row(clues=clues, created_at=OLD, last_message=dated(SINCE))
    known, events = play([[seen]])
    assert told(events) == ["message", "waiting"]
    assert waiting_since(known) == BEFORE


def test_a_message_of_the_second_in_which_the_baseline_began_is_young() -> None:
    state = dataclasses.replace(STATE, baseline_started=T0 + timedelta(milliseconds=700))
    seen = row(created_at=OLD, last_message=dated(T0))
    decision = decide(POLICY, state, {}, [seen], sighting())
    assert decision.commit is not None
    assert told(decision.commit.events) == ["message", "waiting"]


def test_one_that_is_seen_late_goes_on_like_any_other() -> None:
    rows = [
        row(created_at=OLD, last_message=dated(BEFORE)),
        row(last_message=dated(SINCE, "outbound")),
    ]
    _, events = play([[one] for one in rows])
    assert told(events) == ["message", "answered"]


def test_a_crowd_that_a_person_discarded_is_not_told() -> None:
    seen = row(created_at=NEW, last_message=dated(NEW), unread=True)
    decision = decide(POLICY, STATE, {}, [seen], sighting(silent=True))
    assert decision.commit is not None
    assert not decision.commit.events
    assert decision.late == 0
