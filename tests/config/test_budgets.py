"""What would exceed a budget for the largest event is told by `check`, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load

WORDS = (
    "{% for a in conversation.last_message.text.split() %}"
    "{% for b in conversation.last_message.text.split() %}{{ a == b }}{% endfor %}{% endfor %}"
)
PAIRS = "conversation.labels.exists(a, conversation.labels.exists(b, a != b))"


@pytest.mark.parametrize(
    ("keys", "place", "said"),
    [
        (f"message: {{body: '{WORDS}'}}", 12, "`body`: with the longest texts"),
        (f"message: {{title: '{WORDS}'}}", 12, "`title`: with the longest texts"),
        (
            f"message: {{per_receiver: {{team: {{body: '{WORDS}'}}}}}}",
            12,
            "`body`: with the longest",
        ),
        ("message: long", 7, "`body`: with the longest texts"),
        (f"where: {PAIRS}", 12, "`where`: with the largest lists"),
        (f"unless: {PAIRS}", 12, "`unless`: with the largest lists"),
        (f"throttle: {{within: 1h, by: '{PAIRS}'}}", 12, "`throttle.by`: with the largest lists"),
        (f"digest: {{every: 1h, by: '{PAIRS}'}}", 12, "`digest.by`: with the largest lists"),
        ("message: {body: '{{ conversation.last_message.text }}'}", 0, ""),
        ("where: '\"vip\" in conversation.labels'", 0, ""),
    ],
)
def test_what_may_exceed_its_budget(tmp_path: Path, keys: str, place: int, said: str) -> None:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        "timezone: UTC\nsources: {desk: {provider: chatwoot, account_id: 3, token: not-a-real-token}}\n"
        "receivers:\n  team: {type: apprise, url: 'json://127.0.0.1/'}\n"
        "templates:\n  long:\n"
        f"    body: '{WORDS if keys == 'message: long' else ''}.'\n"
        f"rules:\n  - name: A\n    when: conversation.unread\n    notify: team\n    {keys}\n"
        "  - {name: Trouble, when: source.failing, notify: team}\n"
    )
    found = load([file], environ={}).warnings
    told = [(one.line, one.message) for one in found if "budget" in one.message]
    assert [line for line, _ in told] == ([place] if place else [])
    assert all(said in message for _, message in told)
