"""When what an event tells has happened: by the conversation's own time, or between two looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import MARIA, T0, conversation_event
from watcher.model import Event, rfc3339, to_plain
from watcher.vocabulary import moment, variables

HOURS = timedelta(hours=1)


def seen(kind: str, *, hours: float = 5, **conversation: Any) -> Event:
    """Make an event that lies between a look `hours` ago and one at T0."""
    observed = {"after": rfc3339(T0 - hours * HOURS), "before": rfc3339(T0)}
    shown = to_plain(MARIA) | conversation
    data = {"conversation": shown, "changes": {}, "observed": observed}
    return Event("e1", kind, "sales", "c1", T0, data)


def message(hours: float, direction: str | None = "inbound") -> dict[str, Any]:
    return {"text": "x", "direction": direction, "type": "sms", "at": rfc3339(T0 - hours * HOURS)}


@pytest.mark.parametrize(
    ("told", "hours", "known"),
    [
        (seen("conversation.message", last_message=message(2)), 2, True),
        (seen("conversation.unread", last_message=message(2)), 2, True),
        (seen("conversation.unread", last_message=message(2, None)), 2, True),
        # a reply of ours makes nothing unread: somebody marked it
        (seen("conversation.unread", last_message=message(2, "outbound")), 5, False),
        # a message from before the last look is not what is new
        (seen("conversation.message", last_message=message(9)), 5, False),
        (seen("conversation.message", last_message=None), 5, False),
        # the provider's clock is a little ahead of ours
        (seen("conversation.message", last_message=message(-1 / 120)), 0, True),
        # it is wrong: then its time says nothing
        (seen("conversation.message", last_message=message(-1)), 5, False),
        (seen("conversation.created", created_at=rfc3339(T0 - 3 * HOURS)), 3, True),
        (seen("conversation.created", created_at=None), 5, False),
        (
            seen("conversation.disposition_changed", disposition={"changed_at": rfc3339(T0)}),
            0,
            True,
        ),
        (seen("conversation.read", last_message=message(2)), 5, False),
        (seen("conversation.removed", hours=0.5), 0.5, False),
        (conversation_event("source.failing", None), 0, True),
        (
            conversation_event(
                "conversation.updated", observed={"after": None, "before": rfc3339(T0)}
            ),
            0,
            True,
        ),
    ],
)
def test_the_moment_of_an_event(told: Event, hours: float, known: bool) -> None:
    assert moment(told) == (T0 - hours * HOURS, known)
    assert variables(told)["delay"] == hours * 3600


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists) | st.just("2026-11-20"))
def test_whatever_stands_there_the_delay_is_a_number(value: Any) -> None:
    odd: dict[str, Any] = {"created_at": value, "last_message": {"at": value}, "disposition": value}
    for kind in (
        "conversation.created",
        "conversation.message",
        "conversation.disposition_changed",
    ):
        for observed in ({"after": value}, value):
            data = {"conversation": odd, "observed": observed}
            told = Event("e1", kind, "sales", "c1", T0, data)
            assert isinstance(variables(told)["delay"], int)
    assert variables(conversation_event(conversation=None, observed=None))["delay"] == 0
