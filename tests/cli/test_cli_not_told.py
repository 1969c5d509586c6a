"""`why --not-told`: by id or by name, for people and programs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.harness import Harness, json_lines

RULES = """  - name: Only VIPs
    when: conversation.message
    where: '"vip" in conversation.labels'
    notify: crm
"""


@pytest.fixture
def asked(harness: Harness) -> Harness:
    """Return a harness with one message that a condition kept back."""
    text = harness.config.read_text()
    harness.config.write_text(text[: text.index("rules:")] + "rules:\n" + RULES)
    assert harness.run("run", "--once").exit_code == 0
    harness.world.message(harness.account.conversations["1"], "The first")
    assert harness.run("run", "--once").exit_code == 0
    return harness


def answer(harness: Harness, *words: str) -> dict[str, Any]:
    result = harness.run("why", *words, "--not-told", "crm", "--json")
    assert result.exit_code == 0, result.stderr
    (answered,) = json_lines(result.stdout)
    return answered


def test_a_conversation_an_event_and_a_name_get_the_same_answer(asked: Harness) -> None:
    events = json_lines(asked.run("events", "--json", "--type", "conversation.message").stdout)
    name = events[0]["data"]["conversation"]["contact"]["name"]
    by_id, by_name = answer(asked, "1"), answer(asked, name)
    by_event = answer(asked, events[0]["id"][:12])
    (first, *_) = by_id["findings"]
    assert first["kind"] == "condition"
    assert first["place"] == f"{asked.config}:{asked.config.read_text().count(chr(10)) - 3}"
    assert by_name["findings"][0] == first == by_event["findings"][0]
    assert (by_name["source"], by_name["conversation"]) == ("support", "1")
    assert by_event["event"] == events[0]["id"]


def test_people_read_what_decided_where_and_what_to_do(asked: Harness) -> None:
    lines = asked.run("why", "1", "--not-told", "crm").stdout.splitlines()
    assert lines[0].startswith("why was crm not told of ")
    assert lines[1].startswith(
        "1. the rule 'Only VIPs' did not match conversation.message: `where`"
    )
    assert lines[2].startswith(f"   decided by: Only VIPs ({asked.config}:")
    assert lines[3].startswith("   what to do: change its condition")


def test_an_expected_type_that_was_not_recorded(asked: Harness) -> None:
    found = answer(asked, "1", "--type", "conversation.removed", "--around", "now")["findings"]
    assert found[0]["kind"] == "elsewhere"
    assert "between-looks" in {one["kind"] for one in found}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["1", "--around", "10:02"], 2, "go with --not-told"),
        (["1", "--not-told", "crm", "--around", "now", "--since", "1h"], 2, "a time of its own"),
        (["1", "--not-told", "crm", "--around", "soon"], 2, "--around 'soon' is not a time"),
        (["1", "--not-told", "crm", "--type", "conversation.raed"], 2, "conversation.read"),
        (["Nobody At All", "--not-told", "crm"], 1, "no contact is called so"),
    ],
)
def test_what_is_not_clear_is_said(
    asked: Harness, words: list[str], status: int, said: str
) -> None:
    result = asked.run("why", *words)
    assert result.exit_code == status
    assert said in " ".join(result.stderr.split())


def test_a_receiver_that_there_is_not(asked: Harness) -> None:
    text = asked.run("why", "1", "--not-told", "crn").stdout
    assert "1. there is no receiver crn" in text
    assert "did you mean" in text
