"""`backtest`: today's rules over what was recorded, beside what was really sent."""

from __future__ import annotations

import pytest

from tests.cli.harness import Harness, json_lines

THROTTLED = """  - name: At most one an hour
    when: conversation.message
    throttle: 1h
    notify: crm
"""


@pytest.fixture
def past(harness: Harness) -> Harness:
    """Return a harness in which three messages came, each told by the rule for everything."""
    assert harness.run("run", "--once").exit_code == 0
    for text in ("The first", "The second", "The third"):
        harness.world.message(harness.account.conversations["1"], text)
        assert harness.run("run", "--once").exit_code == 0
    return harness


def test_the_same_rules_would_send_the_same(past: Harness) -> None:
    told = json_lines(past.run("backtest", "--json").stdout)
    counts = [one for one in told if one["kind"] == "count"]
    assert sum(one["would"] for one in counts) == sum(one["was"] for one in counts) > 0
    would = [one["id"] for one in told if one["kind"] == "message"]
    assert would == [event["id"] for event in past.receiver.got]


def test_other_rules_show_what_they_would_have_done_and_send_nothing(past: Harness) -> None:
    text = past.config.read_text()
    past.config.write_text(text[: text.index("rules:")] + "rules:\n" + THROTTLED)
    before = len(past.receiver.got)
    told = past.run("backtest", "--since", "1h")
    assert told.exit_code == 0, told.stderr
    assert f"1 message would be sent, {before} were sent" in told.stdout
    assert told.stdout.count("At most one an hour") == 1
    assert len(past.receiver.got) == before
    assert past.run("backtest", "--counts").stdout.count("At most one an hour") == 0


def test_what_would_change_is_marked(past: Harness) -> None:
    every = json_lines(past.run("backtest", "--json").stdout)
    assert {one["change"] for one in every if one["kind"] == "message"} == {"="}
    text = past.config.read_text()
    rules = THROTTLED.replace("notify: crm", "notify: [crm, web]")
    web = f"  web: {{type: webhook, url: '{past.hook}'}}\n"
    past.config.write_text(text[: text.index("rules:")] + web + "rules:\n" + rules)
    marked = json_lines(past.run("backtest", "--json").stdout)
    sent = {event["id"]: event["type"] for event in past.receiver.got}
    messages = [one for one in marked if one["kind"] == "message"]
    assert {(one["change"], one["receiver"]) for one in messages} == {
        ("+", "web"), ("=", "crm"), ("-", "crm"),
    }  # fmt: skip
    kept = [one["id"] for one in messages if one["change"] == "="]
    gone = [one["id"] for one in messages if one["change"] == "-"]
    assert sorted(kept + gone) == sorted(sent)
    assert {sent[one] for one in kept} == {"conversation.message"}
    rows = past.run("backtest").stdout.splitlines()
    assert [row[0] for row in rows[1 : len(messages) + 1]] == [one["change"] for one in messages]
    assert f"1 more (+), {len(gone)} fewer (-)" in rows[-1]


def test_where_nothing_is_recorded_there_is_nothing_to_show(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    told = harness.run("backtest", "--since", "1ms")
    assert told.exit_code == 0
    assert "no events are recorded in that time" in told.stderr
