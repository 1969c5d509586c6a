"""Events in a line: what changed is said, and nothing steers the terminal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.catalogue.events import EVENT_TYPES
from watcher.cli.console import plain
from watcher.cli.format import format_age, format_event, format_times, format_what
from watcher.daemon.sample import sample
from watcher.model import Event

NOW = datetime(2026, 11, 20, 10, 0, 5, 123000, tzinfo=UTC)
SAMPLE = sample("sales", "highlevel", NOW, "mark")


def changed(**changes: Any) -> Event:
    """Return the sample event with these changes, each a pair."""
    pairs = {name: {"before": one, "after": two} for name, (one, two) in changes.items()}
    return dataclasses.replace(SAMPLE, data={**SAMPLE.data, "changes": pairs})


@given(st.text())
def test_what_is_shown_never_steers_the_terminal(text: str) -> None:
    shown = plain(text)
    assert all(char == "\n" or char.isprintable() for char in shown)
    assert shown.count("\n") == text.count("\n")
    assert plain(shown) == shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(
    st.sampled_from(EVENT_TYPES), st.dictionaries(st.text(), st.tuples(json_values, json_values))
)
def test_any_event_is_one_line(type_: str, changes: dict[str, Any]) -> None:
    line = format_event(dataclasses.replace(changed(**changes), type=type_), ZoneInfo("Asia/Tokyo"))
    assert line.startswith(f"2026-11-20 19:00:05+09:00  {type_}  sales  Inbox Watcher Test")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (changed(assignee=({"id": "1", "name": "Bob"}, {"id": "2", "name": "Carol"})),
         "assignee: Bob → Carol"),
        (changed(assignee=(None, {"id": "2", "name": None})), "assignee: none → 2"),
        (changed(unread=(False, True), unread_count=(None, 2)),
         "unread: no → yes, unread_count: none → 2"),
        (changed(labels=([], ["vip", "late"])), "labels: none → vip, late"),
        (changed(contact=({"name": "Ann", "phone": None}, {"name": "Ann", "phone": "5"})),
         "contact.phone: none → 5"),
        (changed(last_message=({"text": "a"}, {"text": "b " * 80})),
         "last_message: a → " + "b " * 29 + "b…"),
        (changed(waiting_since=(None, "2026-11-20T10:00:05.123Z")),
         "waiting_since: none → 2026-11-20 19:00:05+09:00"),
        (changed(), "This is a test message from inbox-watcher."),
        (dataclasses.replace(changed(), type="conversation.removed",
                             data={**SAMPLE.data, "changes": {}, "reason": "deleted"}),
         "reason: deleted"),
        (Event("1", "source.failing", "sales", None, NOW,
               {"reason": "HTTP 401", "remedy": "renew the token"}),
         "HTTP 401 (renew the token)"),
        (Event("1", "delivery.dead", "crm", None, NOW,
               {"event": {"id": "4c14913cd585335a", "type": "conversation.read"}, "reason": "no"}),
         "conversation.read 4c14913cd585: no"),
    ],
)  # fmt: skip
def test_a_change_is_said_in_words(event: Event, words: str) -> None:
    assert format_what(event, ZoneInfo("Asia/Tokyo")) == words


def test_times_in_notes_are_those_of_the_zone_and_all_else_stays() -> None:
    note = "held until 2026-11-20T12:00:00.000Z: outside the hours; 2026-13-45T99:00:00Z"
    said = "held until 2026-11-20 21:00:00+09:00: outside the hours; 2026-13-45T99:00:00Z"
    assert format_times(note, ZoneInfo("Asia/Tokyo")) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.2, "0s"), (75, "1m15s"), (3725, "1h2m"), (90061, "1d1h"), (-5, "0s")],
)
def test_an_age_is_said_in_its_largest_units(seconds: float | None, said: str) -> None:
    assert format_age(seconds) == said


def test_two_samples_never_share_an_id() -> None:
    assert sample("sales", "highlevel", NOW, "a").id != sample("sales", "highlevel", NOW, "b").id
