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
from watcher.cli.format import format_event
from watcher.daemon.sample import sample
from watcher.explain.values import format_age
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
    ("seconds", "said"),
    [(None, ""), (0.2, "0s"), (75, "1m15s"), (3725, "1h2m"), (90061, "1d1h"), (-5, "0s")],
)
def test_an_age_is_said_in_its_largest_units(seconds: float | None, said: str) -> None:
    assert format_age(seconds) == said


def test_two_samples_never_share_an_id() -> None:
    assert sample("sales", "highlevel", NOW, "a").id != sample("sales", "highlevel", NOW, "b").id
