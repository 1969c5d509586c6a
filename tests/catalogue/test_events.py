"""Laws of the table of event types: each row has everything that the rest of the program needs."""

from __future__ import annotations

from string import Formatter

import pytest

from watcher.catalogue.events import ENDING_EVENTS, EVENTS, STATES, EventType
from watcher.catalogue.fields import FIELDS
from watcher.model import Conversation, from_plain, to_plain
from watcher.vocabulary import CHANGING, EVENT_SHAPE

FULL = (EVENT_SHAPE.members or {})["conversation"]
ROWS = pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)


@ROWS
def test_a_title_uses_the_names_that_its_event_has(kind: EventType) -> None:
    names = {name for _, name, _, _ in Formatter().parse(kind.title) if name}
    if kind.name.startswith("conversation."):
        assert names & {"who", "via"}, "a title says which conversation it is about"
        allowed = {"who", "via", *(("before", "after") if kind.sides_of else ())}
    else:
        allowed = {"source"}
    assert names <= allowed
    assert kind.sides_of in ("", *CHANGING)


@ROWS
def test_the_time_of_a_change_is_a_field_of_the_conversation(kind: EventType) -> None:
    shape = FULL
    for name in kind.happened_at:
        shape = (shape.members or {})[name]
    assert not kind.happened_at or shape.kind == "string"


@ROWS
def test_what_a_rule_test_is_shown_for_a_type_makes_a_conversation(kind: EventType) -> None:
    plain = to_plain(Conversation("c1"))
    shown = from_plain(plain | kind.shown)
    assert set(kind.shown) <= set(CHANGING)
    # Who waits follows from messages: no row shows it.
    derived = bool(kind.needs) and FIELDS[kind.needs].derived
    if kind.state is not None and kind.shown and kind.state.holds is not None and not derived:
        assert kind.state.holds(shown), "what begins a state shows it"


def test_a_state_ends_by_a_change_of_its_conversation_or_by_an_event() -> None:
    for name, state in STATES.items():
        assert (state.ended is None) == bool(state.ended_by), name
        assert name.startswith("conversation.") == (state.ended is not None), name
        assert state.note, name
    assert set(ENDING_EVENTS) <= set(EVENTS)


def test_a_row_is_found_under_its_own_name() -> None:
    assert list(EVENTS) == [kind.name for kind in EVENTS.values()]
    assert len({kind.title for kind in EVENTS.values()}) == len(EVENTS)
