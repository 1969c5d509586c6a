"""What a poll comes to: tables of watermarks, drifts, suspicions and pages that fail."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import T0
from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.model import Conversation, Snapshot
from watcher.pipeline.announce import StateUpdate
from watcher.pipeline.health import SCHEMA
from watcher.pipeline.poll import (
    SUSPECTS_PER_POLL,
    PollConclusion,
    PollSummary,
    conclude,
    goes_past,
    suspects,
    unexplained,
)
from watcher.records import Hold, SourceState, Trouble

NOW = T0 + timedelta(hours=1)
STATE = SourceState("sales", "chatwoot", "acc", baselined=T0, polled=T0, newest=T0)
HELD = dataclasses.replace(STATE, hold=Hold("absences", T0, ("a",), 9, "why", "do"))
NOTHING: frozenset[str] = frozenset()


def poll(state: SourceState = STATE, **more: Any) -> PollConclusion:
    summary = PollSummary(
        whole=more.pop("whole", True),
        newest=more.pop("newest", T0),
        total=more.pop("total", None),
        missing=more.pop("missing", NOTHING),
    )
    given: dict[str, Any] = {
        "known": 100, "began": NOW, "vanished": NOTHING, "crowded": False,
        "drift": None, "compares": True, "now": NOW,
    }  # fmt: skip
    return conclude(summary, state, **(given | more))


@pytest.mark.parametrize(
    ("case", "more", "update"),
    [
        ("nothing new: later is soon enough", {}, StateUpdate({"newest": T0, "polled": NOW})),
        (
            "something new: at once",
            {"newest": NOW}, StateUpdate({"newest": NOW, "polled": NOW}, force=True),
        ),
        ("a page failed, or a row could not be read", {"whole": False, "newest": NOW}, None),
    ],
)  # fmt: skip
def test_does_the_watermark_move(
    case: str, more: dict[str, Any], update: StateUpdate | None
) -> None:
    assert poll(**more).update == update, case


@pytest.mark.parametrize(
    ("case", "more", "sweep", "drift"),
    [
        ("the provider does not count", {"total": None}, None, None),
        ("the first count after a sweep", {"total": 107}, None, 7),
        ("rows are hidden, as many as ever", {"total": 107, "drift": 7}, None, 7),
        ("rows came that polls do not show", {"total": 108, "drift": 7}, "soon", 7),
        ("rows went", {"total": 106, "drift": 7}, "soon", 7),
        ("there was no sweep, or one is under way", {"total": 9, "compares": False}, None, None),
        ("what was known of it stays", {"total": 9, "compares": False, "drift": 7}, None, 7),
        ("a crowd of new rows", {"crowded": True}, "now", None),
        ("a crowd, and rows went", {"crowded": True, "total": 1, "drift": 7}, "now", 7),
        ("a person is to decide first", {"crowded": True, "state": HELD}, None, None),
    ],
)
def test_does_a_sweep_come_before_its_time(
    case: str, more: dict[str, Any], sweep: str | None, drift: int | None
) -> None:
    concluded = poll(**more)
    assert (concluded.sweep, concluded.drift) == (sweep, drift), case


def test_a_key_that_vanished_is_reported_and_its_return_is_for_a_sweep_to_say() -> None:
    report = poll(vanished=frozenset({"labels"})).report
    assert report is not None
    assert report.kind == "failing"
    drifted = dataclasses.replace(STATE, failing=Trouble(T0, f"{SCHEMA}no row has labels"))
    assert poll(drifted).report is None


DOWN = SourceUnavailable("502 Bad Gateway")


@pytest.mark.parametrize(
    ("case", "error", "in_a_row", "polls", "past"),
    [
        ("it failed once", DOWN, 1, 1, False),
        ("it failed in two polls", DOWN, 1, 2, False),
        ("it failed in three", DOWN, 1, 3, True),
        ("so did the next one", DOWN, 2, 3, True),
        ("and the one after that: it is not the page", DOWN, 3, 3, False),
        ("another shape", SourceChanged("not JSON"), 1, 3, True),
        ("refused: so would be the next", SourceRefused("401"), 1, 9, False),
        ("no connection", SourceUnavailable("refused", connect=True), 1, 9, False),
        ("the limit is reached", SourceUnavailable("429", retry_after=5), 1, 9, False),
    ],
)
def test_does_a_poll_go_past_a_page_that_fails(
    case: str, error: SourceError, in_a_row: int, polls: int, past: bool
) -> None:
    assert goes_past(error, in_a_row, polls) is past, case


def test_members_that_a_set_lacks_are_suspects_once_and_some_at_a_time() -> None:
    known = frozenset(f"c{number:03}" for number in range(50))
    assert suspects(known, known, NOTHING) == ()
    assert suspects(known, known - {"c001", "c007"}, frozenset({"c007"})) == ("c001",)
    first = suspects(known, NOTHING, NOTHING)
    assert len(first) == SUSPECTS_PER_POLL
    assert not set(first) & set(suspects(known, NOTHING, frozenset(first)))


def test_what_the_sets_have_proved_since_is_in_doubt_no_more() -> None:
    def snapshot(key: str, *, present: bool = True, **fields: Any) -> Snapshot:
        conversation = Conversation(id=key, **fields)
        return Snapshot(conversation, 1, frozenset(), {}, T0, present=present)

    known = {
        "a": snapshot("a", channel="sms"),
        "b": snapshot("b", channel=None),
        "c": snapshot("c", status="open", present=False),
    }
    doubts = {key: frozenset({"channel", "status"}) for key in ("a", "b", "c", "gone")}
    assert unexplained(doubts, known) == {"channel"}
    assert unexplained({"b": frozenset({"channel"})}, known) == NOTHING
