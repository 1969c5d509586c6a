"""Constants that a value with a closed set of texts can never have."""

from __future__ import annotations

import pytest

from watcher.conditions import ExpressionError, compile_condition


@pytest.mark.parametrize(
    ("text", "offset", "suggestion"),
    [
        ('conversation.last_message.direction == "incoming"', 39, '"inbound"'),
        ('"Outbound" != conversation.last_message.direction', 0, '"outbound"'),
        ('conversation.last_message.direction in ["inbound", ("note")]', 51, '"internal"'),
        ('conversation.last_message.direction == ""', 39, None),
        ('type == "conversation.answered" && outcome == "answer"', 46, '"answered"'),
        ('outcome == "resolved"', 11, '"replaced"'),
        ('type == "conversation.massage"', 8, '"conversation.message"'),
        ('type == "archived"', 8, '"conversation.archived"'),
        ('changes.last_message.before.direction == "sent"', 41, '"outbound"'),
    ],
)
def test_a_constant_outside_a_closed_set_is_a_mistake(
    text: str, offset: int, suggestion: str | None
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text)
    assert (caught.value.offset, caught.value.suggestion) == (offset, suggestion)
    assert "is never" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        'conversation.last_message.direction == "inbound"',
        "conversation.last_message.direction != null",
        'outcome == "closed" && waited > 900',
        'conversation.waiting_since != null && "image" in conversation.last_message.attachments',
        'conversation.last_message.automated != true && conversation.last_message.subject != ""',
        'conversation.last_message.direction in ["inbound", conversation.status]',
        'type.startsWith("conversation.un")',
        "type == conversation.status",
        'conversation.labels.exists(type, type == "vip")',
        'conversation.status == "incoming"',
    ],
)
def test_everything_else_stays_open(text: str) -> None:
    assert compile_condition(text)
