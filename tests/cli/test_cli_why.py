"""`why`: the reasons that were recorded, for an event, a delivery, a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.harness import Harness, json_lines

RULES = """  - name: Only VIPs
    when: conversation.message
    where: '"vip" in conversation.labels'
    notify: crm
  - name: At most one an hour
    when: conversation.message
    throttle: 1h
    notify: crm
"""


@pytest.fixture
def told(harness: Harness) -> Harness:
    """Return a harness whose store has two messages of one conversation, one sent, one throttled."""
    text = harness.config.read_text()
    harness.config.write_text(text[: text.index("rules:")] + "rules:\n" + RULES)
    assert harness.run("run", "--once").exit_code == 0
    for text in ("The first", "The second"):
        harness.world.message(harness.account.conversations["1"], text)
        assert harness.run("run", "--once").exit_code == 0
    return harness


def messages(harness: Harness) -> list[dict[str, Any]]:
    every = json_lines(harness.run("why", "1", "--json", "--limit", "50").stdout)
    return [one for one in every if one["event"]["type"] == "conversation.message"]


def test_a_conversation_tells_of_its_events_with_every_rule_and_attempt(told: Harness) -> None:
    first, second = messages(told)
    assert [(rule["rule"], rule["matched"]) for rule in first["rules"]] == [
        ("Only VIPs", False),
        ("At most one an hour", True),
    ]
    assert "vip" in first["rules"][0]["reason"]
    ((sent,), (held_back,)) = first["deliveries"], second["deliveries"]
    assert sent["state"] == "delivered"
    assert [(e["kind"], e["attempt"], e["status"]) for e in sent["history"]] == [
        ("attempt", 1, 200)
    ]
    assert held_back["state"] == "cancelled"
    assert [entry["kind"] for entry in held_back["history"]] == ["throttled"]


def test_an_event_and_a_delivery_tell_the_same_story(told: Harness) -> None:
    first = messages(told)[0]
    (sent,) = first["deliveries"]
    for name in (first["event"]["id"], sent["id"], f"{sent['id']}/{sent['receiver']}"):
        assert json_lines(told.run("why", name, "--json").stdout) == [first]


def test_people_read_what_changed_what_decided_and_what_came_of_it(told: Harness) -> None:
    text = told.run("why", "1", "--limit", "50").stdout
    assert "last_message: " in text
    assert "no   Only VIPs: " in text
    assert "yes  At most one an hour: " in text
    assert "attempt 1" in text
    assert "HTTP 200" in text
    assert "throttled: the rule 'At most one an hour' has sent one at" in text


def test_an_event_of_the_watcher_itself_says_its_reason(told: Harness) -> None:
    (baselined,) = json_lines(told.run("events", "--json", "--type", "source.baselined").stdout)
    text = told.run("why", baselined["id"]).stdout
    assert baselined["data"]["reason"]
    assert f"  is watched from now on: {baselined['data']['reason']}" in text


def test_rules_about_other_types_are_one_line(told: Harness) -> None:
    unread = next(
        one["event"]["id"]
        for one in json_lines(told.run("why", "1", "--json", "--limit", "50").stdout)
        if one["event"]["type"] == "conversation.unread"
    )
    shown = told.run("why", unread).stdout
    assert shown.splitlines()[shown.splitlines().index("rules, in order") + 1] == (
        "  no   2 rules ask for other types: Only VIPs, At most one an hour"
    )
    many = "".join(
        f"  - {{name: R{number}, when: source.failing, notify: crm}}\n" for number in range(25)
    )
    told.config.write_text(told.config.read_text() + many)
    told.world.message(told.account.conversations["2"], "Another")
    assert told.run("run", "--once").exit_code == 0
    shown = told.run("why", "2", "--limit", "50").stdout
    assert shown.count("  no   25 rules ask for other types\n") == 1  # of the message
    assert shown.count("  no   27 rules ask for other types\n") >= 1
    assert "R7" not in shown


def test_the_reasons_are_those_of_then_also_when_the_rules_have_changed(told: Harness) -> None:
    before = messages(told)
    told.write()
    assert messages(told) == before


def test_what_still_waits_says_what_for(told: Harness) -> None:
    told.receiver.status = 500
    told.config.write_text(told.config.read_text().replace("    throttle: 1h\n", ""))
    for text in ("The third", "The fourth"):  # nobody tries the fourth yet
        told.world.message(told.account.conversations["2"], text)
        assert told.run("run", "--once").exit_code == 1
    stories = json_lines(told.run("why", "2", "--json", "--limit", "50").stdout)
    waiting = [one for story in stories for one in story["deliveries"] if one["state"] == "pending"]
    assert len(waiting) == 2
    assert [one["waits"]["reason"] for one in waiting] == ["retry", "order"]
    assert waiting[0]["waits"]["until"] == waiting[0]["due"]
    assert waiting[1]["waits"]["by"] == waiting[0]["id"] + "/crm"
    assert "waits: an earlier delivery of the same conversation" in told.run("why", "2").stdout
    assert "an earlier delivery" in told.run("deliveries", "show", waiting[1]["id"]).stdout
    listed = json_lines(told.run("deliveries", "--state", "pending", "--json").stdout)
    assert listed[0]["waits"] == waiting[0]["waits"]
    told.receiver.status = 410
    told.run("deliveries", "retry", "--state", "pending")
    assert told.run("run", "--once").exit_code == 1
    assert "waits: the receiver crm is off: HTTP 410" in told.run("why", "2").stdout


def test_what_nobody_knows_is_told_in_two_lines(told: Harness) -> None:
    result = told.run("why", "nothing-like-that")
    assert result.exit_code == 1
    assert (
        "error: no event, delivery or conversation with events has the id nothing-like-that"
        in result.stderr
    )
    assert result.stderr.count("\n") == 2
