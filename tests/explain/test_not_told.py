"""Findings that no store and no simulated world of today make; the others are made by the whole daemon
(`tests/scenarios/test_why_not_told.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.make import T0, at, conversation_event, rule
from watcher.explain.not_told import why_not_told
from watcher.explain.question import Configured, Facts, Question, Watched
from watcher.explain.story import Story
from watcher.model import Event
from watcher.records import SourceState

QUESTION = Question("sales", "c1", "team", T0, at(600))
CONFIGURED = Configured(
    rules=(rule("conversation.unread"),),
    receivers=("team",),
    sources={
        "sales": Watched("highlevel", frozenset(), timedelta(seconds=30), timedelta(minutes=15))
    },
)
STATE = SourceState("sales", "highlevel", "a", baselined=at(-9e4), polled=at(600))


def facts(**changed: Any) -> Facts:
    known: dict[str, Any] = {
        "state": STATE, "snapshot": None, "stories": (), "before": None, "after": None, "ours": (),
        "timers": (), "silences": (), "now": at(600),
    }  # fmt: skip
    return Facts(**known | changed)


def test_results_that_are_no_longer_stored() -> None:
    story = Story(conversation_event(), None, (), {}, {})
    (found,) = why_not_told(QUESTION, facts(stories=(story,)), CONFIGURED)
    assert found.kind == "results-gone"
    assert found.event == "e1"


def test_a_full_disk_was_why_nobody_looked() -> None:
    low = Event("1", "watcher.disk_low", "", None, at(10), {"reason": "1 GiB left", "since": "x"})
    over = Event("2", "watcher.disk_recovered", "", None, at(60), {})
    kinds = [one.kind for one in why_not_told(QUESTION, facts(ours=(low, over)), CONFIGURED)]
    assert kinds == ["unknown-conversation", "disk"]


def test_a_trouble_that_was_over_before_explains_nothing() -> None:
    failing = Event("1", "source.failing", "sales", None, at(-90), {"since": None})
    over = Event("2", "source.recovered", "sales", None, at(-60), {})
    kinds = [one.kind for one in why_not_told(QUESTION, facts(ours=(failing, over)), CONFIGURED)]
    assert kinds == ["unknown-conversation"]


def test_there_is_always_an_answer() -> None:
    """Also where nothing at all is known."""
    assert why_not_told(QUESTION, facts(state=None), Configured(receivers=("team",)))
    assert why_not_told(QUESTION, facts(state=None), CONFIGURED)
    assert why_not_told(QUESTION, facts(), Configured())
