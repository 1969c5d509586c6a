"""`store_texts: false`: the same looks make the same events, and no word of a message comes through."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, observations, row
from tests.core.test_decide import POLICY, STATE, apply, old_row, sighting
from watcher.fingerprints import masked, stands_in, withheld_row
from watcher.model import Disposition, Message, Observation, Reference, Snapshot, to_plain
from watcher.pipeline import decide
from watcher.records import RuleResult
from watcher.store.withholding import plain_without, snapshot_without, verdicts_without

KEY = b"installation"
KEPT = dataclasses.replace(POLICY, key=KEY)
WITHHELD = dataclasses.replace(POLICY, key=KEY, keeps_texts=False)
LOOKS = st.lists(st.lists(observations(), max_size=3), max_size=4)


def play(
    looks: Sequence[Sequence[Observation]],
    keeps: bool,
    known: Mapping[str, Snapshot] | None = None,
    *,
    start: int = 0,
    every: int = 40,
) -> tuple[dict[str, Snapshot], list[Any]]:
    stored, events = dict(known or {}), list[Any]()
    for number, rows in enumerate(looks):
        shown = [one if keeps else withheld_row(one, KEY) for one in rows]
        look = sighting(start + every * number)
        decision = decide(KEPT if keeps else WITHHELD, STATE, stored, shown, look)
        stored = apply(stored, decision)
        events += decision.commit.events if decision.commit else []
    return stored, events


def without_words(events: Sequence[Any]) -> list[Any]:
    """Return what events tell besides words."""
    told = [plain_without(event.to_plain(), {}) for event in events]
    for one in told:
        one["data"].pop("withheld", None)
    return [{name: value for name, value in one.items() if name != "id"} for one in told]


@given(LOOKS)
def test_the_same_looks_make_the_same_events_but_for_the_words(looks: Any) -> None:
    known, kept = play(looks, True)
    stored, withheld = play(looks, False)
    assert without_words(kept) == without_words(withheld)
    assert {key: one.counts for key, one in known.items()} == {
        key: one.counts for key, one in stored.items()
    }
    assert len({event.id for event in kept}) == len({event.id for event in withheld})
    # An id is the same where no words contribute to it.
    for one, other in zip(kept, withheld, strict=True):
        if "last_message" not in one.data["changes"]:
            assert one.id == other.id


@given(LOOKS)
def test_no_word_is_in_what_is_stored(looks: Any) -> None:
    for rows in looks:
        for one in rows:
            if (said := one.fields.get("last_message")) is not None:
                words = dataclasses.replace(said, text=f"secret {said.text}", subject="a subject")
                one.fields["last_message"] = words
    stored, events = play(looks, False)
    text = repr(stored) + json.dumps([event.to_plain() for event in events])
    assert "secret" not in text
    assert "a subject" not in text
    assert "\\u0000" not in json.dumps([event.to_plain() for event in events])
    for snapshot in stored.values():
        assert "\\u0000" not in json.dumps(to_plain(snapshot.conversation))


@given(LOOKS, st.booleans())
def test_changing_the_setting_makes_no_event(looks: Any, keeps: bool) -> None:
    stored, _ = play(looks, keeps)
    shown: dict[str, Observation] = {}
    for one in (one for rows in looks for one in rows):
        shown[one.id] = one
    settled, _ = play([list(shown.values())] * 4, keeps, stored, start=1000, every=70)
    if keeps:
        for key, one in settled.items():
            bare, prints = snapshot_without(one.conversation, one.prints, KEY, {})
            settled[key] = dataclasses.replace(one, conversation=bare, prints=prints)
    after, events = play([list(shown.values())], not keeps, settled, start=5000)
    assert events == []
    if keeps:
        assert all(
            one.conversation.last_message is None or one.conversation.last_message.text is None
            for one in after.values()
        )


def test_texts_are_taken_over_again_when_they_are_kept_again() -> None:
    rows = [[old_row("c1", "m1", last_message=message("Hello", at=5))]]
    stored, _ = play(rows, False)
    assert stored["c1"].prints
    after, events = play(rows, True, stored, start=100)
    assert events == []
    assert after["c1"].conversation.last_message == message("Hello", at=5)
    assert after["c1"].prints == {}


def test_an_event_says_what_is_withheld() -> None:
    at = T0 + timedelta(seconds=10)
    words = Message("Is it there?", "inbound", "email", at, subject="The house")
    looks = [[old_row(last_message=message("a"))], [old_row("c1", "m2", last_message=words)]]
    _, events = play(looks, False, every=70)
    *_, event = [one for one in events if one.type == "conversation.message"]
    assert event.data["withheld"] == ["last_message.subject", "last_message.text"]
    assert event.data["conversation"]["last_message"]["text"] is None
    assert event.data["changes"]["last_message"]["after"]["subject"] is None
    assert event.data["conversation"]["last_message"]["type"] == "email"


RAW = {
    "id": 7,
    "messages": [{"content": "Call me at noon", "content_type": "text"}],
    "summary": "Call me at noon",
    "status": "open",
}
MASKED = masked(RAW, message("Call me at noon"), {"content"}, KEY)


def test_a_mapping_reads_masks_in_place_of_words() -> None:
    assert MASKED["status"] == "open"
    assert MASKED["messages"][0]["content_type"] == "text"
    assert "noon" not in json.dumps(MASKED)


@pytest.mark.parametrize(
    ("path", "value", "left"),
    [
        ("status", MASKED["summary"], None),
        ("labels", ("vip", MASKED["summary"]), ("vip",)),
        ("assignee", Reference("u1", MASKED["summary"]), Reference("u1")),
        ("disposition", Disposition(label=MASKED["summary"]), None),
        ("disposition", Disposition(id="d", label=MASKED["summary"]), Disposition(id="d")),
        ("contact.name", f"Mr {MASKED['summary']}", None),
        ("attributes.score", 5, 5),
    ],
)
def test_a_mapped_field_keeps_nothing_of_a_text(path: str, value: Any, left: Any) -> None:
    shown = withheld_row(Observation("c1", {path: value}, raw=MASKED), KEY)
    assert shown.fields[path] == left
    assert shown.raw is None


def test_an_attribute_that_is_read_from_a_text_is_compared_and_not_kept() -> None:
    def looked(text: str) -> Observation:
        raw = masked({"content": text}, None, {"content"}, KEY)
        return old_row(attributes__said={"last": raw["content"]})

    known, events = play([[looked("a")], [looked("a")], [looked("b")]], False)
    assert [event.type for event in events] == ["conversation.updated"]
    assert events[0].data["changes"]["attributes"]["after"] == {"said": None}
    assert stands_in(known["c1"].prints["attributes.said"])


def test_an_attribute_that_is_kept_otherwise_now_is_no_news() -> None:
    raw = masked({"content": "a"}, None, {"content"}, KEY)
    hidden, plain = row(attributes__said=raw["content"]), row(attributes__said="a")
    for before, after, keeps in ((plain, hidden, False), (hidden, plain, True)):
        stored, _ = play([[before]], not keeps)
        _, events = play([[after]], keeps, stored, start=100)
        assert events == []


def test_fingerprints_differ_by_conversation_and_installation() -> None:
    def printed(id_: str, key: bytes) -> Any:
        shown = withheld_row(row(id_, last_message=message("yes")), key)
        return shown.fields["last_message"].text

    assert len({printed("c1", KEY), printed("c2", KEY), printed("c1", b"other")}) == 3
    assert printed("c1", KEY) == printed("c1", KEY)


def test_what_rules_said_keeps_no_values() -> None:
    said = (
        RuleResult("a", False, '`where` is false: conversation.last_message.text = "x"'),
        RuleResult("b", True, "matches"),
    )
    left = verdicts_without(said)
    assert [one.reason for one in left] == ["`where` is false", "matches"]
