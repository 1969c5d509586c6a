"""Where people get two messages for each new one of a customer, `check` says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load


@pytest.mark.parametrize(
    ("when", "more", "receiver", "warns"),
    [
        ("conversation.*", "", "team", True),
        ("[conversation.message, conversation.unread]", "", "team", True),
        ("conversation.*", "where: conversation.assignee == null", "team", True),
        ("[conversation.unread, conversation.waiting]", "", "team", True),
        ("[conversation.unread, conversation.waiting]", "for: 15m", "team", False),
        ("[conversation.created, conversation.waiting]", "", "team", False),
        ("conversation.unread", "", "team", False),
        ("conversation.*", "", "crm", False),
        ("conversation.*", "digest: 5m", "team", False),
        ("conversation.*", "throttle: 10m", "team", False),
        ("conversation.*", "where: type != 'conversation.unread'", "team", False),
    ],
)
def test_a_rule_that_tells_people_twice(
    tmp_path: Path, when: str, more: str, receiver: str, warns: bool
) -> None:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        "timezone: UTC\nsources: {desk: {provider: chatwoot, account_id: 3, token: not-a-real-token}}\n"
        "receivers:\n  crm: {type: webhook, url: 'http://127.0.0.1/'}\n"
        "  team: {type: apprise, url: 'json://127.0.0.1/'}\n"
        f"rules:\n  - name: A\n    when: {when}\n    notify: {receiver}\n"
        + (f"    {more}\n" if more else "")
        + "  - {name: Trouble, when: source.failing, notify: [crm, team]}\n"
    )
    found = [one for one in load([file], environ={}).warnings if "two messages" in one.message]
    assert [(one.line, one.column) for one in found] == ([(8, 11)] if warns else [])
