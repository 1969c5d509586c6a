"""`backtest`: today's rules over what was recorded, beside what was really sent."""

from __future__ import annotations

import pytest
from workshop import Workshop, json_lines

THROTTLED = """  - name: At most one an hour
    when: conversation.message
    throttle: 1h
    notify: crm
"""


@pytest.fixture
def past(shop: Workshop) -> Workshop:
    """Give a workshop in which three messages came, each told by the rule for everything."""
    assert shop.run("run", "--once").exit_code == 0
    for text in ("The first", "The second", "The third"):
        shop.world.message(shop.account.conversations["1"], text)
        assert shop.run("run", "--once").exit_code == 0
    return shop


def test_the_same_rules_would_send_the_same(past: Workshop) -> None:
    told = json_lines(past.run("backtest", "--json").stdout)
    counts = [one for one in told if one["kind"] == "count"]
    assert sum(one["would"] for one in counts) == sum(one["was"] for one in counts) > 0
    would = [one["id"] for one in told if one["kind"] == "message"]
    assert would == [event["id"] for event in past.receiver.got]


def test_other_rules_show_what_they_would_have_done_and_send_nothing(past: Workshop) -> None:
    text = past.config.read_text()
    past.config.write_text(text[: text.index("rules:")] + "rules:\n" + THROTTLED)
    before = len(past.receiver.got)
    told = past.run("backtest", "--since", "1h")
    assert told.exit_code == 0, told.stderr
    assert f"1 messages would be sent, {before} were sent" in told.stdout
    assert told.stdout.count("At most one an hour") == 1
    assert len(past.receiver.got) == before
    assert past.run("backtest", "--counts").stdout.count("At most one an hour") == 0


def test_where_nothing_is_recorded_there_is_nothing_to_show(shop: Workshop) -> None:
    assert shop.run("run", "--once").exit_code == 0
    told = shop.run("backtest", "--since", "1ms")
    assert told.exit_code == 0
    assert "no events are recorded in that time" in told.stderr
