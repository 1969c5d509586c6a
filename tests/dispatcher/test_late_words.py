"""Texts about late news say when it happened, whether it was sent late or noticed late."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog

from tests.support.make import MARIA, T0
from watcher.dispatcher.render import Renderer
from watcher.markup import Format
from watcher.metrics import Metrics
from watcher.model import Delivery, Event, rfc3339, to_plain
from watcher.rules import Rule

WAITS = Rule(name="waits", when="conversation.unread", notify="team", hold_for=timedelta(hours=1))
HOUR = timedelta(hours=1)


def text(
    kind: str, *, looked: timedelta, written: timedelta, sent: timedelta, timer: bool = False
) -> str:
    """Return the text of a message: the last look before, the message and the sending relative to T0."""
    shown = to_plain(MARIA)
    shown["last_message"]["at"] = rfc3339(T0 + written)
    observed = {"after": rfc3339(T0 + looked), "before": rfc3339(T0)}
    data = {"source": "s", "conversation": shown, "changes": {}, "observed": observed}
    event = Event("e1", kind, "s", "c1", T0, data)
    due = T0 + (HOUR if timer else timedelta(0))
    owed = Delivery("d1", event, "team", "waits", due, T0, timer="waits" if timer else None)
    words = Renderer(lambda: (WAITS,), Metrics(), structlog.get_logger(), text=True)
    return words.notice([owed], T0 + sent).body


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (text("conversation.message", looked=-5 * HOUR, written=-2 * HOUR, sent=0 * HOUR),
         "This happened at 08:00 UTC, 2 hours ago."),
        (text("conversation.read", looked=-5 * HOUR, written=-9 * HOUR, sent=0 * HOUR),
         "This happened between 05:00 and 10:00 UTC."),
        (text("conversation.message", looked=-HOUR / 60, written=0 * HOUR, sent=HOUR / 4),
         "This happened at 10:00 UTC, 15 minutes ago."),
        (text("conversation.read", looked=-HOUR / 4, written=-9 * HOUR, sent=HOUR / 4),
         "This happened at 10:00 UTC, 15 minutes ago."),
        (text("conversation.unread", looked=-5 * HOUR, written=-2 * HOUR, sent=HOUR, timer=True),
         "This happened at 08:00 UTC, 3 hours ago."),
    ],
)  # fmt: skip
def test_late_news_says_when_it_happened(said: str, note: str) -> None:
    assert said.endswith(f"\n\n{note}")


@pytest.mark.parametrize(
    "said",
    [
        text("conversation.message", looked=-HOUR / 60, written=-HOUR / 60, sent=0 * HOUR),
        text("conversation.read", looked=-HOUR / 4, written=-9 * HOUR, sent=0 * HOUR),
        # what a rule's `for` waits for is no delay
        text("conversation.unread", looked=-HOUR / 60, written=0 * HOUR, sent=HOUR, timer=True),
    ],
)
def test_fresh_news_says_nothing_of_it(said: str) -> None:
    assert "This happened" not in said


@pytest.mark.parametrize(
    ("format_", "body"),
    [
        ("markdown", "**{{ conversation.contact.name }}**: *{{ conversation.last_message.text }}*"),
        ("html", "<p><b>{{ conversation.contact.name }}</b>: {{ conversation.last_message.text }}</p>"),
        ("text", "{{ conversation.contact.name }}: {{ conversation.last_message.text }}"),
    ],
)  # fmt: skip
def test_lines_of_a_digest_show_no_markup_of_the_words_for_one_event(
    format_: Format, body: str
) -> None:
    own = {
        "name": "own",
        "when": "conversation.unread",
        "notify": "team",
        "message": {"body": body},
    }
    rules = (Rule.model_validate(own),)
    words = Renderer(lambda: rules, Metrics(), structlog.get_logger(), text=True, format=format_)
    event = Event("e1", "conversation.unread", "s", "c1", T0, {"conversation": to_plain(MARIA)})
    owed = [Delivery(f"d{n}", event, "team", "own", T0, T0) for n in range(3)]
    first = words.notice(owed, T0).body.splitlines()[0]
    said = "New message from Maria Lopez (sms): Maria Lopez: Is it still for sale?"
    assert first == f"- {said}"
