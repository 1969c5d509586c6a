"""What is learned about a server, and what a new version makes of it: `pipeline.capabilities`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.pipeline.capabilities import LONGEST_VERSION, learn, told_version
from watcher.pipeline.schema_drift import MISSING

MISSED = {MISSING: ["priority"]}


@pytest.mark.parametrize(
    ("learned", "told", "then"),
    [
        ({}, {}, {}),
        ({}, {"version": "4.15.1"}, {"version": "4.15.1"}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"version": "4.15.1", "a": 1}, {"a": 2}, {"version": "4.15.1", "a": 2}),
        # An upgrade, a downgrade, and a version that is told for the first time: all is found out anew.
        ({"version": "3.16.0", "a": 1}, {"version": "4.15.1"}, {"version": "4.15.1"}),
        ({"version": "4.15.1", "a": 1}, {"version": "3.16.0"}, {"version": "3.16.0"}),
        ({"a": 1}, {"version": "4.15.1"}, {"version": "4.15.1"}),
        ({"version": "3.0.0", "a": 1}, {"version": "4.0.0", "a": 2}, {"version": "4.0.0", "a": 2}),
        # What the baseline lacked is a fact about rows, not about the server.
        ({**MISSED, "a": 1}, {"version": "4.15.1"}, {**MISSED, "version": "4.15.1"}),
        # What cannot be shown tells nothing: the last version stands.
        ({"version": "4.15.1", "a": 1}, {"version": None}, {"version": "4.15.1", "a": 1}),
        ({"version": "4.15.1"}, {"version": 5, "a": 1}, {"version": "4.15.1", "a": 1}),
        ({"version": "4.15.1"}, {"version": "\u202e5.0"}, {"version": "4.15.1"}),
        ({"version": "4.15.1"}, {"version": "5" * 41}, {"version": "4.15.1"}),
        ({"version": "4.15.1"}, {"version": ""}, {"version": "4.15.1"}),
    ],
)
def test_facts_belong_to_a_version(
    learned: dict[str, Any], told: dict[str, Any], then: dict[str, Any]
) -> None:
    assert learn(learned, told) == then


@pytest.mark.parametrize("told", [{}, {"a": 1}, {"version": "4.15.1"}, {"version": None, "a": 1}])
def test_no_news_is_the_same_object(told: dict[str, Any]) -> None:
    learned = {"version": "4.15.1", "a": 1}
    assert learn(learned, told) is learned


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=50))
FACTS = st.dictionaries(st.sampled_from(["version", "updated_within", MISSING]), VALUES)


@given(FACTS, FACTS)
def test_learning_twice_teaches_nothing_more(learned: dict[str, Any], told: dict[str, Any]) -> None:
    once = learn(learned, told)
    assert learn(once, told) is once


@given(FACTS)
def test_a_version_can_be_shown(learned: dict[str, Any]) -> None:
    version = told_version(learned)
    assert version is None or (version.isprintable() and 0 < len(version) <= LONGEST_VERSION)
