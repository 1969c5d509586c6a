"""`given:` of a rule test, and what a conversation that was not given causes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from watcher.cli import app

CONFIG = """
sources:
  desk: {provider: chatwoot, account_id: 3, token: "${NOWHERE_SET}"}
  shop: {provider: chatwoot, account_id: 4, token: "${NOWHERE_SET}"}
receivers:
  log: {type: webhook, url: "${NOR_THAT}"}
  team: {type: webhook, url: "${NOR_THIS}"}
rules:
  - {name: all, when: conversation.*, notify: log}
  - {name: nobody, when: conversation.waiting, for: 20m, notify: team}
"""
CALM = "{conversation: {id: 1, labels: [vip], unread: true, last_message: {text: Hi, direction: outbound}}}"


def run(folder: Path, test: str) -> Result:
    (folder / "watch.yaml").write_text(CONFIG)
    (folder / "watch.test.yaml").write_text(f"tests:\n  - name: it\n{test}")
    return CliRunner().invoke(app, ["test", str(folder)])


def sent(folder: Path, given: str, *events: str, receiver: str = "log") -> list[str]:
    """Return the types of events that a receiver gets, in their order."""
    steps = "".join(f"      - {one}\n" for one in events)
    test = f"    receivers: {receiver}\n    given: [{given}]\n    events:\n{steps}    expect: []\n"
    result = run(folder, test)
    assert result.exit_code in (0, 1), result.output
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("      +  ")]
    return [words[3].removeprefix("conversation.") for words in lines]


@pytest.mark.parametrize(
    ("given", "event", "types"),
    [
        # What is given is state, and no change.
        (CALM, "{at: 1m, conversation: {id: 1}}", []),
        (CALM, "{at: 1m, conversation: {id: 1, labels: [vip], unread: true}}", []),
        (CALM, "{at: 1m, conversation: {id: 1, labels: [vip, new]}}", ["labels_changed"]),
        (CALM, "{at: 1m, conversation: {id: 1, last_message: Help}}", ["message", "waiting"]),
        (CALM, "{at: 1m, conversation: {id: 1, unread: false}}", ["read"]),
        (
            "{conversation: {id: 1, last_message: Help}}",
            "{at: 1m, conversation: {id: 1, last_message: {text: Yes, direction: outbound}}}",
            ["message", "answered"],
        ),
        (
            "{conversation: {id: 1, last_message: Help}}",
            "{at: 1m, conversation: {id: 1, last_message: {text: We will be with you soon,"
            " direction: outbound, automated: true}}}",
            ["message"],
        ),
        (
            "{conversation: {id: 1, waiting_since: 2026-01-05T08:00:00Z}}",
            "{at: 1m, conversation: {id: 1, archived: true}}",
            ["answered", "archived"],
        ),
        ("{conversation: {id: 1}, source: shop}", "{at: 1m, conversation: {id: 1}}", ["created"]),
        # What was not given is new, as the daemon tells it.
        ("", "{at: 0s, conversation: {id: 2, labels: [vip], assignee: ann}}", ["created"]),
        (
            "",
            "{at: 0s, conversation: {id: 2, unread: true, last_message: Help}}",
            ["created", "unread", "waiting"],
        ),
        (
            "",
            "{at: 0s, conversation: {id: 2, last_message: {text: Hi, direction: outbound}}}",
            ["created"],
        ),
        # With a type it is that one event.
        ("", "{at: 0s, type: conversation.waiting, conversation: {id: 2}}", ["waiting"]),
        (
            "",
            "{at: 0s, type: conversation.created, conversation: {id: 2, unread: true}}",
            ["created"],
        ),
        (
            "{conversation: {id: 2, last_message: Help}}",
            "{at: 1m, type: conversation.answered, conversation: {id: 2}}",
            ["answered"],
        ),
        (
            "{conversation: {id: 2, last_message: Help}}",
            "{at: 1m, type: conversation.answered, conversation: {id: 2, waiting_since: null}}",
            ["answered"],
        ),
    ],
)
def test_what_a_conversation_causes(
    tmp_path: Path, given: str, event: str, types: list[str]
) -> None:
    assert sent(tmp_path, given, event) == types


def test_a_new_customer_whom_nobody_answers(tmp_path: Path) -> None:
    first = "{at: 0s, conversation: {id: 2, unread: true, last_message: Hello}}"
    read = "{at: 5m, type: conversation.read, conversation: {id: 2}}"
    greeting = (
        "{at: 6m, conversation: {id: 2, last_message: {text: We will be with you soon,"
        " direction: outbound, automated: true}}}"
    )
    answer = "{at: 19m, conversation: {id: 2, last_message: {text: Yes, direction: outbound}}}"
    assert sent(tmp_path, "", first, read, greeting, receiver="team") == ["waiting"]
    assert sent(tmp_path, "", first, read, greeting, answer, receiver="team") == []


def test_who_waits_already_starts_no_timer(tmp_path: Path) -> None:
    given = "{conversation: {id: 1, last_message: Help}}"
    assert sent(tmp_path, given, "{at: 1h, conversation: {id: 1}}", receiver="team") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[{conversation: {id: 1, colour: red}}]", "3:36: a conversation has no `colour`"),
        (
            "[{conversation: {id: 1}, at: 0s}]",
            "unknown key `at` in what is given (allowed: source,",
        ),
        ("[{}]", "what is given lacks `conversation`"),
        ("[a]", "`given` must be a mapping, found `a`"),
        ("[{conversation: {id: 1}}, {conversation: {id: 1}}]", "the conversation 1 is given twice"),
        ("[{conversation: {id: 1}, source: sails}]", "there is no source `sails`"),
    ],
)
def test_a_mistake_in_what_is_given(tmp_path: Path, given: str, said: str) -> None:
    event = "{at: 0s, conversation: {id: 1}}"
    result = run(tmp_path, f"    given: {given}\n    events: [{event}]\n    expect: []\n")
    assert result.exit_code == 2
    assert said in result.stderr
