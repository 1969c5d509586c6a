"""What a condition that CEL cannot read says to do."""

from __future__ import annotations

import pytest

from watcher.conditions import ExpressionError, compile_condition


@pytest.mark.parametrize(
    ("text", "escape", "suggestion"),
    [
        (r'conversation.status.matches("\d{4,}")', r"\d", r'r"\d{4,}"'),
        (r"conversation.status.matches('a\n\.b')", r"\.", r"r'a\n\.b'"),
    ],
)
def test_an_unknown_escape_asks_for_a_raw_text(text: str, escape: str, suggestion: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text)
    assert caught.value.message.startswith(f"unknown escape {escape} in a text")
    assert caught.value.offset == text.index(escape)
    assert caught.value.suggestion == suggestion
    assert compile_condition(text.replace("'a", "r'a").replace('"', 'r"', 1))


def test_a_text_without_an_end_names_the_comment_of_yaml() -> None:
    with pytest.raises(ExpressionError, match=r"no closing quote \(in YAML ` #` begins a comment"):
        compile_condition('conversation.status == "ticket')
